/* Where each column of X lies among the columns of all nodes, so that a sparse row that asks all of them
 * need not search for its columns in each.
 */
#ifndef SKLHIER_PACKED_INDEX_H
#define SKLHIER_PACKED_INDEX_H

#include "_packed_structs.h"

#define PACKED_INDEXED 4194304 /* most columns, of X and of all nodes, for which there is an index: 32 MB */

typedef struct {
    int64_t *starts;          /* n_features + 2; NULL: there is no index */
    int32_t *nodes;           /* of each column of X, ascending */
    int32_t *places;          /* among the columns of that node */
} packed_index;

static void packed_drop_index(packed_index *index) {
    free(index->starts);
    free(index->nodes);
    free(index->places);
    index->starts = NULL;
    index->nodes = index->places = NULL;
}

/* Make the index, unless it takes too much memory; then there is none. */
static void packed_make_index(packed_index *index, const packed_paths *paths, int64_t n_features) {
    int64_t at, q, total = 0;
    for (at = 0; at < paths->n_nodes; at++)
        if (paths->nodes[at].columns) total += paths->nodes[at].n_columns;
    if (total + n_features > PACKED_INDEXED) return;
    index->starts = (int64_t *)calloc((size_t)n_features + 2, sizeof(int64_t));
    index->nodes = (int32_t *)packed_allocate(total, sizeof(int32_t));
    index->places = (int32_t *)packed_allocate(total, sizeof(int32_t));
    if (!index->starts || !index->nodes || !index->places) {
        packed_drop_index(index);
        return;
    }
    /* Counts stand two places on, so that they become ends while columns are put in, and then starts. */
    for (at = 0; at < paths->n_nodes; at++)
        for (q = 0; paths->nodes[at].columns && q < paths->nodes[at].n_columns; q++)
            index->starts[paths->nodes[at].columns[q] + 2]++;
    for (q = 2; q < n_features + 2; q++) index->starts[q] += index->starts[q - 1];
    for (at = 0; at < paths->n_nodes; at++)
        for (q = 0; paths->nodes[at].columns && q < paths->nodes[at].n_columns; q++) {
            const int64_t own = index->starts[paths->nodes[at].columns[q] + 1]++;
            index->nodes[own] = (int32_t)at;
            index->places[own] = (int32_t)q;
        }
}

/* The entries of a row that each node knows, in the order of the row. */
typedef struct {
    int64_t *starts;          /* n_nodes + 2 */
    int32_t *places;
    char *values;
} packed_known;

static void packed_drop_known(packed_known *known) {
    free(known->starts);
    free(known->places);
    free(known->values);
}

static int packed_know(
    packed_known *known, const packed_index *index, const packed_paths *paths, const packed_rows *x,
    int64_t row
) {
    const size_t size = paths->is_double ? sizeof(double) : sizeof(float);
    const int64_t begin = x->indptr[row], end = x->indptr[row + 1];
    int64_t q, w;
    known->starts = (int64_t *)calloc((size_t)paths->n_nodes + 2, sizeof(int64_t));
    known->places = NULL;
    known->values = NULL;
    if (!known->starts) return PACKED_NO_MEMORY;
    for (q = begin; q < end; q++)
        for (w = index->starts[x->indices[q]]; w < index->starts[x->indices[q] + 1]; w++)
            known->starts[index->nodes[w] + 2]++;
    for (q = 2; q < paths->n_nodes + 2; q++) known->starts[q] += known->starts[q - 1];
    known->places = (int32_t *)packed_allocate(known->starts[paths->n_nodes + 1], sizeof(int32_t));
    known->values = (char *)packed_allocate(known->starts[paths->n_nodes + 1], size);
    if (!known->places || !known->values) return PACKED_NO_MEMORY;
    for (q = begin; q < end; q++)
        for (w = index->starts[x->indices[q]]; w < index->starts[x->indices[q] + 1]; w++) {
            const int64_t own = known->starts[index->nodes[w] + 1]++;
            known->places[own] = index->places[w];
            memcpy(known->values + own * size, (const char *)x->data + q * size, size);
        }
    return 0;
}

#endif
