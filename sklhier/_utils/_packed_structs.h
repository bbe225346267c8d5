/* What predictions of many linear models are about: nodes, rows of X, and room to work in. */
#ifndef SKLHIER_PACKED_STRUCTS_H
#define SKLHIER_PACKED_STRUCTS_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#include <immintrin.h>
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define PACKED_INLINE static __forceinline
#define PACKED_PREFETCH(address) ((void)0)
#define PACKED_ALONE __declspec(noinline)
#define PACKED_RESTRICT __restrict
#else
#define PACKED_INLINE static inline __attribute__((always_inline))
#define PACKED_PREFETCH(address) __builtin_prefetch(address)
#define PACKED_ALONE __attribute__((noinline))
#define PACKED_RESTRICT __restrict__
#define PACKED_HAS_VECTORS 1
#endif

#define PACKED_NO_MEMORY -1
#define PACKED_NOT_FINITE -2

/* How scores become shares of the outcomes. */
enum {
    PACKED_MARGINS, PACKED_SOFTMAX, PACKED_SIGMOIDS, PACKED_LOG_SIGMOIDS, PACKED_LOGISTIC, PACKED_HINGE
};

#define PACKED_TIE 1e-9 /* as in links.py and calibrated.py */
#define PACKED_LEAST_ODDS 1e-5 /* as in calibrated.py */
#define PACKED_TOGETHER 16 /* dense rows: weights are read once for so many of them */
#define PACKED_BYTES 131072 /* of dense rows that search together, beside what they need for it */
#define PACKED_SHARE 3     /* of all outcomes: dense rows that ask a third in searches ask the rest in order */
#define PACKED_FEW 16      /* sparse rows: fewer use an index to ask all nodes, and search to the end */
#define PACKED_WAVES 5     /* of searches, in which each row asks one node; then nodes are asked in order */
#define PACKED_BLOCK 64    /* dense rows that stay in a cache while they ask all nodes */

typedef struct {
    const int32_t *columns;   /* ascending; NULL: all columns of X */
    int64_t n_columns;
    const void *weights;      /* n_columns x n_scores, or single ones; for dense rows
                               * n_scores x n_columns; NULL: nothing to decide */
    const int32_t *starts;    /* n_columns + 1: where the single weights of a column begin; NULL: block */
    const void *classes;      /* the score that each single weight belongs to, unsigned */
    int32_t class_size;       /* in bytes */
    const uint8_t *certain;   /* NULL, or each outcome is decided by itself, or is always right */
    const double *intercepts; /* n_scores */
    int32_t n_scores;         /* one for two outcomes */
    int32_t link;
    double sharpness;         /* what scores are multiplied by; of the hinge link its power */
    const double *slopes;     /* n_scores, by which log-odds of outcomes, or margins, are multiplied; or one */
    const double *offsets;    /* power of their shares, with offsets NULL. NULL: nothing is calibrated */
    int32_t rounds;           /* of dense rows: whether scores are rounded to the type of X */
} packed_node;

typedef struct {
    const packed_node *nodes;
    int64_t n_nodes;
    const int64_t *offsets;   /* n_nodes + 1: where the outcomes of a node begin */
    const int32_t *outcomes;  /* nodes; the node itself: to stop there */
    const int64_t *rank;      /* of equally probable answers the first one wins */
    int32_t widest;           /* most outcomes of a node */
    int32_t is_double;        /* weights, and entries of X */
} packed_paths;

typedef struct {
    const void *data;
    const int32_t *indices;
    const int64_t *indptr;    /* NULL: rows are dense */
    int64_t n_rows;           /* below 2^31 */
    int64_t n_features;
} packed_rows;

/* Room for the row and node at hand. */
typedef struct {
    int32_t *places;          /* for each column of X 1 + its position in `filled`; else 0 */
    int32_t *own_places;      /* the same, if nobody lent them */
    int64_t n_features;
    const packed_node *filled;
    int32_t *positions;       /* of the row's entries among the node's columns */
    void *values;
    void *sums;
    double *scores;           /* of dense rows for up to PACKED_TOGETHER of them, `stride` each */
    int64_t stride;
    const int32_t *found;     /* NULL, or the positions of the entries that the node at hand knows, */
    const void *found_values; /* the entries, */
    int64_t n_found;          /* and how many there are */
} packed_room;

static void *packed_allocate(int64_t count, size_t size) {
    if (count > (int64_t)(PTRDIFF_MAX / (int64_t)size) - 1) return NULL;
    return malloc((size_t)count * size + 1);
}

#endif
