/* Dual coordinate descent for blocks of linear problems over the same rows.
 *
 * The problems of a block share every visit of a row: the weights of a column stand side by side, one
 * lane for each problem, so an entry of the row costs one line of memory and one multiply-add for all.
 * _blocks_solver.h holds the solvers. It is compiled for each type of number, number of lanes and set of
 * CPU instructions; which instructions the CPU has is asked once, in blocks_init.
 */
#ifndef SKLHIER_BLOCKS_H
#define SKLHIER_BLOCKS_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MOST_LANES 16
#define BLOCKS_LINE 64           /* bytes that a CPU fetches at once */
#define BLOCKS_NEAR (1 << 21)    /* bytes that the caches of a core hold, or nearly */

typedef struct {
    const void *data;       /* entries of X, row by row */
    const int32_t *indices; /* their columns; with starts: row by row of those that take part */
    const int64_t *indptr;  /* where rows of X begin; NULL: X is dense */
    const int64_t *starts;  /* where rows that take part begin among the columns; NULL: as in X */
    int64_t n_features;
    const int64_t *rows;    /* rows of X that take part */
    int64_t n;              /* number of rows that take part, below 2^31 */
    const uint16_t *positive; /* for each of them a bit for each problem: whether it is positive */
    const double *costs[2]; /* cost of each of them where it is negative, and where it is positive */
    double bias;            /* value of the column behind the intercept; 0: none */
    double tol;
    int32_t max_iter;
    uint64_t seed;
    int32_t n_lanes;        /* number of problems */
    void *weights;          /* n_features x width, zero at the start */
    void *intercepts;       /* width, of the column behind the intercept */
    int32_t *n_iter;        /* passes of each problem; negative: not converged */
} blocks_problem;

/* Returns 0, or -1 if there is no memory. */
typedef int (*blocks_solver)(const blocks_problem *);

#if defined(_MSC_VER) && !defined(__clang__)
#define BLOCKS_INLINE static __forceinline
#define BLOCKS_RESTRICT __restrict
#define BLOCKS_PREFETCH(address) ((void)0)
#else
#define BLOCKS_INLINE static inline __attribute__((always_inline))
#define BLOCKS_RESTRICT __restrict__
#define BLOCKS_PREFETCH(address) __builtin_prefetch(address)
#endif

/* xorshift64*: random numbers of one block alone, so that blocks can be solved beside each other. */
BLOCKS_INLINE uint32_t blocks_draw(uint64_t *state, uint32_t below) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    x = (x * UINT64_C(2685821657736338717)) >> 32;
    return (uint32_t)((x * below) >> 32);
}

BLOCKS_INLINE void blocks_shuffle(int32_t *order, int64_t n, uint64_t *state) {
    int64_t i;
    for (i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)blocks_draw(state, (uint32_t)(i + 1));
        int32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

BLOCKS_INLINE uint64_t blocks_state_of(uint64_t seed) {
    /* splitmix64: nearby seeds give unrelated numbers, and no seed gives 0 */
    uint64_t x = seed + UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 31;
    return x ? x : UINT64_C(0x9E3779B97F4A7C15);
}

/* Memory for so many parts, and for blocks_aligned. */
static void *blocks_allocate(int64_t count, size_t size) {
    if (count > (int64_t)((PTRDIFF_MAX - BLOCKS_LINE) / (int64_t)size)) return NULL;
    return malloc((size_t)count * size + BLOCKS_LINE);
}

/* The first place in it at which a line of the cache begins; NULL of NULL. */
static void *blocks_aligned(void *memory) {
    uintptr_t address = (uintptr_t)memory;
    return (void *)(address + (BLOCKS_LINE - address % BLOCKS_LINE) % BLOCKS_LINE);
}

/* Natural logarithm of positive normal numbers, in a form that compilers turn into vectors. The rational
 * approximations are those of Cephes (S. L. Moshier). */
BLOCKS_INLINE float blocks_log_float(float x) {
    int32_t bits, exponent;
    float m, e, z, y;
    memcpy(&bits, &x, 4);
    exponent = ((bits - 0x3f3504f3) >> 23); /* x = m 2^e with m from sqrt(1/2) to sqrt(2) */
    bits -= (int32_t)((uint32_t)exponent << 23);
    memcpy(&m, &bits, 4);
    e = (float)exponent;
    m -= 1.0f;
    z = m * m;
    y = ((((((((7.0376836292E-2f * m - 1.1514610310E-1f) * m + 1.1676998740E-1f) * m
        - 1.2420140846E-1f) * m + 1.4249322787E-1f) * m - 1.6668057665E-1f) * m
        + 2.0000714765E-1f) * m - 2.4999993993E-1f) * m + 3.3333331174E-1f) * m * z;
    y += -2.12194440e-4f * e;
    y += -0.5f * z;
    return m + y + 0.693359375f * e;
}

BLOCKS_INLINE double blocks_log_double(double x) {
    uint64_t bits, exponent;
    double m, e, z, y, p, q;
    memcpy(&bits, &x, 8);
    /* Exponents as doubles without a conversion of 64-bit integers, which AVX2 lacks. */
    exponent = (bits - UINT64_C(0x3fe6a09e667f3bcd) + (UINT64_C(2048) << 52)) >> 52;
    bits -= (exponent - 2048) << 52;
    memcpy(&m, &bits, 8);
    exponent |= UINT64_C(0x4330000000000000); /* 2^52 + exponent */
    memcpy(&e, &exponent, 8);
    e -= 4503599627370496.0 + 2048.0;
    m -= 1.0;
    z = m * m;
    p = ((((1.01875663804580931796E-4 * m + 4.97494994976747001425E-1) * m
        + 4.70579119878881725854E0) * m + 1.44989225341610930846E1) * m
        + 1.79368678507819816313E1) * m + 7.70838733755885391666E0;
    q = ((((m + 1.12873587189167450590E1) * m + 4.52279145837532221105E1) * m
        + 8.29875266912776603211E1) * m + 7.11544750618563894466E1) * m
        + 2.31251620126765340583E1;
    y = m * (z * p / q);
    y += -2.121944400546905827679e-4 * e;
    y += -0.5 * z;
    return m + y + 0.693359375 * e;
}

/* Columns that occur in some rows of a CSR matrix. `numbers` holds -1 for each column of X, and does so
 * again once they are written. No branches: whether a column is new cannot be foreseen. */
static int64_t blocks_count_columns(
    const int32_t *indices, const int64_t *indptr, const int64_t *rows, int64_t n,
    int32_t *numbers, int32_t *columns, int64_t *starts
) {
    int64_t i, q, n_columns = 0, at = 0;
    for (i = 0; i < n; i++) {
        starts[i] = at;
        for (q = indptr[rows[i]]; q < indptr[rows[i] + 1]; q++) {
            const int32_t column = indices[q];
            columns[n_columns] = column; /* beyond the last one if all have occurred */
            n_columns += numbers[column] < 0;
            numbers[column] = 0;
        }
        at += indptr[rows[i] + 1] - indptr[rows[i]];
    }
    starts[n] = at;
    return n_columns;
}

static int blocks_ascending(const void *left, const void *right) {
    const int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

static void blocks_number_columns(
    const int32_t *indices, const int64_t *indptr, const int64_t *rows, int64_t n,
    int64_t n_features, int32_t *numbers, int32_t *columns, int64_t n_columns, int32_t *local
) {
    int64_t i, q, at = 0;
    if (20 * n_columns < n_features) {
        qsort(columns, (size_t)n_columns, sizeof(int32_t), blocks_ascending);
    } else {
        for (q = 0; q < n_features; q++) {
            columns[at] = (int32_t)q;
            at += numbers[q] >= 0;
        }
    }
    for (q = 0; q < n_columns; q++) numbers[columns[q]] = (int32_t)q;
    for (at = 0, i = 0; i < n; i++)
        for (q = indptr[rows[i]]; q < indptr[rows[i] + 1]; q++) local[at++] = numbers[indices[q]];
    for (q = 0; q < n_columns; q++) numbers[columns[q]] = -1;
}

/* -- the solvers, for each type of number, number of lanes and set of instructions -------- */

#define BLOCKS_PASTE_(a, b, c, d) blocks_##a##_##b##_##c##_##d
#define BLOCKS_PASTE(a, b, c, d) BLOCKS_PASTE_(a, b, c, d)
#define NAME(what) BLOCKS_PASTE(what, REAL, LANES, ISA)

#define ISA baseline
#define TARGET
#include "_blocks_types.h"
#undef ISA
#undef TARGET

#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
#define BLOCKS_HAS_AVX2 1
#define ISA avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "_blocks_types.h"
#undef ISA
#undef TARGET
#endif

/* [wide instructions][double][logistic][lanes: 1, 4, 8, 16] */
#define BLOCKS_ROW(loss, real, isa) \
    {blocks_##loss##_##real##_1_##isa, blocks_##loss##_##real##_4_##isa, \
     blocks_##loss##_##real##_8_##isa, blocks_##loss##_##real##_16_##isa}
#define BLOCKS_TABLE(isa) \
    {{BLOCKS_ROW(hinge, float, isa), BLOCKS_ROW(logistic, float, isa)}, \
     {BLOCKS_ROW(hinge, double, isa), BLOCKS_ROW(logistic, double, isa)}}

static const blocks_solver blocks_table[][2][2][4] = {
    BLOCKS_TABLE(baseline),
#ifdef BLOCKS_HAS_AVX2
    BLOCKS_TABLE(avx2),
#endif
};

static int blocks_wide = 0;

/* Choose the instructions; return whether they are AVX2 and FMA. */
static int blocks_init(int may_be_wide) {
    blocks_wide = 0;
#ifdef BLOCKS_HAS_AVX2
    __builtin_cpu_init();
    blocks_wide = may_be_wide && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    (void)may_be_wide;
#endif
    return blocks_wide;
}

static int blocks_width(int n_lanes) {
    return n_lanes == 1 ? 1 : n_lanes <= 4 ? 4 : n_lanes <= 8 ? 8 : 16;
}

static int blocks_solve(const blocks_problem *problem, int is_double, int is_logistic) {
    int width = blocks_width(problem->n_lanes);
    int place = width == 1 ? 0 : width == 4 ? 1 : width == 8 ? 2 : 3;
    return blocks_table[blocks_wide][is_double][is_logistic][place](problem);
}

#endif
