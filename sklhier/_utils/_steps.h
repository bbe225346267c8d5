/* Steps of Adam by sparse rows: gradient, penalty, running means and step of a feature in one go.
 *
 * The weights of a feature are long rows that lie anywhere in memory, and fetching them is most of the
 * work. So each row is read from its start to its end, and that of the next feature is fetched
 * meanwhile. The gradient is computed twice: it needs only what is in the cache anyway, and storing it
 * would be one more table. _steps_strips.h holds the work; it is compiled for each type of number and
 * set of CPU instructions.
 */
#ifndef SKLHIER_STEPS_H
#define SKLHIER_STEPS_H

#include <math.h>
#include <stdint.h>

typedef struct {
    const void *data;        /* entries of the batch, feature by feature */
    const int32_t *rows;     /* their rows */
    const int64_t *bounds;   /* where the entries of each feature begin; n + 1 */
    const int64_t *features; /* those that occur */
    int64_t n;               /* their number, at least 1 */
    int64_t width;           /* number of weights of a feature */
    const void *slopes;      /* gradient by the products of rows and weights, a row of `width` each */
    const void *penalties;   /* of the features that occur */
    const void *rates;       /* their learning rates */
    double beta_1, beta_2;   /* what stays of both running means */
    double epsilon;
    double seen;             /* what the mean square is to be divided by, as it began at 0 */
    void *weights;           /* of all features; changed */
    void *first;             /* running means of their gradient; changed */
    void *second;            /* running mean of its square over features, `width`; changed */
    void *scales;            /* room for `width` numbers, zero at the start */
} steps_problem;

#if defined(_MSC_VER) && !defined(__clang__)
#define STEPS_INLINE static __forceinline
#define STEPS_RESTRICT __restrict
#define STEPS_PREFETCH(address) ((void)(address))
#else
#define STEPS_INLINE static inline __attribute__((always_inline))
#define STEPS_RESTRICT __restrict__
#define STEPS_PREFETCH(address) __builtin_prefetch(address)
#endif

#define STEPS_PASTE_(a, b, c) steps_##a##_##b##_##c
#define STEPS_PASTE(a, b, c) STEPS_PASTE_(a, b, c)
#define NAME(what) STEPS_PASTE(what, REAL, ISA)

#define ISA baseline
#define TARGET
#include "_steps_types.h"
#undef ISA
#undef TARGET

#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
#define STEPS_HAS_AVX2 1
#define ISA avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "_steps_types.h"
#undef ISA
#undef TARGET
#endif

static int steps_wide = 0;

/* Choose the instructions; return whether they are AVX2 and FMA. */
static int steps_init(int may_be_wide) {
    steps_wide = 0;
#ifdef STEPS_HAS_AVX2
    __builtin_cpu_init();
    steps_wide = may_be_wide && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    (void)may_be_wide;
#endif
    return steps_wide;
}

static void steps_take(const steps_problem *p, int is_double) {
#ifdef STEPS_HAS_AVX2
    if (steps_wide) {
        if (is_double) steps_step_double_avx2(p);
        else steps_step_float_avx2(p);
        return;
    }
#endif
    if (is_double) steps_step_double_baseline(p);
    else steps_step_float_baseline(p);
}

#endif
