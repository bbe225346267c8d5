# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Compiled solvers of many linear problems over the same rows; see ``_blocks.h``."""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t


cdef extern from "_blocks.h" nogil:
    ctypedef struct blocks_problem:
        const void *data
        const int32_t *indices
        const int64_t *indptr
        const int64_t *starts
        int64_t n_features
        const int64_t *rows
        int64_t n
        const uint16_t *positive
        const double *costs[2]
        double bias
        double tol
        int32_t max_iter
        uint64_t seed
        int32_t n_lanes
        void *weights
        void *intercepts
        int32_t *n_iter

    int BLOCKS_MOST_LANES
    int blocks_init(int may_be_wide)
    int blocks_width(int n_lanes)
    int64_t blocks_count_columns(
        const int32_t *indices, const int64_t *indptr, const int64_t *rows, int64_t n,
        int32_t *numbers, int32_t *columns, int64_t *starts)
    void blocks_number_columns(
        const int32_t *indices, const int64_t *indptr, const int64_t *rows, int64_t n,
        int64_t n_features, int32_t *numbers, int32_t *columns, int64_t n_columns, int32_t *local)
    int blocks_solve(const blocks_problem *problem, int is_double, int is_logistic)


MOST_LANES = BLOCKS_MOST_LANES


def choose_instructions(bint may_be_wide):
    """Choose the instructions for all later calls; return whether they are AVX2 and FMA."""
    return bool(blocks_init(may_be_wide))


def width_of(int n_lanes):
    """Return how many lanes the weights of so many problems have, at most ``MOST_LANES``."""
    return blocks_width(n_lanes)


def count_columns(
    const int32_t[::1] indices,
    const int64_t[::1] indptr,
    const int64_t[::1] rows,
    int32_t[::1] numbers,
    int32_t[::1] columns,
    int64_t[::1] starts,
):
    """Find the columns that occur in some rows, in the order in which they do; return their number.

    Parameters
    ----------
    indices, indptr : memoryview
        Of a CSR matrix.
    rows : memoryview of int64, shape (n,)
        The rows.
    numbers : memoryview of int32, shape (n_features,)
        -1 for each column; :func:`number_columns` has to follow, which sets them back.
    columns : memoryview of int32, shape (n_features,)
        The columns are written here.
    starts : memoryview of int64, shape (n + 1,)
        Becomes where each row begins if they stand one after the other.
    """
    cdef int64_t n_columns
    if not rows.shape[0] or not indices.shape[0]:
        starts[:] = 0
        return 0
    with nogil:
        n_columns = blocks_count_columns(
            &indices[0], &indptr[0], &rows[0], rows.shape[0], &numbers[0], &columns[0], &starts[0])
    return n_columns


def number_columns(
    const int32_t[::1] indices,
    const int64_t[::1] indptr,
    const int64_t[::1] rows,
    int32_t[::1] numbers,
    int32_t[::1] columns,
    int64_t n_columns,
    int32_t[::1] local,
):
    """Sort the columns found, and write the number of the column of each entry.

    Parameters
    ----------
    indices, indptr, rows, numbers, columns
        As in :func:`count_columns`, whose answer is `n_columns`.
    local : memoryview of int32, shape (n_entries,)
        Becomes the position of each entry's column among those that occur, row by row.
    """
    if not n_columns:
        return
    with nogil:
        blocks_number_columns(
            &indices[0], &indptr[0], &rows[0], rows.shape[0], numbers.shape[0], &numbers[0],
            &columns[0], n_columns, &local[0])


def solve(
    const floating[::1] data,
    const int32_t[::1] indices,
    const int64_t[::1] indptr,
    const int64_t[::1] starts,
    const int64_t[::1] rows,
    const uint16_t[::1] positive,
    const double[:, ::1] costs,
    floating[:, ::1] weights,
    floating[::1] intercepts,
    int32_t[::1] n_iter,
    *,
    bint logistic,
    double bias,
    double tol,
    int32_t max_iter,
    uint64_t seed,
):
    """Solve the problems of a block, without Python's lock.

    Parameters
    ----------
    data, indices, indptr : memoryview
        The arrays of a CSR matrix. Without `indices` and `indptr`, dense rows one after the other.
    starts : memoryview of int64, shape (n + 1,), or None
        Where each row that takes part begins in `indices`; None: there it begins as in `data`.
    rows : memoryview of int64, shape (n,)
        Rows that take part.
    positive : memoryview of uint16, shape (n,)
        For each of them a bit for each problem: whether the row is a positive one.
    costs : memoryview of float64, shape (2, n)
        The cost of each of them where it is negative, and where it is positive; above 0.
    weights : memoryview, shape (n_features, width)
        Zeros; becomes the weights.
    intercepts : memoryview, shape (width,)
        Zeros; becomes the weights of the column behind the intercepts.
    n_iter : memoryview of int32, shape (n_problems,)
        Becomes the number of passes; negative where the tolerance was not reached.
    logistic : bool
        Whether the loss is logistic; otherwise squared hinge.
    bias : float
        The value of the column behind the intercepts; 0: there is none.
    tol, max_iter, seed
        Tolerance, most passes, and what the order of rows follows from.
    """
    cdef blocks_problem problem
    cdef int failed
    cdef bint is_double = floating is double
    if not 0 < rows.shape[0] < 2**31:
        raise ValueError(f"The solver takes 1 to {2**31 - 1} rows, got {rows.shape[0]}.")
    problem.data = &data[0] if data.shape[0] else NULL
    problem.indices = &indices[0] if indices is not None and indices.shape[0] else NULL
    problem.indptr = &indptr[0] if indptr is not None else NULL
    problem.starts = &starts[0] if starts is not None else NULL
    problem.n_features = weights.shape[0]
    problem.rows = &rows[0]
    problem.n = rows.shape[0]
    problem.positive = &positive[0]
    problem.costs[0] = &costs[0, 0]
    problem.costs[1] = &costs[1, 0]
    problem.bias = bias
    problem.tol = tol
    problem.max_iter = max_iter
    problem.seed = seed
    problem.n_lanes = n_iter.shape[0]
    problem.weights = &weights[0, 0] if weights.shape[0] else NULL
    problem.intercepts = &intercepts[0]
    problem.n_iter = &n_iter[0]
    with nogil:
        failed = blocks_solve(&problem, is_double, logistic)
    if failed:
        raise MemoryError("the solver of linear problems found no memory")
