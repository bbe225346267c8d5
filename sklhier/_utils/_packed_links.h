/* From the scores of a node to the shares of its outcomes, as links.py, linear_predict.py and
 * calibrated.py have it.
 */
#ifndef SKLHIER_PACKED_LINKS_H
#define SKLHIER_PACKED_LINKS_H

#include "_packed_structs.h"

PACKED_INLINE double packed_sigmoid(double score) { return 1 / (1 + exp(-score)); }

PACKED_INLINE double packed_log_sigmoid(double score) {
    return score < 0 ? score - log1p(exp(score)) : -log1p(exp(-score));
}

static void packed_softmax(double *s, int32_t n) {
    double most = s[0], total = 0;
    int32_t j;
    for (j = 1; j < n; j++) most = s[j] > most ? s[j] : most;
    for (j = 0; j < n; j++) total += s[j] = exp(s[j] - most);
    for (j = 0; j < n; j++) s[j] /= total;
}

/* Divide sigmoids, which are the weights of two links, by their sum; return whether they are large
 * enough for that. This takes a third of the time of logarithms. */
static int packed_weigh_sigmoids(const packed_node *node, double *s, int32_t n) {
    double most = -INFINITY, far = 0, total = 0;
    int32_t j;
    for (j = 0; j < n; j++) {
        if (!(fabs(s[j]) <= far)) far = fabs(s[j]);
        if (s[j] > most) most = s[j];
    }
    if (!(most > -30 && far < 1e4)) return 0; /* NaN, too */
    for (j = 0; j < n; j++) {
        const double e = exp(-fabs(s[j])), tie = PACKED_TIE * s[j];
        const double sigmoid = (s[j] < 0 ? e : 1) / (1 + e);
        s[j] = node->link == PACKED_LOGISTIC ? sigmoid * (1 + tie + tie * tie / 2) : sigmoid;
        total += s[j];
    }
    for (j = 0; j < n; j++) s[j] /= total;
    return 1;
}

/* Turn scores of outcomes, one each, into logarithms of weights. */
static void packed_weigh(const packed_node *node, double *s, int32_t n) {
    int32_t j;
    if (node->link == PACKED_LOG_SIGMOIDS) {
        for (j = 0; j < n; j++) s[j] = packed_log_sigmoid(s[j]);
    } else if (node->link == PACKED_LOGISTIC) {
        for (j = 0; j < n; j++) s[j] = packed_log_sigmoid(s[j]) + PACKED_TIE * s[j];
    } else if (node->link == PACKED_HINGE) {
        for (j = 0; j < n; j++)
            s[j] = PACKED_TIE * s[j] - (s[j] < 1 ? pow(1 - s[j], node->sharpness) : 0);
    }
}

/* Whether one score stands for both of two outcomes, as its negative does. */
PACKED_INLINE int packed_is_mirrored(const packed_node *node) {
    return node->link == PACKED_MARGINS || node->link == PACKED_LOGISTIC || node->link == PACKED_HINGE;
}

/* Divide weights by their sum; return whether all are finite. */
static int packed_divide(double *s, int32_t n) {
    double total = 0;
    int32_t j, finite = 1;
    for (j = 0; j < n; j++) total += s[j];
    for (j = 0; j < n; j++) s[j] /= total;
    for (j = 0; j < n; j++) finite &= isfinite(s[j]) != 0;
    return finite;
}

/* What calibrators read: the log-odds of a share, or a margin as it is. */
PACKED_INLINE double packed_odds(const packed_node *node, double share) {
    if (node->link == PACKED_MARGINS) return share;
    if (share < PACKED_LEAST_ODDS) share = PACKED_LEAST_ODDS;
    if (share > 1 - PACKED_LEAST_ODDS) share = 1 - PACKED_LEAST_ODDS;
    return log(share) - log1p(-share);
}

/* Let a logistic function be the weight of each outcome, one stand for both of two. `odds` is room for n. */
static void packed_calibrate(
    const packed_node *node, const double *slopes, const double *offsets, double *s, int32_t n, double *odds
) {
    double most = -INFINITY, total = 0;
    int32_t j;
    for (j = 0; j < n; j++) {
        odds[j] = packed_odds(node, s[j]);
        if (odds[j] > most) most = odds[j];
        if (n != 2) s[j] = packed_sigmoid(slopes[j] * odds[j] + offsets[j]);
    }
    if (n == 2) {
        s[1] = packed_sigmoid(slopes[0] * odds[1] + offsets[0]);
        s[0] = 1 - s[1];
    }
    for (j = 0; j < n; j++) total += odds[j] = exp(odds[j] - most);
    for (j = 0; j < n; j++) s[j] *= 1 + PACKED_TIE * (odds[j] / total);
}

/* Raise shares to a power, or multiply margins by it. A share of 0 counts as half of the smallest other
 * one, or less. */
static void packed_temper(const packed_node *node, double *s, int32_t n) {
    const double most = 0.01 / n;
    double least = 1;
    int32_t j;
    if (node->link != PACKED_MARGINS) {
        for (j = 0; j < n; j++)
            if (s[j] != 0 && s[j] < least) least = s[j];
        least = least / 2 > most ? most : least / 2 > 0 ? least / 2 : least;
        for (j = 0; j < n; j++) s[j] = log(s[j] == 0 ? least : s[j]);
    }
    for (j = 0; j < n; j++) s[j] *= node->slopes[0];
    packed_softmax(s, n);
}

/* Turn scores into the share of each outcome, in place. A calibrated node has room for n more. */
static int packed_shares(const packed_node *node, double *s, int32_t n) {
    const int is_raw = node->slopes && node->link == PACKED_MARGINS; /* calibrated as it is */
    int32_t j;
    if (node->link != PACKED_HINGE)
        for (j = 0; j < node->n_scores; j++) s[j] *= node->sharpness;
    if (node->n_scores == 1 && !packed_is_mirrored(node)) {
        s[1] = packed_sigmoid(s[0]);
        s[0] = 1 - s[1];
        if (node->link != PACKED_SIGMOIDS) packed_softmax(s, n);
    } else if (node->link == PACKED_SIGMOIDS) {
        for (j = 0; j < n; j++) s[j] = packed_sigmoid(s[j]);
    } else {
        if (node->n_scores == 1) {
            s[1] = s[0];
            s[0] = -s[0];
        }
        if (!is_raw && ((node->link != PACKED_LOGISTIC && node->link != PACKED_LOG_SIGMOIDS)
                        || !packed_weigh_sigmoids(node, s, n))) {
            packed_weigh(node, s, n);
            packed_softmax(s, n);
        }
    }
    if (node->slopes) {
        if (!is_raw && !packed_divide(s, n)) return PACKED_NOT_FINITE;
        if (node->offsets) packed_calibrate(node, node->slopes, node->offsets, s, n, s + n);
        else packed_temper(node, s, n);
    }
    return packed_divide(s, n) ? 0 : PACKED_NOT_FINITE;
}

/* Whether the larger of two scores, the larger by `gap`, has the larger share by more than rounding. */
static int packed_is_clear(const packed_node *node, double most, double gap) {
    const double by = node->sharpness;
    if (node->link == PACKED_MARGINS) return by * gap > 1e-12 * (1 + by * 1e6);
    if (node->link == PACKED_SOFTMAX) return gap > 1e-6;
    return node->link != PACKED_HINGE && by * fabs(most) < 15 && by * gap > 1e-5;
}

/* The first outcome with the largest share, or PACKED_NOT_FINITE. Shares need not be known where scores
 * differ clearly. */
static int32_t packed_first_best(const packed_node *node, double *s, int32_t n) {
    int32_t j, best = 0;
    double second = -INFINITY;
    if (node->slopes) goto shares;
    if (node->n_scores == 1) {
        const double by = node->link == PACKED_HINGE ? 1 : node->sharpness;
        if (by * fabs(s[0]) > 1e-9 && fabs(s[0]) < 1e6) return s[0] > 0;
    } else {
        for (j = 0; j < n; j++) {
            if (!(fabs(s[j]) < 1e6)) goto shares; /* NaN, too */
            if (s[j] > s[best]) best = j;
        }
        for (j = 0; j < n; j++)
            if (j != best && s[j] > second) second = s[j];
        if (packed_is_clear(node, s[best], s[best] - second)) return best;
    }
shares:
    if (packed_shares(node, s, n)) return PACKED_NOT_FINITE;
    for (best = 0, j = 1; j < n; j++)
        if (s[j] > s[best]) best = j;
    return best;
}

/* What packed_shares would give the second of two outcomes, by one exponential function. */
PACKED_INLINE double packed_membership(const packed_node *node, double score) {
    double s = score, e;
    if (node->link == PACKED_HINGE) {
        double pair[2] = {-score, score};
        packed_weigh(node, pair, 2);
        s = pair[1] - pair[0];
    } else {
        s *= node->sharpness;
        if (node->link == PACKED_MARGINS) s *= 2;
        if (node->link == PACKED_LOGISTIC) s *= 1 + 2 * PACKED_TIE;
    }
    e = exp(-fabs(s));
    return isfinite(s) ? (s < 0 ? e : 1) / (1 + e) : s - s; /* NaN */
}

/* The same for a sibling that is calibrated. */
PACKED_INLINE double packed_calibrated(const packed_node *node, double score, int32_t j) {
    const int is_margin = node->link == PACKED_MARGINS;
    double pair[4];
    pair[1] = is_margin ? node->sharpness * score : packed_membership(node, score);
    pair[0] = is_margin ? -pair[1] : 1 - pair[1];
    packed_calibrate(node, node->slopes + j, node->offsets + j, pair, 2, pair + 2);
    return pair[1] / (pair[0] + pair[1]);
}

/* Turn the scores of siblings into the share of each of them in what their parent has. */
static int packed_memberships(const packed_node *node, double *s, int32_t n) {
    int32_t j, failed = 0;
    for (j = 0; j < n; j++) {
        if (node->certain[j]) s[j] = 1;
        else s[j] = node->slopes ? packed_calibrated(node, s[j], j) : packed_membership(node, s[j]);
        failed |= !isfinite(s[j]);
    }
    return failed ? PACKED_NOT_FINITE : 0;
}

#endif
