/* The work for REAL numbers, strips of 4 * PART weights, and the instructions of TARGET.
 *
 * `n` is the width of a strip: 4 * PART but for the last one. Loops over parts have constant bounds, so
 * that compilers turn them into vectors and keep sums in registers.
 */
#define STRIP (4 * PART)

/* The gradient of the weights [start, start + n) of feature `t`, without the penalty. */
TARGET STEPS_INLINE void NAME(gradient)(
    const steps_problem *p, int64_t t, int64_t start, int n, REAL *STEPS_RESTRICT out
) {
    const REAL *STEPS_RESTRICT data = (const REAL *)p->data;
    const REAL *slopes = (const REAL *)p->slopes + start;
    int64_t q;
    int l;
    if (n == STRIP) {
        REAL a[PART], b[PART], c[PART], d[PART];
        for (l = 0; l < PART; l++) a[l] = 0;
        for (l = 0; l < PART; l++) b[l] = 0;
        for (l = 0; l < PART; l++) c[l] = 0;
        for (l = 0; l < PART; l++) d[l] = 0;
        for (q = p->bounds[t]; q < p->bounds[t + 1]; q++) {
            const REAL value = data[q];
            const REAL *STEPS_RESTRICT own = slopes + p->rows[q] * p->width;
            for (l = 0; l < PART; l++) a[l] += value * own[l];
            for (l = 0; l < PART; l++) b[l] += value * own[PART + l];
            for (l = 0; l < PART; l++) c[l] += value * own[2 * PART + l];
            for (l = 0; l < PART; l++) d[l] += value * own[3 * PART + l];
        }
        for (l = 0; l < PART; l++) out[l] = a[l];
        for (l = 0; l < PART; l++) out[PART + l] = b[l];
        for (l = 0; l < PART; l++) out[2 * PART + l] = c[l];
        for (l = 0; l < PART; l++) out[3 * PART + l] = d[l];
        return;
    }
    for (l = 0; l < n; l++) out[l] = 0;
    for (q = p->bounds[t]; q < p->bounds[t + 1]; q++) {
        const REAL value = data[q];
        const REAL *STEPS_RESTRICT own = slopes + p->rows[q] * p->width;
        for (l = 0; l < n; l++) out[l] += value * own[l];
    }
}

/* Fetch a strip of a table for the feature after `t`. */
TARGET STEPS_INLINE void NAME(fetch_next)(
    const steps_problem *p, const void *table, int64_t t, int64_t start, int n
) {
    const REAL *next;
    int l;
    if (t + 1 == p->n) return;
    next = (const REAL *)table + p->features[t + 1] * p->width + start;
    for (l = 0; l < n; l += PART) STEPS_PREFETCH(next + l);
}

/* Add the squares of the gradient to `scales`. */
TARGET STEPS_INLINE void NAME(add_squares)(const steps_problem *p, int64_t t, int64_t start, int n) {
    const REAL penalty = ((const REAL *)p->penalties)[t];
    const REAL *STEPS_RESTRICT own =
        (const REAL *)p->weights + p->features[t] * p->width + start;
    REAL *STEPS_RESTRICT squares = (REAL *)p->scales + start;
    REAL gradient[STRIP];
    int l;
    NAME(fetch_next)(p, p->weights, t, start, n);
    NAME(gradient)(p, t, start, n, gradient);
    for (l = 0; l < n; l++) {
        const REAL g = gradient[l] + penalty * own[l];
        squares[l] += g * g;
    }
}

/* Take the step; `scales` holds what the means are multiplied by. */
TARGET STEPS_INLINE void NAME(move)(const steps_problem *p, int64_t t, int64_t start, int n) {
    const REAL penalty = ((const REAL *)p->penalties)[t], rate = ((const REAL *)p->rates)[t];
    const REAL stays = (REAL)p->beta_1, enters = (REAL)(1 - p->beta_1);
    const int64_t at = p->features[t] * p->width + start;
    const REAL *STEPS_RESTRICT scales = (const REAL *)p->scales + start;
    REAL *STEPS_RESTRICT own = (REAL *)p->weights + at;
    REAL *STEPS_RESTRICT first = (REAL *)p->first + at;
    REAL gradient[STRIP];
    int l;
    NAME(fetch_next)(p, p->weights, t, start, n);
    NAME(fetch_next)(p, p->first, t, start, n);
    NAME(gradient)(p, t, start, n, gradient);
    for (l = 0; l < n; l++) {
        const REAL mean = stays * first[l] + enters * (gradient[l] + penalty * own[l]);
        first[l] = mean;
        own[l] -= mean * scales[l] * rate;
    }
}

TARGET static void NAME(step)(const steps_problem *p) {
    const int64_t whole = p->width / STRIP * STRIP;
    const int rest = (int)(p->width - whole);
    const double share = (1 - p->beta_2) / (double)p->n;
    REAL *second = (REAL *)p->second, *scales = (REAL *)p->scales;
    int64_t t, start, l;
    for (t = 0; t < p->n; t++) {
        for (start = 0; start < whole; start += STRIP) NAME(add_squares)(p, t, start, STRIP);
        if (rest) NAME(add_squares)(p, t, whole, rest);
    }
    for (l = 0; l < p->width; l++) {
        second[l] = (REAL)(p->beta_2 * second[l] + share * scales[l]);
        scales[l] = (REAL)(1 / (sqrt(second[l] / p->seen) + p->epsilon));
    }
    for (t = 0; t < p->n; t++) {
        for (start = 0; start < whole; start += STRIP) NAME(move)(p, t, start, STRIP);
        if (rest) NAME(move)(p, t, whole, rest);
    }
}

#undef STRIP
