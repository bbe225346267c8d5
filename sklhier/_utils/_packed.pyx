# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Compiled predictions of linear models that lie column by column; see ``_packed.h``."""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free

ctypedef fused class_number:
    uint8_t
    uint16_t
    uint32_t


cdef extern from "_packed.h" nogil:
    ctypedef struct packed_node:
        const int32_t *columns
        int64_t n_columns
        const void *weights
        const int32_t *starts
        const void *classes
        int32_t class_size
        const uint8_t *certain
        const double *intercepts
        int32_t n_scores
        int32_t link
        double sharpness
        const double *slopes
        const double *offsets
        int32_t rounds

    ctypedef struct packed_paths:
        const packed_node *nodes
        int64_t n_nodes
        const int64_t *offsets
        const int32_t *outcomes
        const int64_t *rank
        int32_t widest
        int32_t is_double

    ctypedef struct packed_index:
        int64_t *starts

    ctypedef struct packed_rows:
        const void *data
        const int32_t *indices
        const int64_t *indptr
        int64_t n_rows
        int64_t n_features

    int PACKED_NO_MEMORY, PACKED_FEW
    int PACKED_MARGINS, PACKED_SOFTMAX, PACKED_SIGMOIDS, PACKED_LOG_SIGMOIDS
    int PACKED_LOGISTIC, PACKED_HINGE
    int packed_init(int may_be_wide)
    int packed_products(
        const packed_node *node, const packed_rows *x, int is_double, int32_t *places, void *out)
    int packed_descend(const packed_paths *paths, const packed_rows *x, int32_t *ends)
    int packed_best(
        const packed_paths *paths, const packed_rows *x, int32_t k, int32_t *nodes, double *probas)
    void packed_make_index(packed_index *index, const packed_paths *paths, int64_t n_features)
    void packed_drop_index(packed_index *index)
    int packed_all(
        const packed_paths *paths, const packed_rows *x, const packed_index *index, double *table,
        double *stops)
    int packed_search(
        const packed_paths *paths, const packed_rows *x, int32_t k, const double *least,
        double *table, int32_t *nodes)


MARGINS, SOFTMAX = PACKED_MARGINS, PACKED_SOFTMAX
SIGMOIDS, LOG_SIGMOIDS = PACKED_SIGMOIDS, PACKED_LOG_SIGMOIDS
LOGISTIC, HINGE = PACKED_LOGISTIC, PACKED_HINGE


def choose_instructions(bint may_be_wide):
    """Choose the instructions for all later calls; return whether they are AVX2."""
    return bool(packed_init(may_be_wide))


cdef int check(int failed) except -1:
    """Return whether all numbers are finite."""
    if failed == PACKED_NO_MEMORY:
        raise MemoryError("predictions of linear models found no memory")
    return not failed


cdef packed_rows rows_of(
    const floating[::1] data,
    const int32_t[::1] indices,
    const int64_t[::1] indptr,
    int64_t n_features,
) except *:
    cdef packed_rows rows
    rows.n_rows = indptr.shape[0] - 1 if indptr is not None else data.shape[0] // n_features
    if not 0 <= rows.n_rows < 2**31:
        raise ValueError(f"Predictions take fewer than {2**31} rows, got {rows.n_rows}.")
    rows.data = &data[0] if data.shape[0] else NULL
    rows.indices = &indices[0] if indptr is not None and indices.shape[0] else NULL
    rows.indptr = &indptr[0] if indptr is not None else NULL
    rows.n_features = n_features
    return rows


def products(
    const floating[::1] data,
    const int32_t[::1] indices,
    const int64_t[::1] indptr,
    const int32_t[::1] columns,
    const floating[:, ::1] weights,
    int32_t[::1] places,
    floating[:, ::1] out,
):
    """Write the products of rows with the weights of one model.

    Parameters
    ----------
    data, indices, indptr : memoryview
        Of CSR rows; `indptr` need not begin with 0.
    columns : memoryview of int32, shape (n_columns,), or None
        The columns that have weights, ascending; None: all.
    weights : memoryview, shape (n_columns, n_scores)
    places : memoryview of int32, shape (n_features,)
        Zeros, before and after.
    out : memoryview, shape (n_rows, n_scores)
        The sums are written here.
    """
    cdef packed_node node
    cdef packed_rows rows = rows_of(data, indices, indptr, places.shape[0])
    cdef int failed = 0
    cdef bint is_double = floating is double
    if not out.shape[0]:
        return
    node.columns = &columns[0] if columns is not None else NULL
    node.n_columns = weights.shape[0]
    node.weights = &weights[0, 0]
    node.starts = NULL
    node.intercepts = NULL
    node.n_scores = weights.shape[1]
    with nogil:
        failed = packed_products(&node, &rows, is_double, &places[0], &out[0, 0])
    check(failed)


def products_single(
    const floating[::1] data,
    const int32_t[::1] indices,
    const int64_t[::1] indptr,
    const int32_t[::1] columns,
    const floating[::1] values,
    const class_number[::1] classes,
    const int32_t[::1] starts,
    int32_t[::1] places,
    floating[:, ::1] out,
):
    """Write the products of rows with the weights of one model that are not 0.

    Parameters
    ----------
    data, indices, indptr, columns, places, out
        As in :func:`products`.
    values, classes, starts
        As in :meth:`Paths.set_single`.
    """
    cdef packed_node node
    cdef packed_rows rows = rows_of(data, indices, indptr, places.shape[0])
    cdef int failed = 0
    cdef bint is_double = floating is double
    if not values.shape[0] or classes.shape[0] != values.shape[0]:
        raise ValueError(f"Got {classes.shape[0]} classes for {values.shape[0]} weights.")
    if not out.shape[0]:
        return
    node.columns = &columns[0] if columns is not None else NULL
    node.n_columns = starts.shape[0] - 1
    node.weights = &values[0]
    node.starts = &starts[0]
    node.classes = &classes[0]
    node.class_size = sizeof(class_number)
    node.intercepts = NULL
    node.n_scores = out.shape[1]
    with nogil:
        failed = packed_products(&node, &rows, is_double, &places[0], &out[0, 0])
    check(failed)


cdef class Paths:
    """Linear models at the nodes of a tree, each of which decides among what is below it.

    Parameters
    ----------
    offsets : memoryview of int64, shape (n_nodes + 1,)
        Where the outcomes of each node begin.
    outcomes : memoryview of int32
        Nodes; the node itself stands for stopping there.
    rank : memoryview of int64, shape (n_nodes,)
        Of equally probable answers the one of the lowest rank goes first.
    is_double : bool
        Whether weights, and the entries of the rows, are of double precision.
    n_features : int
        Number of columns of X.
    is_dense : bool
        Whether rows are dense. Then `data` holds all their numbers, and `indices` and `indptr` are None.
    """

    cdef packed_paths _paths
    cdef packed_node *_nodes
    cdef int64_t _n_features
    cdef bint _is_dense
    cdef packed_index _index  # made when few rows ask all nodes
    cdef bint _is_indexed
    cdef list _kept

    def __cinit__(
        self,
        const int64_t[::1] offsets,
        const int32_t[::1] outcomes,
        const int64_t[::1] rank,
        bint is_double,
        int64_t n_features,
        bint is_dense=False,
    ):
        cdef int64_t node, n_nodes = offsets.shape[0] - 1
        if is_dense and n_features < 1:
            raise ValueError("Dense rows need a column.")
        self._kept = [offsets, outcomes, rank]
        self._n_features = n_features
        self._is_dense = is_dense
        self._nodes = <packed_node *>calloc(n_nodes, sizeof(packed_node))
        if self._nodes == NULL:
            raise MemoryError("packed linear models found no memory")
        self._paths.nodes = self._nodes
        self._paths.n_nodes = n_nodes
        self._paths.offsets = &offsets[0]
        self._paths.outcomes = &outcomes[0] if outcomes.shape[0] else NULL
        self._paths.rank = &rank[0]
        self._paths.is_double = is_double
        self._paths.widest = 1
        for node in range(n_nodes):
            if offsets[node + 1] - offsets[node] > self._paths.widest:
                self._paths.widest = offsets[node + 1] - offsets[node]

    def __dealloc__(self):
        free(self._nodes)
        packed_drop_index(&self._index)

    cdef packed_node *_opened(
        self,
        int64_t number,
        const double[::1] intercepts,
        int32_t link,
        double sharpness,
        const uint8_t[::1] certain,
        const double[::1] slopes,
        const double[::1] offsets,
    ) except NULL:
        """Store how a node makes shares of scores, and return it."""
        cdef packed_node *node = &self._nodes[number]
        cdef int64_t n = self._paths.offsets[number + 1] - self._paths.offsets[number]
        cdef int64_t n_scores = 1 if n == 2 and certain is None else n
        packed_drop_index(&self._index)
        self._is_indexed = False
        if intercepts.shape[0] != n_scores or (certain is not None and certain.shape[0] != n):
            raise ValueError(f"Got {intercepts.shape[0]} scores for {n} outcomes.")
        if slopes is not None and slopes.shape[0] != (1 if offsets is None else n_scores):
            raise ValueError(f"Got {slopes.shape[0]} calibrators for {n_scores} scores.")
        if offsets is not None and (slopes is None or offsets.shape[0] != n_scores):
            raise ValueError(f"Got {offsets.shape[0]} offsets of calibrators for {n_scores} scores.")
        if certain is not None and slopes is not None and offsets is None:
            raise ValueError("Outcomes that are decided by themselves have no common power.")
        node.intercepts = &intercepts[0]
        node.n_scores = n_scores
        node.link = link
        node.sharpness = sharpness
        node.certain = &certain[0] if certain is not None else NULL
        node.rounds = 0
        node.slopes = &slopes[0] if slopes is not None else NULL
        node.offsets = &offsets[0] if offsets is not None else NULL
        self._kept.append((intercepts, certain, slopes, offsets))
        return node

    cdef packed_rows _rows(
        self,
        const floating[::1] data,
        const int32_t[::1] indices,
        const int64_t[::1] indptr,
    ) except *:
        cdef bint is_double = floating is double
        if is_double != self._paths.is_double:
            raise ValueError("Entries must have the type of the weights.")
        if self._is_dense != (indptr is None):
            raise ValueError("Rows must be dense if the weights are those of dense rows.")
        return rows_of(data, indices, indptr, self._n_features)

    def set(
        self,
        int64_t number,
        const int32_t[::1] columns,
        const floating[:, ::1] weights,
        const double[::1] intercepts,
        int32_t link,
        double sharpness,
        const uint8_t[::1] certain=None,
        const double[::1] slopes=None,
        const double[::1] offsets=None,
    ):
        """Store the model of a node; the arrays are kept, not copied.

        Parameters
        ----------
        number : int
            The node.
        columns, weights
            As in :func:`products`.
        intercepts : memoryview of float64, shape (n_scores,)
        link : int
            How scores become shares: ``MARGINS``, ``SOFTMAX``, ``SIGMOIDS``, ``LOG_SIGMOIDS``,
            ``LOGISTIC`` or ``HINGE``.
        sharpness : float
            What scores are multiplied by; for ``HINGE`` the power of the loss.
        certain : memoryview of uint8, shape (n_outcomes,), default=None
            If given, each outcome is decided by itself, by one score; 1: it is always right.
        slopes, offsets : memoryview of float64, shape (n_scores,), default=None
            What calibrates the outcomes: a logistic function of the log-odds of each share, or of the
            margin for ``MARGINS``. One slope without offsets: the power of all shares, or what
            margins are multiplied by.
        """
        cdef packed_node *node
        cdef bint is_double = floating is double
        if is_double != self._paths.is_double or not weights.shape[0] or self._is_dense:
            raise ValueError("Weights must have the type of the others, and columns.")
        if weights.shape[1] != intercepts.shape[0]:
            raise ValueError(f"Got {weights.shape[1]} scores for {intercepts.shape[0]} intercepts.")
        node = self._opened(number, intercepts, link, sharpness, certain, slopes, offsets)
        node.columns = &columns[0] if columns is not None else NULL
        node.n_columns = weights.shape[0]
        node.weights = &weights[0, 0]
        node.starts = NULL
        self._kept.append((columns, weights))

    def set_dense(
        self,
        int64_t number,
        const floating[:, ::1] weights,
        bint rounds,
        const double[::1] intercepts,
        int32_t link,
        double sharpness,
        const uint8_t[::1] certain=None,
        const double[::1] slopes=None,
        const double[::1] offsets=None,
    ):
        """Store the model of a node for dense rows.

        Parameters
        ----------
        weights : memoryview, shape (n_scores, n_features)
        rounds : bool
            Whether scores have the precision of the weights, or that of double precision.
        number, intercepts, link, sharpness, certain, slopes, offsets
            As in :meth:`set`.
        """
        cdef packed_node *node
        cdef bint is_double = floating is double
        if is_double != self._paths.is_double or not self._is_dense:
            raise ValueError("Weights must have the type of the others.")
        if weights.shape[1] != self._n_features or weights.shape[0] != intercepts.shape[0]:
            raise ValueError(f"Weights have {weights.shape[0]} rows of {weights.shape[1]} numbers.")
        node = self._opened(number, intercepts, link, sharpness, certain, slopes, offsets)
        node.columns = NULL
        node.n_columns = weights.shape[1]
        node.weights = &weights[0, 0]
        node.starts = NULL
        node.rounds = rounds
        self._kept.append(weights)

    def set_single(
        self,
        int64_t number,
        const int32_t[::1] columns,
        const floating[::1] values,
        const class_number[::1] classes,
        const int32_t[::1] starts,
        const double[::1] intercepts,
        int32_t link,
        double sharpness,
        const uint8_t[::1] certain=None,
        const double[::1] slopes=None,
        const double[::1] offsets=None,
    ):
        """Store the model of a node by the weights that are not 0.

        Parameters
        ----------
        values : memoryview, shape (n_weights,)
            At least one. Those of the first column, then those of the second, and so on.
        classes : memoryview of uint8, uint16 or uint32, shape (n_weights,)
            The score that each belongs to.
        starts : memoryview of int32, shape (n_columns + 1,)
            Where the weights of each column begin.
        number, columns, intercepts, link, sharpness, certain, slopes, offsets
            As in :meth:`set`.
        """
        cdef packed_node *node
        cdef bint is_double = floating is double
        if is_double != self._paths.is_double or not values.shape[0] or self._is_dense:
            raise ValueError("Weights must have the type of the others, and columns.")
        if classes.shape[0] != values.shape[0] or starts[starts.shape[0] - 1] != values.shape[0]:
            raise ValueError(f"Got {classes.shape[0]} classes for {values.shape[0]} weights.")
        node = self._opened(number, intercepts, link, sharpness, certain, slopes, offsets)
        node.columns = &columns[0] if columns is not None else NULL
        node.n_columns = starts.shape[0] - 1
        node.weights = &values[0]
        node.starts = &starts[0]
        node.classes = &classes[0]
        node.class_size = sizeof(class_number)
        self._kept.append((columns, values, classes, starts))

    def search(
        self,
        const floating[::1] data,
        const int32_t[::1] indices,
        const int64_t[::1] indptr,
        const double[::1] least,
        double[:, ::1] table,
        int32_t[:, ::1] best,
    ):
        """Write probabilities of nodes that count; return False if numbers are not finite.

        Parameters
        ----------
        data, indices, indptr
            As in :func:`products`.
        least : memoryview of float64, shape (n_nodes,)
            For k = 0: what is below a node counts if the node is as probable as this.
        table : memoryview of float64, shape (n_rows, n_nodes)
            Zeros.
        best : memoryview of int32, shape (n_rows, k)
            If k is not 0, what is below a node counts if the node is as probable as the k-th leaf, and
            the best leaves are written here; -1 where no more have a probability above 0. Leaves have
            ranks of 0 or more, other nodes -1.
        """
        cdef packed_rows rows = self._rows(data, indices, indptr)
        cdef int32_t k = best.shape[1]
        cdef int32_t *nodes = &best[0, 0] if k and rows.n_rows else NULL
        cdef int failed = 0
        if rows.n_rows:
            with nogil:
                failed = packed_search(&self._paths, &rows, k, &least[0], &table[0, 0], nodes)
        return bool(check(failed))

    def descend(
        self,
        const floating[::1] data,
        const int32_t[::1] indices,
        const int64_t[::1] indptr,
        int32_t[::1] ends,
    ):
        """Write where the greedy descent of each row ends; return False if numbers are not finite.

        Parameters
        ----------
        data, indices, indptr
            As in :func:`products`.
        ends : memoryview of int32, shape (n_rows,)
        """
        cdef packed_rows rows = self._rows(data, indices, indptr)
        cdef int failed = 0
        if rows.n_rows:
            with nogil:
                failed = packed_descend(&self._paths, &rows, &ends[0])
        return bool(check(failed))

    def best(
        self,
        const floating[::1] data,
        const int32_t[::1] indices,
        const int64_t[::1] indptr,
        int32_t[:, ::1] nodes,
        double[:, ::1] proba,
    ):
        """Write the most probable answers of each row; return False if numbers are not finite.

        Parameters
        ----------
        data, indices, indptr
            As in :func:`products`.
        nodes : memoryview of int32, shape (n_rows, k)
            The answers, best first.
        proba : memoryview of float64, shape (n_rows, k)
            Their probabilities.
        """
        cdef packed_rows rows = self._rows(data, indices, indptr)
        cdef int32_t k = nodes.shape[1]
        cdef int failed = 0
        if rows.n_rows:
            with nogil:
                failed = packed_best(&self._paths, &rows, k, &nodes[0, 0], &proba[0, 0])
        return bool(check(failed))

    def all(
        self,
        const floating[::1] data,
        const int32_t[::1] indices,
        const int64_t[::1] indptr,
        double[:, ::1] table,
        double[:, ::1] stops,
    ):
        """Write the probability of every node; return False if numbers are not finite.

        Nodes come after their parents.

        Parameters
        ----------
        data, indices, indptr
            As in :func:`products`.
        table : memoryview of float64, shape (n_rows, n_nodes)
            Zeros.
        stops : memoryview of float64, shape (n_rows, n_nodes), or None
            Zeros; for the probability of stopping at a node. None: that is no outcome anywhere.
        """
        cdef packed_rows rows = self._rows(data, indices, indptr)
        cdef double *ends = NULL
        cdef int failed = 0
        if rows.n_rows:
            ends = &stops[0, 0] if stops is not None else NULL
            if not self._is_indexed and not self._is_dense and rows.n_rows < PACKED_FEW:
                packed_make_index(&self._index, &self._paths, self._n_features)
                self._is_indexed = True
            with nogil:
                failed = packed_all(&self._paths, &rows, &self._index, &table[0, 0], ends)
        return bool(check(failed))
