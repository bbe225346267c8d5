"""Settings of all tests, named taxonomies used everywhere, and where the optional real data are."""

from __future__ import annotations

import os
from pathlib import Path

# Libraries read these when they are imported, so they come first. Tests run in as many processes
# as there are cores: more threads than one in each would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
# scikit-learn's common checks include array API ones only if SciPy was told so before its import.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from scipy import sparse
from selection import HOW_TO_RUN_THE_REST, SELECTED, leave_out_cases

from sklhier import Taxonomy

# Few examples, so that the whole suite ends soon; continuous integration takes more of them by
# SKLHIER_HYPOTHESIS=longer or thorough. Slow tests take a part of this: generators.one_in.
settings.register_profile(
    "quick",
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("longer", parent=settings.get_profile("quick"), max_examples=25)
settings.register_profile(
    "thorough", parent=settings.get_profile("quick"), max_examples=150, derandomize=False
)
# For runs of which nobody reads the examples: stop at the first that fails.
settings.register_profile(
    "first_failure",
    parent=settings.get_profile("longer"),
    phases=[Phase.explicit, Phase.generate],
    database=None,
)
settings.load_profile(os.environ.get("SKLHIER_HYPOTHESIS", "quick"))


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the marks
def pytest_collection_modifyitems(items):
    leave_out_cases(items)


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("markexpr") == SELECTED:
        terminalreporter.write_line(HOW_TO_RUN_THE_REST, bold=True)


TAXONOMIES = {
    # a   b   c
    "flat": Taxonomy.flat(["a", "b", "c"]),
    # R - a - b - c
    "chain": Taxonomy.from_edges([("R", "a"), ("a", "b"), ("b", "c")]),
    #        R
    #    A       B
    #  a  b    c  d
    "balanced": Taxonomy.from_edges(
        [("R", "A"), ("R", "B"), ("A", "a"), ("A", "b"), ("B", "c"), ("B", "d")]
    ),
    #          R
    #    A     B      C
    #  A1  A2  B1 B2
    # a b   c
    "ragged": Taxonomy.from_edges(
        [
            ("R", "A"), ("R", "B"), ("R", "C"), ("A", "A1"), ("A", "A2"), ("A1", "a"),
            ("A1", "b"), ("A2", "c"), ("B", "B1"), ("B", "B2"),
        ]
    ),
    #  A     B
    # a b   c
    "several_roots": Taxonomy.from_dict({"A": ["a", "b"], "B": ["c"]}),
    #   A      B
    # x Other Other
    "repeated_names": Taxonomy.from_paths(["A/x", "A/Other", "B/Other"])[1],
}  # fmt: skip

#   R
#  P Q
#  | S
#  Z--   (Z has the parents P and S)
DIAMOND = Taxonomy.from_edges([("R", "P"), ("R", "Q"), ("Q", "S"), ("P", "Z"), ("S", "Z")])

SPARSE_TABLES = [sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_array]


def with_explicit_zeros(table, container):
    """Return a 0/1 table that also stores zeros, and a function that checks it is as it was."""
    dense = table.toarray()
    rows, columns = np.nonzero((dense > 0) | (np.indices(dense.shape).sum(axis=0) % 2 == 0))
    columns, rows = columns[::-1], rows[::-1]  # not in order
    cells = (dense[rows, columns], (rows, columns))
    table = container(sparse.coo_array(cells, shape=dense.shape))
    assert table.nnz > table.count_nonzero()
    arrays = ("data", "indices", "indptr", "row", "col")
    before = {name: getattr(table, name).copy() for name in arrays if hasattr(table, name)}

    def untouched():
        for name, array in before.items():
            np.testing.assert_array_equal(getattr(table, name), array)

    return table, untouched


@pytest.fixture(params=list(TAXONOMIES))
def tree(request):
    """Each of the named trees."""
    return TAXONOMIES[request.param]


def shared_data(name: str) -> Path:
    """Return the folder of a real data set, or skip the test that asked for it."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SKLHIER_DATA", default)) / name
    if not folder.is_dir():
        pytest.skip(f"the real data set {name} is not here (set SKLHIER_DATA)")
    return folder
