/* Predictions of many linear models that lie as blocks: some columns, and a weight for each score; or,
 * of each column, the weights that are not 0.
 *
 * _packed_scores.h computes the scores of a sparse row, for both types of numbers and sets of CPU
 * instructions. Sums are taken in the order of the entries and without fused operations, so they are
 * SciPy's to the last bit. _packed_dense.h computes those of dense rows, which are BLAS's to rounding.
 * What is made of them here is the same for all types.
 */
#ifndef SKLHIER_PACKED_H
#define SKLHIER_PACKED_H

#include "_packed_structs.h"
#include "_packed_index.h"
#include "_packed_links.h"

/* -- rows of X and columns of a node ------------------------------------------------------ */

static int packed_open_room(packed_room *room, const packed_rows *x, int32_t widest, int32_t *places) {
    int64_t i, longest = 0;
    for (i = 0; x->indptr && i < x->n_rows; i++)
        if (x->indptr[i + 1] - x->indptr[i] > longest) longest = x->indptr[i + 1] - x->indptr[i];
    room->places = places;
    room->own_places = NULL;
    room->n_features = x->n_features;
    room->filled = NULL;
    room->found = NULL;
    room->positions = (int32_t *)packed_allocate(longest, sizeof(int32_t));
    room->values = packed_allocate(longest, sizeof(double));
    /* Scores come in groups of up to 48. */
    room->sums = packed_allocate((int64_t)widest + 64, sizeof(double));
    room->stride = 2 * (int64_t)widest + 64; /* what calibration needs comes after the scores */
    room->scores = (double *)packed_allocate(
        room->stride, (x->indptr ? 1 : PACKED_TOGETHER) * sizeof(double));
    return room->positions && room->values && room->sums && room->scores ? 0 : PACKED_NO_MEMORY;
}

static void packed_leave(packed_room *room) {
    int64_t q;
    if (!room->filled) return;
    for (q = 0; q < room->filled->n_columns; q++) room->places[room->filled->columns[q]] = 0;
    room->filled = NULL;
}

/* Put a node's columns into a table if so many entries will be looked up that it pays. */
static void packed_enter(packed_room *room, const packed_node *node, int64_t n_entries) {
    int64_t q, left;
    if (room->filled == node) return;
    packed_leave(room);
    if (!node->columns) return;
    for (left = node->n_columns; left > 1; left >>= 1) n_entries += n_entries >> 2;
    if (n_entries < node->n_columns) return;
    if (!room->places)
        room->places = room->own_places = (int32_t *)calloc(room->n_features + 1, sizeof(int32_t));
    if (!room->places) return; /* they are found without, too */
    for (q = 0; q < node->n_columns; q++) room->places[node->columns[q]] = (int32_t)q + 1;
    room->filled = node;
}

static void packed_close_room(packed_room *room) {
    packed_leave(room);
    free(room->own_places);
    free(room->positions);
    free(room->values);
    free(room->sums);
    free(room->scores);
}

/* Rows of a node lie anywhere in X. */
PACKED_INLINE void packed_fetch_row(const packed_rows *x, int64_t row, size_t size) {
    const int64_t begin = x->indptr[row], end = x->indptr[row + 1];
    const char *data = (const char *)x->data + (size_t)begin * size;
    const char *data_end = (const char *)x->data + (size_t)end * size;
    const char *indices = (const char *)(x->indices + begin);
    const char *indices_end = (const char *)(x->indices + end);
    for (; data < data_end; data += 64) PACKED_PREFETCH(data);
    for (; indices < indices_end; indices += 64) PACKED_PREFETCH(indices);
}

/* The position of a column among ascending ones; -1 if it is not there. */
PACKED_INLINE int64_t packed_find(const int32_t *columns, int64_t n, int32_t column) {
    const int32_t *first = columns;
    if (!n) return -1;
    while (n > 1) {
        const int64_t half = n >> 1;
        first += first[half] <= column ? half : 0;
        n -= half;
    }
    return *first == column ? first - columns : -1;
}

#define PACKED_PASTE_(a, b, c) packed_##a##_##b##_##c
#define PACKED_PASTE(a, b, c) PACKED_PASTE_(a, b, c)
#define NAME(what) PACKED_PASTE(what, REAL, ISA)

#define ISA baseline
#define TARGET
#define VECTOR_BYTES 16
#define PACKED_MULTIPLY_ADD(a, b, c) ((c) + (a) * (b))
#define REAL float
#include "_packed_scores.h"
#include "_packed_dense.h"
#undef REAL
#define REAL double
#include "_packed_scores.h"
#include "_packed_dense.h"
#undef REAL
#undef PACKED_MULTIPLY_ADD
#undef ISA
#undef TARGET
#undef VECTOR_BYTES

#if defined(PACKED_HAS_VECTORS) && (defined(__x86_64__) || defined(__i386__))
#define PACKED_HAS_AVX2 1
#define ISA avx2
#define TARGET __attribute__((target("avx2")))
#define VECTOR_BYTES 32
#define REAL float
#include "_packed_scores.h"
#undef REAL
#define REAL double
#include "_packed_scores.h"
#undef REAL
#undef TARGET
#define TARGET __attribute__((target("avx2,fma")))
#define PACKED_MULTIPLY_ADD(a, b, c) (NAME(lanes))_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c))
#define REAL float
#include "_packed_dense.h"
#undef REAL
#undef PACKED_MULTIPLY_ADD
#define PACKED_MULTIPLY_ADD(a, b, c) \
    (NAME(lanes))_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c))
#define REAL double
#include "_packed_dense.h"
#undef REAL
#undef PACKED_MULTIPLY_ADD
#undef ISA
#undef TARGET
#undef VECTOR_BYTES
#endif

typedef void (*packed_scorer)(const packed_rows *, int64_t, const packed_node *, packed_room *);
typedef void (*packed_dense_scorer)(
    const packed_rows *, const int32_t *, int32_t, const packed_node *, double *, int64_t);

static const packed_scorer packed_scorers[][2] = {
    {packed_score_float_baseline, packed_score_double_baseline},
#ifdef PACKED_HAS_AVX2
    {packed_score_float_avx2, packed_score_double_avx2},
#endif
};

static const packed_dense_scorer packed_dense_scorers[][2] = {
    {packed_score_dense_float_baseline, packed_score_dense_double_baseline},
#ifdef PACKED_HAS_AVX2
    {packed_score_dense_float_avx2, packed_score_dense_double_avx2},
#endif
};

static int packed_wide = 0;

/* Choose the instructions; return whether they are AVX2. */
static int packed_init(int may_be_wide) {
    int wide = 0;
#ifdef PACKED_HAS_AVX2
    __builtin_cpu_init();
    wide = may_be_wide && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    (void)may_be_wide;
#endif
    packed_wide = wide;
    return wide;
}

/* Write the scores of all rows, without intercepts. `places` is 0 for each column of X. */
static int packed_products(
    const packed_node *node, const packed_rows *x, int is_double, int32_t *places, void *out
) {
    const packed_scorer score = packed_scorers[packed_wide][is_double];
    const size_t size = (size_t)node->n_scores * (is_double ? sizeof(double) : sizeof(float));
    packed_room room;
    int64_t i;
    int failed = packed_open_room(&room, x, node->n_scores, places);
    if (!failed) {
        packed_enter(&room, node, x->indptr[x->n_rows] - x->indptr[0]);
        for (i = 0; i < x->n_rows; i++) {
            score(x, i, node, &room);
            memcpy((char *)out + i * size, room.sums, size);
        }
    }
    packed_close_room(&room);
    return failed;
}

/* -- rows on their way down ---------------------------------------------------------------- */

static int packed_ascending(const void *left, const void *right) {
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Rows that ask nodes, side by side if they ask the same one. */
typedef struct {
    int32_t *at;      /* the node of each row */
    int32_t *rows;    /* those that go on */
    int64_t n;
    int64_t *keys;
    int64_t *counts;
    int32_t *spare;
} packed_crowd;

static int packed_gather(packed_crowd *crowd, const packed_rows *x, int64_t n_nodes) {
    const int64_t n = x->n_rows;
    int64_t i;
    crowd->n = n;
    crowd->at = (int32_t *)packed_allocate(n, sizeof(int32_t));
    crowd->rows = (int32_t *)packed_allocate(n, sizeof(int32_t));
    crowd->spare = (int32_t *)packed_allocate(n, sizeof(int32_t));
    crowd->keys = (int64_t *)packed_allocate(n, sizeof(int64_t));
    crowd->counts = n > 1 ? (int64_t *)packed_allocate(n_nodes + 1, sizeof(int64_t)) : NULL;
    if (!crowd->at || !crowd->rows || !crowd->spare || !crowd->keys || (n > 1 && !crowd->counts))
        return PACKED_NO_MEMORY;
    for (i = 0; i < n; i++) {
        crowd->at[i] = 0;
        crowd->rows[i] = (int32_t)i;
    }
    return 0;
}

static void packed_scatter(packed_crowd *crowd) {
    free(crowd->at);
    free(crowd->rows);
    free(crowd->spare);
    free(crowd->keys);
    free(crowd->counts);
}

static void packed_sort(packed_crowd *crowd, int64_t n_nodes) {
    const int64_t n = crowd->n;
    int64_t i, sum = 0;
    if (n < 2) return;
    if (n * 16 < n_nodes) {
        for (i = 0; i < n; i++)
            crowd->keys[i] = ((int64_t)crowd->at[crowd->rows[i]] << 32) | crowd->rows[i];
        qsort(crowd->keys, (size_t)n, sizeof(int64_t), packed_ascending);
        for (i = 0; i < n; i++) crowd->rows[i] = (int32_t)(crowd->keys[i] & INT32_MAX);
        return;
    }
    memset(crowd->counts, 0, (size_t)(n_nodes + 1) * sizeof(int64_t));
    for (i = 0; i < n; i++) crowd->counts[crowd->at[crowd->rows[i]]]++;
    for (i = 0; i <= n_nodes; i++) {
        const int64_t count = crowd->counts[i];
        crowd->counts[i] = sum;
        sum += count;
    }
    for (i = 0; i < n; i++) {
        const int32_t row = crowd->rows[i];
        crowd->spare[crowd->counts[crowd->at[row]]++] = row;
    }
    memcpy(crowd->rows, crowd->spare, (size_t)n * sizeof(int32_t));
}

/* The end of the rows from `start` on that ask the same node; makes ready for their entries. */
static int64_t packed_next_node(
    const packed_paths *paths, const packed_rows *x, const packed_crowd *crowd, int64_t start,
    packed_room *room
) {
    const int32_t at = crowd->at[crowd->rows[start]];
    const packed_node *node = paths->nodes + at;
    int64_t stop = start, n_entries = 0;
    for (; stop < crowd->n && crowd->at[crowd->rows[stop]] == at; stop++)
        if (x->indptr)
            n_entries += x->indptr[crowd->rows[stop] + 1] - x->indptr[crowd->rows[stop]];
    if (node->weights && x->indptr) packed_enter(room, node, n_entries);
    return stop;
}

/* The scores of the row at place i of those from `start` to `stop`, which ask the same node in turns. */
PACKED_INLINE double *packed_scores(
    const packed_paths *paths, const packed_rows *x, const packed_node *node, const int32_t *rows,
    int64_t start, int64_t i, int64_t stop, packed_room *room
) {
    const int32_t place = (int32_t)((i - start) % PACKED_TOGETHER);
    if (x->indptr) {
        if (i + 1 < stop)
            packed_fetch_row(x, rows[i + 1], paths->is_double ? sizeof(double) : sizeof(float));
        packed_scorers[packed_wide][paths->is_double](x, rows[i], node, room);
        return room->scores;
    }
    if (!place)
        packed_dense_scorers[packed_wide][paths->is_double](
            x, rows + i, (int32_t)(stop - i < PACKED_TOGETHER ? stop - i : PACKED_TOGETHER), node,
            room->scores, room->stride);
    return room->scores + place * room->stride;
}

/* Greedy descent: write the node at which each row ends. */
static int packed_descend(const packed_paths *paths, const packed_rows *x, int32_t *ends) {
    packed_room room;
    packed_crowd crowd;
    int64_t i, start, stop, left;
    int failed = packed_open_room(&room, x, paths->widest, NULL);
    failed |= packed_gather(&crowd, x, paths->n_nodes);
    if (!paths->offsets[1]) crowd.n = 0;
    while (!failed && crowd.n) {
        packed_sort(&crowd, paths->n_nodes);
        for (left = start = 0; start < crowd.n && !failed; start = stop) {
            const int32_t at = crowd.at[crowd.rows[start]];
            const packed_node *node = paths->nodes + at;
            const int64_t first = paths->offsets[at];
            const int32_t n = (int32_t)(paths->offsets[at + 1] - first);
            stop = packed_next_node(paths, x, &crowd, start, &room);
            for (i = start; i < stop; i++) {
                const int32_t row = crowd.rows[i];
                int32_t best = 0, next;
                if (node->weights)
                    best = packed_first_best(
                        node, packed_scores(paths, x, node, crowd.rows, start, i, stop, &room), n);
                if (best < 0) {
                    failed = best;
                    break;
                }
                next = paths->outcomes[first + best];
                crowd.at[row] = next;
                if (next != at && paths->offsets[next + 1] > paths->offsets[next])
                    crowd.spare[left++] = row;
            }
        }
        memcpy(crowd.rows, crowd.spare, (size_t)left * sizeof(int32_t));
        crowd.n = left;
    }
    if (!failed) memcpy(ends, crowd.at, (size_t)x->n_rows * sizeof(int32_t));
    packed_scatter(&crowd);
    packed_close_room(&room);
    return failed;
}

/* -- the best answers by best-first search ------------------------------------------------- */

/* A node that a row may still ask. */
typedef struct {
    double proba;
    int32_t node, next;
} packed_open;

typedef struct {
    packed_open *all;
    int64_t n, size;
    int32_t *first;   /* of each row's list, in which the most probable go first; -1: none */
} packed_pool;

/* Add a node that no list holds yet. */
static int packed_push(packed_pool *pool, int32_t node, double proba) {
    /* Places are not used again: those of siblings stay side by side, and are soon read together. */
    if (pool->n == pool->size) {
        const int64_t size = 2 * pool->size + 64;
        packed_open *more;
        if (size > INT32_MAX) return PACKED_NO_MEMORY;
        more = (packed_open *)realloc(pool->all, (size_t)size * sizeof(packed_open));
        if (!more) return PACKED_NO_MEMORY;
        pool->all = more;
        pool->size = size;
    }
    pool->all[pool->n].proba = proba;
    pool->all[pool->n++].node = node;
    return 0;
}

static int packed_descending(const void *left, const void *right) {
    const double a = ((const packed_open *)left)->proba, b = ((const packed_open *)right)->proba;
    return (a < b) - (a > b);
}

/* Let a row's list hold the nodes from `start` on; `in_order` or, where all will be asked, in any. */
static void packed_merge(packed_pool *pool, int32_t row, int64_t start, int in_order) {
    packed_open *all = pool->all;
    int32_t *link = pool->first + row;
    int64_t i, j;
    if (in_order && pool->n - start > 32)
        qsort(all + start, (size_t)(pool->n - start), sizeof(packed_open), packed_descending);
    for (i = start + 1; in_order && i < pool->n; i++) {
        const packed_open one = all[i];
        for (j = i; j > start && all[j - 1].proba < one.proba; j--) all[j] = all[j - 1];
        all[j] = one;
    }
    for (i = start; i < pool->n; i++) {
        while (in_order && *link >= 0 && all[*link].proba > all[i].proba) link = &all[*link].next;
        all[i].next = *link;
        *link = (int32_t)i;
        link = &all[i].next;
    }
}

/* No node below `least` is worth asking: sums in another order may differ in the last digits. */
PACKED_INLINE double packed_least(double worst) { return worst > 0 ? worst - 1e-12 * worst : worst; }

/* Take the most probable open node of a row; -1: none is worth asking. */
static int32_t packed_pop(packed_pool *pool, int32_t row, double least, double *proba) {
    const int32_t place = pool->first[row];
    if (place < 0 || pool->all[place].proba < least) return -1;
    pool->first[row] = pool->all[place].next;
    *proba = pool->all[place].proba;
    return pool->all[place].node;
}

/* Keep an answer if it is among the k best; of equally probable ones the first class goes first. */
static void packed_offer(
    const int64_t *rank, int32_t node, double proba, int32_t k, int32_t *nodes, double *probas
) {
    int32_t place = k;
    while (place > 0 && (proba > probas[place - 1]
        || (proba == probas[place - 1] && rank[node] < rank[nodes[place - 1]])))
        place--;
    if (place == k) return;
    memmove(nodes + place + 1, nodes + place, (size_t)(k - 1 - place) * sizeof(int32_t));
    memmove(probas + place + 1, probas + place, (size_t)(k - 1 - place) * sizeof(double));
    nodes[place] = node;
    probas[place] = proba;
}

/* Offer the answers among the outcomes of a node, and open the others. */
static int packed_ask(
    const packed_paths *paths, int32_t at, double above, const double *shares, int32_t row, int32_t k,
    int32_t *nodes, double *probas, packed_pool *pool
) {
    const int64_t first = paths->offsets[at];
    const int32_t n = (int32_t)(paths->offsets[at + 1] - first);
    const int64_t opened = pool->n;
    int32_t j;
    for (j = 0; j < n; j++) {
        const int32_t outcome = paths->outcomes[first + j];
        const double proba = above * shares[j];
        if (outcome == at || paths->offsets[outcome + 1] == paths->offsets[outcome])
            packed_offer(paths->rank, outcome, proba, k, nodes, probas);
        else if (proba >= packed_least(probas[k - 1]) && packed_push(pool, outcome, proba))
            return PACKED_NO_MEMORY;
    }
    packed_merge(pool, row, opened, 1);
    return 0;
}

/* Add the outcomes that rows have asked for; return whether it takes less to ask all that is left at once. */
PACKED_INLINE int packed_is_much(const packed_paths *paths, const packed_rows *x, int64_t n_asked) {
    return !x->indptr && n_asked > x->n_rows * (paths->offsets[paths->n_nodes] / PACKED_SHARE);
}

/* Do the same as packed_best for up to PACKED_TOGETHER dense rows, node by node. `table` has room for a
 * number for each of them and node. */
static int packed_best_of_all(
    const packed_paths *paths, const packed_rows *x, const int32_t *rows, int32_t n_rows, int32_t k,
    int32_t *nodes, double *probas, double *table, packed_room *room
) {
    const packed_dense_scorer score = packed_dense_scorers[packed_wide][paths->is_double];
    int32_t at, i, j, kept[PACKED_TOGETHER], n_kept;
    int failed = 0;
    for (i = 0; i < n_rows; i++) {
        table[i * paths->n_nodes] = 1;
        for (j = 0; j < k; j++) probas[(int64_t)rows[i] * k + j] = -INFINITY;
    }
    for (at = 0; at < paths->n_nodes && !failed; at++) {
        const packed_node *node = paths->nodes + at;
        const int32_t *outcomes = paths->outcomes + paths->offsets[at];
        const int32_t n = (int32_t)(paths->offsets[at + 1] - paths->offsets[at]);
        if (!n) continue;
        for (i = n_kept = 0; i < n_rows; i++) {
            kept[n_kept] = rows[i];
            n_kept += table[i * paths->n_nodes + at] >= packed_least(probas[(int64_t)rows[i] * k + k - 1]);
        }
        if (node->weights && n_kept) score(x, kept, n_kept, node, room->scores, room->stride);
        for (i = n_kept = 0; i < n_rows && !failed; i++) {
            double *own = table + i * paths->n_nodes, *best = probas + (int64_t)rows[i] * k;
            double one = 1, *shares = &one;
            if (!(own[at] >= packed_least(best[k - 1]))) {
                for (j = 0; j < n; j++)
                    if (outcomes[j] != at) own[outcomes[j]] = -1;
                continue;
            }
            if (node->weights) {
                shares = room->scores + n_kept++ * room->stride;
                failed = packed_shares(node, shares, n);
            }
            for (j = 0; j < n && !failed; j++) {
                const int32_t outcome = outcomes[j];
                const double proba = own[at] * shares[j];
                if (outcome == at || paths->offsets[outcome + 1] == paths->offsets[outcome])
                    packed_offer(paths->rank, outcome, proba, k, nodes + (int64_t)rows[i] * k, best);
                else own[outcome] = proba;
            }
        }
    }
    return failed;
}

/* Let rows that were not found by searches ask all nodes. */
static int packed_rest_of_all(
    const packed_paths *paths, const packed_rows *x, const packed_crowd *crowd, int32_t k,
    int32_t *nodes, double *probas, packed_room *room
) {
    double *table = (double *)packed_allocate(PACKED_TOGETHER * paths->n_nodes, sizeof(double));
    int64_t start;
    int failed = table ? 0 : PACKED_NO_MEMORY;
    for (start = 0; start < crowd->n && !failed; start += PACKED_TOGETHER) {
        const int64_t n = crowd->n - start;
        failed = packed_best_of_all(paths, x, crowd->rows + start,
            (int32_t)(n < PACKED_TOGETHER ? n : PACKED_TOGETHER), k, nodes, probas, table, room);
    }
    free(table);
    return failed;
}

/* Note that a row may ask a node, in the list of the node. */
static int packed_note(packed_pool *by_node, int32_t at, int32_t row, double proba) {
    if (packed_push(by_node, row, proba)) return PACKED_NO_MEMORY;
    by_node->all[by_node->n - 1].next = by_node->first[at];
    by_node->first[at] = (int32_t)(by_node->n - 1);
    return 0;
}

/* Finish searches node by node: each is asked once, by all rows together that know no k answers as
 * probable. That is more than the best-first order asks, but then a node is asked by a row or two at a
 * time, and to fetch its weights again and again takes longer. A node comes after its parent. */
static int packed_finish(
    const packed_paths *paths, const packed_rows *x, packed_crowd *crowd, const packed_pool *pool,
    int32_t k, int32_t *nodes, double *probas, double *above, packed_room *room
) {
    packed_pool by_node = {NULL, 0, 0, (int32_t *)packed_allocate(paths->n_nodes, sizeof(int32_t))};
    int64_t i, stop;
    int32_t at, j, place;
    int failed = by_node.first ? 0 : PACKED_NO_MEMORY;
    for (at = 0; at < paths->n_nodes && !failed; at++) by_node.first[at] = -1;
    for (i = 0; i < crowd->n && !failed; i++) {
        const int32_t row = crowd->rows[i];
        failed = packed_note(&by_node, crowd->at[row], row, above[row]);
        for (place = pool->first[row]; place >= 0 && !failed; place = pool->all[place].next)
            failed = packed_note(&by_node, pool->all[place].node, row, pool->all[place].proba);
    }
    for (at = 0; at < paths->n_nodes && !failed; at++) {
        const packed_node *node = paths->nodes + at;
        const int32_t *outcomes = paths->outcomes + paths->offsets[at];
        const int32_t n = (int32_t)(paths->offsets[at + 1] - paths->offsets[at]);
        crowd->n = 0;
        for (place = by_node.first[at]; place >= 0; place = by_node.all[place].next) {
            const int32_t row = by_node.all[place].node;
            if (by_node.all[place].proba < packed_least(probas[(int64_t)row * k + k - 1])) continue;
            above[row] = by_node.all[place].proba;
            crowd->at[row] = at;
            crowd->rows[crowd->n++] = row;
        }
        if (!crowd->n) continue;
        stop = packed_next_node(paths, x, crowd, 0, room);
        for (i = 0; i < stop && !failed; i++) {
            const int32_t row = crowd->rows[i];
            double *best = probas + (int64_t)row * k;
            double one = 1, *shares = &one;
            if (node->weights) {
                shares = packed_scores(paths, x, node, crowd->rows, 0, i, stop, room);
                failed = packed_shares(node, shares, n);
            }
            for (j = 0; j < n && !failed; j++) {
                const int32_t outcome = outcomes[j];
                const double proba = above[row] * shares[j];
                if (outcome == at || paths->offsets[outcome + 1] == paths->offsets[outcome])
                    packed_offer(paths->rank, outcome, proba, k, nodes + (int64_t)row * k, best);
                else if (proba >= packed_least(best[k - 1]))
                    failed = packed_note(&by_node, outcome, row, proba);
            }
        }
    }
    free(by_node.all);
    free(by_node.first);
    return failed;
}

/* Finish the searches of sparse rows that know k answers, if they are some; the others go on. */
static int packed_finish_known(
    const packed_paths *paths, const packed_rows *x, packed_crowd *crowd, const packed_pool *pool,
    int32_t k, int32_t *nodes, double *probas, double *above, packed_room *room
) {
    int64_t i, left = 0, n_known = 0;
    int failed;
    for (i = 0; i < crowd->n; i++) n_known += probas[(int64_t)crowd->rows[i] * k + k - 1] > -INFINITY;
    if (n_known < PACKED_FEW) return 0;
    for (n_known = i = 0; i < crowd->n; i++) {
        const int32_t row = crowd->rows[i];
        if (probas[(int64_t)row * k + k - 1] > -INFINITY) crowd->rows[n_known++] = row;
        else crowd->spare[left++] = row;
    }
    crowd->n = n_known;
    failed = packed_finish(paths, x, crowd, pool, k, nodes, probas, above, room);
    memcpy(crowd->rows, crowd->spare, (size_t)left * sizeof(int32_t));
    crowd->n = left;
    return failed;
}

/* Write the k most probable answers of rows that are asked together, and their probabilities. With
 * `at_once` dense rows ask all nodes; return whether that would have paid. */
static int packed_best_together(
    const packed_paths *paths, const packed_rows *x, int32_t k, int32_t *nodes, double *probas,
    int *at_once
) {
    packed_room room;
    packed_crowd crowd;
    packed_pool pool = {NULL, 0, 0, NULL};
    double *above = (double *)packed_allocate(x->n_rows, sizeof(double));
    int64_t i, start, stop, left, n_asked = 0;
    int32_t n_waves = 0;
    int failed = packed_open_room(&room, x, paths->widest, NULL);
    failed |= packed_gather(&crowd, x, paths->n_nodes);
    pool.first = (int32_t *)packed_allocate(x->n_rows, sizeof(int32_t));
    if (!above || !pool.first) failed = PACKED_NO_MEMORY;
    if (!failed) {
        for (i = 0; i < x->n_rows; i++) {
            pool.first[i] = -1;
            above[i] = 1;
        }
        for (i = 0; i < x->n_rows * k; i++) {
            nodes[i] = 0;
            probas[i] = -INFINITY;
        }
        if (!paths->offsets[1]) crowd.n = 0;
    }
    while (!failed && crowd.n && !*at_once) {
        packed_sort(&crowd, paths->n_nodes);
        for (left = start = 0; start < crowd.n && !failed; start = stop) {
            const int32_t at = crowd.at[crowd.rows[start]];
            const packed_node *node = paths->nodes + at;
            const int32_t n = (int32_t)(paths->offsets[at + 1] - paths->offsets[at]);
            stop = packed_next_node(paths, x, &crowd, start, &room);
            n_asked += n * (stop - start);
            for (i = start; i < stop && !failed; i++) {
                const int32_t row = crowd.rows[i];
                double *own = probas + (int64_t)row * k;
                double one = 1, *shares = &one;
                if (node->weights) {
                    shares = packed_scores(paths, x, node, crowd.rows, start, i, stop, &room);
                    failed = packed_shares(node, shares, n);
                    if (failed) break;
                }
                failed = packed_ask(paths, at, above[row], shares, row, k,
                    nodes + (int64_t)row * k, own, &pool);
                if (failed) break;
                crowd.at[row] = packed_pop(&pool, row, packed_least(own[k - 1]), above + row);
                if (crowd.at[row] >= 0) crowd.spare[left++] = row;
            }
        }
        memcpy(crowd.rows, crowd.spare, (size_t)left * sizeof(int32_t));
        crowd.n = left;
        *at_once = packed_is_much(paths, x, n_asked);
        if (!failed && x->indptr && ++n_waves % PACKED_WAVES == 0)
            failed = packed_finish_known(paths, x, &crowd, &pool, k, nodes, probas, above, &room);
    }
    if (!failed && crowd.n) failed = packed_rest_of_all(paths, x, &crowd, k, nodes, probas, &room);
    free(pool.all);
    free(pool.first);
    free(above);
    packed_scatter(&crowd);
    packed_close_room(&room);
    return failed;
}

/* Write the k most probable answers of each row, and their probabilities. */
static int packed_best(
    const packed_paths *paths, const packed_rows *x, int32_t k, int32_t *nodes, double *probas
) {
    const size_t size = (size_t)x->n_features * (paths->is_double ? sizeof(double) : sizeof(float));
    int64_t begin, step = x->n_rows;
    int at_once = 0, failed = 0;
    if (!x->indptr && step > PACKED_BYTES / (int64_t)size + PACKED_TOGETHER)
        step = PACKED_BYTES / (int64_t)size + PACKED_TOGETHER;
    for (begin = 0; begin < x->n_rows && !failed; begin += step) {
        packed_rows part = *x;
        if (!x->indptr) part.data = (const char *)x->data + begin * size;
        part.n_rows = x->n_rows - begin < step ? x->n_rows - begin : step;
        failed = packed_best_together(paths, &part, k, nodes + begin * k, probas + begin * k, &at_once);
    }
    return failed;
}

/* -- all nodes ------------------------------------------------------------------------------ */

/* Write the probability of each node, and of stopping at it; both tables hold zeros. A node comes after
 * its parent. Few sparse rows take one after the other, through the index if there is one. */
static int packed_all(
    const packed_paths *paths, const packed_rows *x, const packed_index *index, double *table,
    double *stops
) {
    const int by_index = x->indptr && index->starts && x->n_rows < PACKED_FEW;
    const int64_t most = x->indptr ? x->n_rows : PACKED_BLOCK;
    const int64_t size = by_index ? 1 : x->n_rows < most ? x->n_rows : most;
    const size_t entry = paths->is_double ? sizeof(double) : sizeof(float);
    int32_t *rows = (int32_t *)packed_allocate(size, sizeof(int32_t));
    packed_room room;
    packed_known known = {NULL, NULL, NULL};
    int64_t begin, i, n_rows;
    int32_t at, j;
    int failed = packed_open_room(&room, x, paths->widest, NULL);
    if (!rows) failed = PACKED_NO_MEMORY;
    for (begin = 0; !failed && begin < x->n_rows; begin += size) {
        n_rows = x->n_rows - begin < size ? x->n_rows - begin : size;
        for (i = 0; i < n_rows; i++) {
            rows[i] = (int32_t)(begin + i);
            table[rows[i] * paths->n_nodes] = 1;
        }
        if (by_index) failed = packed_know(&known, index, paths, x, begin);
        for (at = 0; at < paths->n_nodes && !failed; at++) {
            const packed_node *node = paths->nodes + at;
            const int32_t *outcomes = paths->outcomes + paths->offsets[at];
            const int32_t n = (int32_t)(paths->offsets[at + 1] - paths->offsets[at]);
            if (by_index) {
                room.found = known.places + known.starts[at];
                room.found_values = known.values + known.starts[at] * entry;
                room.n_found = known.starts[at + 1] - known.starts[at];
            } else if (node->weights && x->indptr)
                packed_enter(&room, node, x->indptr[begin + n_rows] - x->indptr[begin]);
            for (i = 0; i < n_rows && n && !failed; i++) {
                double *own = table + rows[i] * paths->n_nodes;
                double one = 1, *shares = &one;
                if (node->weights) {
                    shares = packed_scores(paths, x, node, rows, 0, i, n_rows, &room);
                    failed = packed_shares(node, shares, n);
                }
                for (j = 0; j < n; j++) {
                    if (outcomes[j] != at) own[outcomes[j]] = own[at] * shares[j];
                    else stops[rows[i] * paths->n_nodes + at] = own[at] * shares[j];
                }
            }
        }
        if (by_index) packed_drop_known(&known);
    }
    free(rows);
    packed_close_room(&room);
    return failed;
}

/* -- label sets: nodes that are decided by themselves -------------------------------------- */

/* Write the probabilities of nodes below those that are probable enough. With k that is as probable as
 * the k-th leaf, else `least` of the node. Ranks of leaves are 0 or more, of others -1. The k best leaves
 * go to `nodes`: -1 if there are no more. */
static int packed_search(
    const packed_paths *paths, const packed_rows *x, int32_t k, const double *least, double *table,
    int32_t *nodes
) {
    packed_room room;
    packed_crowd crowd;
    packed_pool pool = {NULL, 0, 0, NULL};
    double *above = (double *)packed_allocate(x->n_rows, sizeof(double));
    double *probas = (double *)packed_allocate(x->n_rows, ((size_t)k + 1) * sizeof(double));
    int64_t i, start, stop, left;
    int32_t j;
    int failed = packed_open_room(&room, x, paths->widest, NULL);
    failed |= packed_gather(&crowd, x, paths->n_nodes);
    pool.first = (int32_t *)packed_allocate(x->n_rows, sizeof(int32_t));
    if (!above || !probas || !pool.first) failed = PACKED_NO_MEMORY;
    if (!failed) {
        for (i = 0; i < x->n_rows; i++) {
            pool.first[i] = -1;
            above[i] = 1;
            table[i * paths->n_nodes] = 1;
        }
        for (i = 0; i < x->n_rows * k; i++) {
            probas[i] = -INFINITY;
            nodes[i] = -1;
        }
        if (!paths->offsets[1] || (!k && least[0] > 1)) crowd.n = 0;
    }
    while (!failed && crowd.n) {
        packed_sort(&crowd, paths->n_nodes);
        for (left = start = 0; start < crowd.n && !failed; start = stop) {
            const int32_t at = crowd.at[crowd.rows[start]];
            const packed_node *node = paths->nodes + at;
            const int64_t first = paths->offsets[at];
            const int32_t n = (int32_t)(paths->offsets[at + 1] - first);
            stop = packed_next_node(paths, x, &crowd, start, &room);
            for (i = start; i < stop; i++) {
                const int32_t row = crowd.rows[i];
                double *own = table + row * paths->n_nodes;
                double *best = probas + (int64_t)row * k;
                const int64_t opened = pool.n;
                double *shares = packed_scores(paths, x, node, crowd.rows, start, i, stop, &room);
                failed = packed_memberships(node, shares, n);
                if (failed) break;
                for (j = 0; j < n; j++) {
                    const int32_t child = paths->outcomes[first + j];
                    const double proba = shares[j] * above[row];
                    own[child] = proba;
                    if (k && paths->rank[child] >= 0)
                        packed_offer(paths->rank, child, proba, k, nodes + (int64_t)row * k, best);
                    if (paths->offsets[child + 1] > paths->offsets[child] && proba > 0
                        && proba >= (k ? packed_least(best[k - 1]) : least[child])
                        && packed_push(&pool, child, proba)) {
                        failed = PACKED_NO_MEMORY;
                        break;
                    }
                }
                if (failed) break;
                packed_merge(&pool, row, opened, k > 0);
                crowd.at[row] = packed_pop(
                    &pool, row, k ? packed_least(best[k - 1]) : 0, above + row);
                if (crowd.at[row] >= 0) crowd.spare[left++] = row;
            }
        }
        memcpy(crowd.rows, crowd.spare, (size_t)left * sizeof(int32_t));
        crowd.n = left;
    }
    for (i = 0; !failed && i < x->n_rows * k; i++)
        if (!(probas[i] > 0)) nodes[i] = -1;
    free(pool.all);
    free(pool.first);
    free(above);
    free(probas);
    packed_scatter(&crowd);
    packed_close_room(&room);
    return failed;
}

#endif
