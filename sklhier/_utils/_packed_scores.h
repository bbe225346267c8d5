/* The scores of a row for REAL numbers and the instructions of TARGET. */

#ifdef PACKED_HAS_VECTORS
typedef REAL NAME(lanes) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
#define LANES ((int32_t)(VECTOR_BYTES / sizeof(REAL)))

/* Products of entries with N vectors of weights. Behind the last score of a column stand those of the
 * next one: they are summed up, too, and nobody reads them. `last` is the last column for which that
 * stays inside of the table. */
#define PACKED_DOT(N)                                                                                \
    TARGET static void NAME(dot##N)(                                                                 \
        const REAL *values, const int32_t *positions, int64_t n, const REAL *weights, int32_t n_scores, \
        int32_t n_left, int64_t last, REAL *out                                                      \
    ) {                                                                                              \
        NAME(lanes) sums[N];                                                                         \
        REAL copy[N * (VECTOR_BYTES / sizeof(REAL))];                                                        \
        int64_t q;                                                                                   \
        int l;                                                                                       \
        memset(sums, 0, sizeof(sums));                                                               \
        memset(copy, 0, sizeof(copy));                                                               \
        for (q = 0; q < n; q++) {                                                                    \
            const REAL value = values[q];                                                            \
            const REAL *own = weights + (int64_t)positions[q] * n_scores;                            \
            if (q + 12 < n) {                                                                        \
                const char *later = (const char *)(weights + (int64_t)positions[q + 12] * n_scores);  \
                PACKED_PREFETCH(later);                                                              \
                PACKED_PREFETCH(later + N * VECTOR_BYTES - 1);                                       \
            }                                                                                        \
            if (positions[q] > last) {                                                               \
                memcpy(copy, own, (size_t)(n_left < N * LANES ? n_left : N * LANES) * sizeof(REAL)); \
                own = copy;                                                                          \
            }                                                                                        \
            PACKED_UNROLL                                                                            \
            for (l = 0; l < N; l++) sums[l] += value * ((const NAME(lanes) *)own)[l];                \
        }                                                                                            \
        memcpy(out, sums, sizeof(sums));                                                             \
    }

#if defined(__clang__)
#define PACKED_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PACKED_UNROLL _Pragma("GCC unroll 8")
#endif
PACKED_DOT(1)
PACKED_DOT(2)
PACKED_DOT(3)
PACKED_DOT(4)
PACKED_DOT(5)
PACKED_DOT(6)
#undef PACKED_UNROLL
#undef PACKED_DOT
#endif

TARGET static void NAME(dot_block)(
    const REAL *values, const int32_t *positions, int64_t n, const packed_node *node, REAL *sums
) {
#ifdef PACKED_HAS_VECTORS
    static void (*const dots[])(
        const REAL *, const int32_t *, int64_t, const REAL *, int32_t, int32_t, int64_t, REAL *
    ) = {NAME(dot1), NAME(dot2), NAME(dot3), NAME(dot4), NAME(dot5), NAME(dot6)};
#endif
    const REAL *weights = (const REAL *)node->weights;
    const int32_t k = node->n_scores;
    int64_t q;
    int32_t j;
    if (k == 1) {
        REAL sum = 0;
        for (q = 0; q < n; q++) sum += values[q] * weights[positions[q]];
        sums[0] = sum;
        return;
    }
#ifdef PACKED_HAS_VECTORS
    for (j = 0; j < k; j += 6 * LANES) {
        const int32_t left = k - j, n_vectors = left > 5 * LANES ? 6 : (left + LANES - 1) / LANES;
        const int64_t room = node->n_columns * k - j - n_vectors * LANES;
        const int64_t last = room < 0 ? -1 : room / k;
        dots[n_vectors - 1](values, positions, n, weights + j, k, left, last, sums + j);
    }
#else
    for (j = 0; j < k; j++) sums[j] = 0;
    for (q = 0; q < n; q++) {
        const REAL value = values[q];
        const REAL *own = weights + (int64_t)positions[q] * k;
        for (j = 0; j < k; j++) sums[j] += value * own[j];
    }
#endif
}
#undef LANES

/* Products with single weights, whose classes have some TYPE. Most columns have one or two: what is done
 * for these does not depend on their number, which nobody can foresee. What is too much goes behind
 * the sums, to places in turn, for a sum has to wait for the last one of its place. */
#define PACKED_DOT_SINGLE(TYPE)                                                                      \
    TARGET PACKED_ALONE static void NAME(dot_##TYPE)(                                                \
        const REAL *PACKED_RESTRICT values, const int32_t *PACKED_RESTRICT positions, int64_t n,     \
        const packed_node *node, REAL *PACKED_RESTRICT sums                                          \
    ) {                                                                                              \
        const REAL *PACKED_RESTRICT weights = (const REAL *)node->weights;                           \
        const TYPE *PACKED_RESTRICT classes = (const TYPE *)node->classes;                           \
        const int32_t *PACKED_RESTRICT starts = node->starts;                                        \
        const int32_t n_scores = node->n_scores;                                                     \
        int64_t q;                                                                                   \
        for (q = 0; q < n; q++) {                                                                    \
            const REAL value = values[q];                                                            \
            const int32_t stop = starts[positions[q] + 1];                                           \
            const int32_t spare = n_scores + (int32_t)(q & 15);                                      \
            int32_t w = starts[positions[q]], own, place;                                            \
            if (q + 16 < n) PACKED_PREFETCH(starts + positions[q + 16]);                             \
            if (q + 8 < n) {                                                                         \
                const int32_t later = starts[positions[q + 8]];                                      \
                PACKED_PREFETCH(weights + later);                                                    \
                PACKED_PREFETCH(classes + later);                                                    \
            }                                                                                        \
            own = w < stop ? w : 0;                                                                  \
            place = w < stop ? (int32_t)classes[own] : spare;                                        \
            sums[place] += value * weights[own];                                                     \
            w++;                                                                                     \
            own = w < stop ? w : 0;                                                                  \
            place = w < stop ? (int32_t)classes[own] : spare;                                        \
            sums[place] += value * weights[own];                                                     \
            for (w++; w < stop; w++) sums[classes[w]] += value * weights[w];                         \
        }                                                                                            \
    }
PACKED_DOT_SINGLE(uint8_t)
PACKED_DOT_SINGLE(uint16_t)
PACKED_DOT_SINGLE(uint32_t)
#undef PACKED_DOT_SINGLE

TARGET static void NAME(dot)(
    const REAL *values, const int32_t *positions, int64_t n, const packed_node *node, REAL *sums
) {
    int32_t j;
    if (!node->starts) {
        NAME(dot_block)(values, positions, n, node, sums);
        return;
    }
    for (j = 0; j < node->n_scores + 16; j++) sums[j] = 0;
    if (node->class_size == 1) NAME(dot_uint8_t)(values, positions, n, node, sums);
    else if (node->class_size == 2) NAME(dot_uint16_t)(values, positions, n, node, sums);
    else NAME(dot_uint32_t)(values, positions, n, node, sums);
}

/* Write the sums of a row and, with intercepts, its scores. */
TARGET static void NAME(score)(
    const packed_rows *x, int64_t row, const packed_node *node, packed_room *room
) {
    const int64_t begin = x->indptr[row], size = x->indptr[row + 1] - begin;
    const REAL *data = (const REAL *)x->data + begin, *values = data;
    const int32_t *indices = x->indices + begin, *positions = indices;
    REAL *sums = (REAL *)room->sums, *kept = (REAL *)room->values;
    int64_t q, n = size;
    int32_t j;
    if (node->columns && room->found) {
        n = room->n_found;
        values = (const REAL *)room->found_values;
        positions = room->found;
    } else if (node->columns) {
        n = 0;
        values = kept;
        positions = room->positions;
        if (room->filled == node) {
            for (q = 0; q < size; q++) {
                const int32_t place = room->places[indices[q]];
                room->positions[n] = place - 1;
                kept[n] = data[q];
                n += place != 0;
            }
        } else {
            for (q = 0; q < size; q++) {
                const int64_t place = packed_find(node->columns, node->n_columns, indices[q]);
                room->positions[n] = (int32_t)place;
                kept[n] = data[q];
                n += place >= 0;
            }
        }
    }
    NAME(dot)(values, positions, n, node, sums);
    if (node->intercepts)
        for (j = 0; j < node->n_scores; j++)
            room->scores[j] = (REAL)((double)sums[j] + node->intercepts[j]);
}
