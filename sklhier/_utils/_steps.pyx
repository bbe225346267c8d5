# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Compiled steps of the weights of sparse features; see ``_steps.h``."""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t


cdef extern from "_steps.h" nogil:
    ctypedef struct steps_problem:
        const void *data
        const int32_t *rows
        const int64_t *bounds
        const int64_t *features
        int64_t n
        int64_t width
        const void *slopes
        const void *penalties
        const void *rates
        double beta_1
        double beta_2
        double epsilon
        double seen
        void *weights
        void *first
        void *second
        void *scales

    int steps_init(int may_be_wide)
    void steps_take(const steps_problem *problem, int is_double)


def choose_instructions(bint may_be_wide):
    """Choose the instructions for all later calls; return whether they are AVX2 and FMA."""
    return bool(steps_init(may_be_wide))


def step(
    const floating[::1] data,
    const int32_t[::1] rows,
    const int64_t[::1] bounds,
    const int64_t[::1] features,
    const floating[:, ::1] slopes,
    const floating[::1] penalties,
    const floating[::1] rates,
    floating[:, ::1] weights,
    floating[:, ::1] first,
    floating[::1] second,
    floating[::1] scales,
    *,
    double beta_1,
    double beta_2,
    double epsilon,
    double seen,
):
    """Take a step of the weights of the features that occur in a batch, without Python's lock.

    Parameters
    ----------
    data, rows : memoryview, shape (n_entries,)
        Values and rows of the entries of the batch, feature by feature.
    bounds : memoryview of int64, shape (n_occurring + 1,)
        Where the entries of each feature begin.
    features : memoryview of int64, shape (n_occurring,)
        The features that occur.
    slopes : memoryview, shape (n_rows, width)
        Gradient by the product of rows and weights.
    penalties, rates : memoryview, shape (n_occurring,)
        The factor of the penalty and the learning rate of each of these features.
    weights, first : memoryview, shape (n_features, width)
        The weights, and the running means of their gradient; changed.
    second : memoryview, shape (width,)
        The running mean of the square of the gradient; changed.
    scales : memoryview, shape (width,)
        Zeros; overwritten.
    beta_1, beta_2 : float
        What stays of both means in a step.
    epsilon : float
        What is added to the root of the mean square.
    seen : float
        What the mean square is divided by, as it began at 0.
    """
    cdef steps_problem problem
    cdef bint is_double = floating is double
    if not features.shape[0] or not weights.shape[1]:
        return
    problem.data = &data[0]
    problem.rows = &rows[0]
    problem.bounds = &bounds[0]
    problem.features = &features[0]
    problem.n = features.shape[0]
    problem.width = weights.shape[1]
    problem.slopes = &slopes[0, 0]
    problem.penalties = &penalties[0]
    problem.rates = &rates[0]
    problem.beta_1 = beta_1
    problem.beta_2 = beta_2
    problem.epsilon = epsilon
    problem.seen = seen
    problem.weights = &weights[0, 0]
    problem.first = &first[0, 0]
    problem.second = &second[0]
    problem.scales = &scales[0]
    with nogil:
        steps_take(&problem, is_double)
