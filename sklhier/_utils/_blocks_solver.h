/* Solvers for REAL numbers, LANES problems side by side, and the instructions of TARGET.
 *
 * Loops over lanes have constant bounds and no branches, so that compilers turn them into vectors.
 */

/* The entries of a row: their number, and where they and their columns are. */
TARGET BLOCKS_INLINE int64_t NAME(row)(
    const blocks_problem *p, int64_t i, const REAL **x, const int32_t **columns
) {
    int64_t row = p->rows[i], begin;
    if (!p->indptr) {
        *x = (const REAL *)p->data + row * p->n_features;
        *columns = NULL;
        return p->n_features;
    }
    begin = p->indptr[row];
    *x = (const REAL *)p->data + begin;
    *columns = p->indices + (p->starts ? p->starts[i] : begin);
    return p->indptr[row + 1] - begin;
}

/* Fetch the rows to come: what the next but one begins with, and with far weights those of the next. */
TARGET BLOCKS_INLINE void NAME(prefetch)(
    const blocks_problem *p, const int32_t *order, int64_t n_left, const REAL *alphas, int n_alphas,
    int is_far
) {
    const REAL *x;
    const int32_t *columns;
    int64_t q, n;
    if (n_left > 2) {
        (void)NAME(row)(p, order[2], &x, &columns);
        BLOCKS_PREFETCH(x);
        if (columns) BLOCKS_PREFETCH(columns);
        BLOCKS_PREFETCH(alphas + (int64_t)order[2] * n_alphas);
    }
    if (is_far && n_left > 1) {
        n = NAME(row)(p, order[1], &x, &columns);
        for (q = 0; q < n; q++)
            BLOCKS_PREFETCH((const REAL *)p->weights + (int64_t)columns[q] * LANES);
    }
}

/* Whether weights of sparse rows, read in no order, are more than the cache of a core holds. */
TARGET BLOCKS_INLINE int NAME(is_far)(const blocks_problem *p) {
    return p->indptr && p->n_features > BLOCKS_NEAR / (LANES * (int64_t)sizeof(REAL));
}

/* Scores of a row: products with the weights of all lanes. */
TARGET BLOCKS_INLINE void NAME(dot)(
    const REAL *BLOCKS_RESTRICT x, const int32_t *BLOCKS_RESTRICT columns, int64_t n,
    const REAL *BLOCKS_RESTRICT weights, const REAL *BLOCKS_RESTRICT intercepts, REAL bias,
    REAL *BLOCKS_RESTRICT scores
) {
    /* Two sums in turns: an addition waits for the one before it in the same sum. */
    REAL sums[LANES], others[LANES];
    int64_t q;
    int l;
    for (l = 0; l < LANES; l++) {
        sums[l] = bias * intercepts[l];
        others[l] = 0;
    }
    for (q = 0; q + 1 < n; q += 2) {
        const REAL value = x[q], next = x[q + 1];
        const REAL *BLOCKS_RESTRICT own = weights + (columns ? columns[q] : q) * LANES;
        const REAL *BLOCKS_RESTRICT beside = weights + (columns ? columns[q + 1] : q + 1) * LANES;
        for (l = 0; l < LANES; l++) sums[l] += value * own[l];
        for (l = 0; l < LANES; l++) others[l] += next * beside[l];
    }
    if (q < n) {
        const REAL value = x[q];
        const REAL *BLOCKS_RESTRICT own = weights + (columns ? columns[q] : q) * LANES;
        for (l = 0; l < LANES; l++) sums[l] += value * own[l];
    }
    for (l = 0; l < LANES; l++) scores[l] = sums[l] + others[l];
}

/* Add a multiple of a row to the weights of each lane. */
TARGET BLOCKS_INLINE void NAME(add)(
    const REAL *BLOCKS_RESTRICT x, const int32_t *BLOCKS_RESTRICT columns, int64_t n,
    REAL *BLOCKS_RESTRICT weights, REAL *BLOCKS_RESTRICT intercepts, REAL bias,
    const REAL *BLOCKS_RESTRICT steps
) {
    REAL own_steps[LANES];
    int64_t q;
    int l;
    for (l = 0; l < LANES; l++) own_steps[l] = steps[l];
    for (l = 0; l < LANES; l++) intercepts[l] += bias * own_steps[l];
    if (columns) {
        for (q = 0; q < n; q++) {
            const REAL value = x[q];
            REAL *BLOCKS_RESTRICT own = weights + (int64_t)columns[q] * LANES;
            for (l = 0; l < LANES; l++) own[l] += value * own_steps[l];
        }
    } else {
        for (q = 0; q < n; q++) {
            const REAL value = x[q];
            REAL *BLOCKS_RESTRICT own = weights + q * LANES;
            for (l = 0; l < LANES; l++) own[l] += value * own_steps[l];
        }
    }
}

TARGET BLOCKS_INLINE REAL NAME(squared_length)(const REAL *x, int64_t n, REAL bias) {
    double sum = (double)bias * bias;
    int64_t q;
    for (q = 0; q < n; q++) sum += (double)x[q] * x[q];
    return (REAL)sum;
}

/* L2-regularised squared hinge loss: Hsieh et al. (2008), algorithm 3, each lane with its own stopping
 * rule and shrinking. The dual variable of a row that a lane has shrunk is 0 and stored as -1; a row is
 * left out once all lanes that go on have shrunk it. */
TARGET static int NAME(hinge)(const blocks_problem *p) {
    const int64_t n = p->n;
    REAL *weights = (REAL *)p->weights, *intercepts = (REAL *)p->intercepts;
    const REAL bias = (REAL)p->bias, tol = (REAL)p->tol;
    void *of_alphas = blocks_allocate(n, LANES * sizeof(REAL));
    REAL *alphas = (REAL *)blocks_aligned(of_alphas);
    REAL *lengths = (REAL *)blocks_allocate(n, sizeof(REAL));
    int32_t *order = (int32_t *)blocks_allocate(n, sizeof(int32_t));
    const int is_far = NAME(is_far)(p);
    uint64_t state = blocks_state_of(p->seed);
    REAL highest_old[LANES], highest[LANES], lowest[LANES], steps[LANES], scores[LANES];
    INTEGER going[LANES], shrunk[LANES], bit[LANES];
    int64_t i, s, active = n;
    int32_t iteration = 0;
    int l, n_going = p->n_lanes;
    const REAL *x;
    const int32_t *columns;

    if (!of_alphas || !lengths || !order) {
        free(of_alphas);
        free(lengths);
        free(order);
        return -1;
    }
    memset(alphas, 0, (size_t)n * LANES * sizeof(REAL));
    for (i = 0; i < n; i++) {
        const int64_t size = NAME(row)(p, i, &x, &columns);
        lengths[i] = NAME(squared_length)(x, size, bias);
        order[i] = (int32_t)i;
    }
    for (l = 0; l < LANES; l++) {
        highest_old[l] = (REAL)INFINITY;
        going[l] = l < p->n_lanes ? -1 : 0;
        shrunk[l] = 0;
        bit[l] = (INTEGER)1 << l;
        if (l < p->n_lanes) p->n_iter[l] = -p->max_iter;
    }
    while (iteration < p->max_iter && n_going) {
        for (l = 0; l < LANES; l++) {
            highest[l] = -(REAL)INFINITY;
            lowest[l] = (REAL)INFINITY;
        }
        blocks_shuffle(order, active, &state);
        for (s = 0; s < active;) {
            int64_t size;
            REAL *BLOCKS_RESTRICT own;
            INTEGER positive, left = 0, moved = 0;
            REAL penalty[2], inverse[2];
            i = order[s];
            NAME(prefetch)(p, order + s, active - s, alphas, LANES, is_far);
            size = NAME(row)(p, i, &x, &columns);
            own = alphas + i * LANES;
            positive = (INTEGER)p->positive[i];
            penalty[0] = (REAL)(0.5 / p->costs[0][i]);
            penalty[1] = (REAL)(0.5 / p->costs[1][i]);
            inverse[0] = 1 / (lengths[i] + penalty[0]);
            inverse[1] = 1 / (lengths[i] + penalty[1]);
            NAME(dot)(x, columns, size, weights, intercepts, bias, scores);
            for (l = 0; l < LANES; l++) {
                const INTEGER is_positive = (positive & bit[l]) != 0 ? -1 : 0;
                const REAL sign = is_positive ? (REAL)1 : (REAL)-1;
                const REAL alpha = own[l];
                const REAL slope =
                    sign * scores[l] - 1 + alpha * (is_positive ? penalty[1] : penalty[0]);
                const REAL stepped = alpha - slope * (is_positive ? inverse[1] : inverse[0]);
                const REAL updated = stepped > 0 ? stepped : (REAL)0;
                const INTEGER is_zero = alpha == 0 ? -1 : 0;
                const INTEGER takes_part = going[l] & (alpha >= 0 ? -1 : 0);
                const INTEGER shrinks =
                    takes_part & is_zero & (slope > highest_old[l] ? -1 : 0);
                const INTEGER used = takes_part & ~shrinks;
                const REAL projected = (is_zero & (slope > 0 ? -1 : 0)) ? (REAL)0 : slope;
                const REAL high = used ? projected : -(REAL)INFINITY;
                const REAL low = used ? projected : (REAL)INFINITY;
                const REAL kept = used ? updated : alpha;
                const REAL step = used ? (updated - alpha) * sign : (REAL)0;
                highest[l] = highest[l] > high ? highest[l] : high;
                lowest[l] = lowest[l] < low ? lowest[l] : low;
                own[l] = shrinks ? (REAL)-1 : kept;
                steps[l] = step;
                shrunk[l] -= shrinks;
                left |= used;
                moved |= (step != 0 ? -1 : 0);
            }
            if (moved) NAME(add)(x, columns, size, weights, intercepts, bias, steps);
            if (left) {
                s++;
            } else {
                order[s] = order[--active];
                order[active] = (int32_t)i;
            }
        }
        iteration++;
        for (l = 0; l < p->n_lanes; l++) {
            if (!going[l]) continue;
            if (!(highest[l] - lowest[l] > tol)) {
                if (!shrunk[l]) {
                    going[l] = 0;
                    n_going--;
                    p->n_iter[l] = iteration;
                    continue;
                }
                /* Once more over all rows. Those that were left out had been shrunk by all lanes. */
                for (i = 0; i < n; i++)
                    if (alphas[i * LANES + l] < 0) alphas[i * LANES + l] = 0;
                shrunk[l] = 0;
                active = n;
                highest_old[l] = (REAL)INFINITY;
            } else {
                highest_old[l] = highest[l] > 0 ? highest[l] : (REAL)INFINITY;
            }
        }
    }
    free(of_alphas);
    free(lengths);
    free(order);
    return 0;
}

/* L2-regularised logistic loss: Yu et al. (2011), algorithm 5. The two dual variables of a row add up to
 * its cost; both are stored, for the lower one would be lost in the difference. */
TARGET static int NAME(logistic)(const blocks_problem *p) {
    const int64_t n = p->n;
    REAL *weights = (REAL *)p->weights, *intercepts = (REAL *)p->intercepts;
    const REAL bias = (REAL)p->bias, tol = (REAL)p->tol;
    void *of_alphas = blocks_allocate(n, 2 * LANES * sizeof(REAL));
    REAL *alphas = (REAL *)blocks_aligned(of_alphas);
    REAL *lengths = (REAL *)blocks_allocate(n, sizeof(REAL));
    int32_t *order = (int32_t *)blocks_allocate(n, sizeof(int32_t));
    const int is_far = NAME(is_far)(p);
    uint64_t state = blocks_state_of(p->seed);
    const REAL finest = (REAL)(p->tol < 1e-8 ? p->tol : 1e-8);
    REAL precision[LANES], highest[LANES], steps[LANES], scores[LANES];
    REAL signs[LANES], costs[LANES], offsets[LANES], olds[LANES], zs[LANES], slopes[LANES];
    INTEGER going[LANES], n_newton[LANES], bit[LANES], swapped[LANES], open[LANES], changes[LANES];
    int64_t i, s;
    int32_t iteration = 0;
    int l, n_going = p->n_lanes, inner;
    const REAL *x;
    const int32_t *columns;

    if (!of_alphas || !lengths || !order) {
        free(of_alphas);
        free(lengths);
        free(order);
        return -1;
    }
    for (l = 0; l < LANES; l++) {
        precision[l] = (REAL)1e-2;
        going[l] = l < p->n_lanes ? -1 : 0;
        bit[l] = (INTEGER)1 << l;
        if (l < p->n_lanes) p->n_iter[l] = -p->max_iter;
    }
    for (i = 0; i < n; i++) {
        const int64_t size = NAME(row)(p, i, &x, &columns);
        REAL *own = alphas + 2 * i * LANES;
        lengths[i] = NAME(squared_length)(x, size, bias);
        order[i] = (int32_t)i;
        for (l = 0; l < LANES; l++) {
            const int is_positive = (p->positive[i] >> l) & 1;
            const double cost = p->costs[is_positive][i];
            own[l] = (REAL)(0.001 * cost < 1e-8 ? 0.001 * cost : 1e-8);
            own[LANES + l] = (REAL)cost - own[l];
            steps[l] = going[l] ? (is_positive ? own[l] : -own[l]) : (REAL)0;
        }
        NAME(add)(x, columns, size, weights, intercepts, bias, steps);
    }
    while (iteration < p->max_iter && n_going) {
        for (l = 0; l < LANES; l++) {
            highest[l] = 0;
            n_newton[l] = 0;
        }
        blocks_shuffle(order, n, &state);
        for (s = 0; s < n; s++) {
            int64_t size;
            REAL *BLOCKS_RESTRICT own;
            INTEGER positive, any = 0, moved = 0;
            REAL length, cost[2];
            i = order[s];
            NAME(prefetch)(p, order + s, n - s, alphas, 2 * LANES, is_far);
            size = NAME(row)(p, i, &x, &columns);
            own = alphas + 2 * i * LANES;
            positive = (INTEGER)p->positive[i];
            length = lengths[i];
            cost[0] = (REAL)p->costs[0][i];
            cost[1] = (REAL)p->costs[1][i];
            NAME(dot)(x, columns, size, weights, intercepts, bias, scores);
            for (l = 0; l < LANES; l++) {
                const INTEGER is_positive = (positive & bit[l]) != 0 ? -1 : 0;
                const REAL C = is_positive ? cost[1] : cost[0];
                const REAL sign = is_positive ? (REAL)1 : (REAL)-1;
                const REAL score = sign * scores[l];
                /* Of the two variables the one that ends up below one half of the cost. */
                const INTEGER swap =
                    (REAL)0.5 * length * (own[LANES + l] - own[l]) + score < 0 ? -1 : 0;
                const REAL old = swap ? own[LANES + l] : own[l];
                const REAL z = C - old < (REAL)0.5 * C ? (REAL)0.1 * old : old;
                const REAL offset = swap ? -score : score;
                REAL slope = length * (z - old) + offset + LOG(z / (C - z));
                /* As low as it can get: weights of such a row are exact enough. */
                slope = (going[l] & ~(z <= TINY && slope > 0 ? -1 : 0)) ? slope : (REAL)0;
                costs[l] = C;
                signs[l] = swap ? -sign : sign;
                swapped[l] = swap;
                olds[l] = old;
                offsets[l] = offset;
                zs[l] = z;
                slopes[l] = slope;
                slope = slope < 0 ? -slope : slope;
                highest[l] = highest[l] > slope ? highest[l] : slope;
                open[l] = changes[l] = slope >= precision[l] ? -1 : 0;
                moved |= open[l];
            }
            if (!moved) continue;
            for (inner = 0, any = moved; any && inner <= 100; inner++) {
                any = 0;
                for (l = 0; l < LANES; l++) {
                    const REAL C = costs[l], old_z = zs[l];
                    const REAL curvature = length + C / ((C - old_z) * old_z);
                    const REAL stepped = old_z - slopes[l] / curvature;
                    const REAL inside = stepped > 0 ? stepped : (REAL)0.1 * old_z;
                    const REAL bounded = inside > TINY ? inside : TINY;
                    const REAL z = open[l] ? bounded : old_z;
                    const REAL slope = length * (z - olds[l]) + offsets[l] + LOG(z / (C - z));
                    const REAL size_of_slope = slope < 0 ? -slope : slope;
                    const INTEGER at_bound = (z <= TINY && slope > 0) ? -1 : 0;
                    zs[l] = z;
                    slopes[l] = open[l] ? slope : slopes[l];
                    n_newton[l] -= open[l];
                    open[l] &= ~at_bound & (size_of_slope >= precision[l] ? -1 : 0);
                    any |= open[l];
                }
            }
            for (l = 0; l < LANES; l++) {
                const REAL z = zs[l], other = costs[l] - z;
                const REAL first = swapped[l] ? other : z, second = swapped[l] ? z : other;
                steps[l] = changes[l] ? (z - olds[l]) * signs[l] : (REAL)0;
                own[l] = changes[l] ? first : own[l];
                own[LANES + l] = changes[l] ? second : own[LANES + l];
            }
            NAME(add)(x, columns, size, weights, intercepts, bias, steps);
        }
        iteration++;
        for (l = 0; l < p->n_lanes; l++) {
            if (!going[l]) continue;
            if (highest[l] < tol) {
                going[l] = 0;
                n_going--;
                p->n_iter[l] = iteration;
            } else if (n_newton[l] <= n / 10) {
                precision[l] *= (REAL)0.1;
                if (precision[l] < finest) precision[l] = finest;
            }
        }
    }
    free(of_alphas);
    free(lengths);
    free(order);
    return 0;
}
