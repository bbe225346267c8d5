/* The scores of dense rows for REAL numbers and the instructions of TARGET: each is a product of a row
 * and the weights of a score, which lie side by side. All sums are taken in one order, whatever rows and
 * scores are computed together, so that an answer does not depend on other rows. */

#ifdef PACKED_HAS_VECTORS
#define LANES ((int32_t)(VECTOR_BYTES / sizeof(REAL)))
#define TILE_INLINE TARGET PACKED_INLINE
#else
#define LANES 1
#define TILE_INLINE PACKED_INLINE
typedef REAL NAME(lanes);
#endif

/* Sums of products of R rows with C scores: R x C of them stay in registers. */
#define PACKED_TILE(R, C)                                                                            \
    TARGET static void NAME(tile_##R##_##C)(                                                         \
        const REAL *const *x, const REAL *weights, int64_t n, double *out, int64_t stride            \
    ) {                                                                                              \
        NAME(lanes) sums[R * C];                                                                     \
        REAL parts[LANES];                                                                           \
        int64_t q, end = n - n % LANES;                                                              \
        int r, c, l, half;                                                                           \
        memset(sums, 0, sizeof(sums));                                                               \
        for (q = 0; q < end; q += LANES) {                                                           \
            NAME(lanes) own[C];                                                                      \
            PACKED_UNROLL                                                                            \
            for (c = 0; c < C; c++) own[c] = *(const NAME(lanes) *)(weights + c * n + q);            \
            PACKED_UNROLL                                                                            \
            for (r = 0; r < R; r++) {                                                                \
                const NAME(lanes) value = *(const NAME(lanes) *)(x[r] + q);                          \
                PACKED_UNROLL                                                                        \
                for (c = 0; c < C; c++)                                                              \
                    sums[r * C + c] = PACKED_MULTIPLY_ADD(value, own[c], sums[r * C + c]);           \
            }                                                                                        \
        }                                                                                            \
        for (r = 0; r < R; r++)                                                                      \
            for (c = 0; c < C; c++) {                                                                \
                memcpy(parts, sums + r * C + c, sizeof(parts));                                      \
                for (half = LANES / 2; half; half /= 2)                                              \
                    for (l = 0; l < half; l++) parts[l] += parts[l + half];                          \
                for (q = end; q < n; q++) parts[0] += x[r][q] * weights[c * n + q];                  \
                out[r * stride + c] = parts[0];                                                      \
            }                                                                                        \
    }

#if defined(_MSC_VER) && !defined(__clang__)
#define PACKED_UNROLL
#elif defined(__clang__)
#define PACKED_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PACKED_UNROLL _Pragma("GCC unroll 8")
#endif
PACKED_TILE(4, 3)
PACKED_TILE(4, 1)
PACKED_TILE(1, 8)
PACKED_TILE(1, 3)
PACKED_TILE(1, 1)
#undef PACKED_UNROLL
#undef PACKED_TILE

/* Write the scores of some rows, each from `stride` numbers behind those of the last one. */
TARGET static void NAME(score_dense)(
    const packed_rows *x, const int32_t *rows, int32_t n_rows, const packed_node *node, double *scores,
    int64_t stride
) {
    const REAL *weights = (const REAL *)node->weights, *own[PACKED_TOGETHER];
    const int64_t n = x->n_features;
    const int32_t k = node->n_scores, quads = n_rows - n_rows % 4;
    int32_t i, j;
    for (i = 0; i < n_rows; i++) own[i] = (const REAL *)x->data + rows[i] * n;
    for (j = 0; j + 3 <= k; j += 3)
        for (i = 0; i < quads; i += 4)
            NAME(tile_4_3)(own + i, weights + j * n, n, scores + i * stride + j, stride);
    for (; j < k; j++)
        for (i = 0; i < quads; i += 4)
            NAME(tile_4_1)(own + i, weights + j * n, n, scores + i * stride + j, stride);
    for (i = quads; i < n_rows; i++) {
        double *found = scores + i * stride;
        for (j = 0; j + 8 <= k; j += 8) NAME(tile_1_8)(own + i, weights + j * n, n, found + j, 0);
        for (; j + 3 <= k; j += 3) NAME(tile_1_3)(own + i, weights + j * n, n, found + j, 0);
        for (; j < k; j++) NAME(tile_1_1)(own + i, weights + j * n, n, found + j, 0);
    }
    for (i = 0; i < n_rows; i++)
        for (j = 0; j < k; j++) {
            const double score = scores[i * stride + j] + node->intercepts[j];
            scores[i * stride + j] = node->rounds ? (double)(REAL)score : score;
        }
}
#undef LANES
#undef TILE_INLINE
