"""The docstring corpus must be honest, the generators must do what they say."""

import functools
import os
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import ComplementNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline

from sklhier import Taxonomy
from sklhier.datasets import (
    _docstrings,
    load_docstrings,
    make_hierarchical_classification,
    make_hierarchical_text,
)
from sklhier.exceptions import TaxonomyError

# ---------------------------------------------------------------------------------------------
# load_docstrings


@pytest.fixture(scope="module")
def corpus():
    return load_docstrings()


def test_corpus_has_the_promised_size(corpus):
    assert 2000 <= len(corpus.data) <= 6000
    assert len(corpus.data) == len(corpus.target) == len(corpus.names) == len(corpus.levels)
    assert 80 <= len(corpus.target_names) <= 250
    assert str(len(corpus.data)) in corpus.DESCR


def test_fields_agree(corpus):
    assert corpus.target.dtype.kind == "U"
    assert corpus.target_names == np.unique(corpus.target).tolist()
    assert corpus.levels.shape == (len(corpus.data), 3)
    joined = ["/".join(filter(None, row)) for row in corpus.levels.tolist()]
    assert joined == corpus.target.tolist()
    assert set(corpus.taxonomy.nodes) >= set(corpus.target_names)
    assert all(isinstance(text, str) for text in corpus.data)


def test_labels_are_paths_below_the_four_packages(corpus):
    paths = [label.split("/") for label in corpus.target_names]
    assert {len(path) for path in paths} <= {1, 2, 3}
    assert {path[0] for path in paths} == {"networkx", "numpy", "scipy", "sklearn"}
    assert all(re.fullmatch(r"[a-z]\w*", step) for path in paths for step in path)
    assert not {step for path in paths for step in path} & {
        "tests",
        "conftest",
        "externals",
        "f2py",
        "array_api_compat",
    }


def test_well_known_objects_stand_where_users_find_them(corpus):
    label_of = dict(zip(corpus.names, corpus.target.tolist(), strict=True))
    assert label_of["scipy.sparse.linalg.spsolve"] == "scipy/sparse/linalg"
    assert label_of["numpy.linalg.solve"] == "numpy/linalg"
    assert label_of["sklearn.linear_model.LogisticRegression"] == "sklearn/linear_model"
    assert label_of["networkx.shortest_path"] == "networkx/algorithms/shortest_paths"


def test_every_class_has_enough_texts(corpus):
    sizes = Counter(corpus.target.tolist())
    assert min(sizes.values()) >= 5
    assert all(size >= 8 for label, size in sizes.items() if label.count("/") == 2)


def test_few_labels_are_inner_nodes(corpus):
    assert np.isin(corpus.target, corpus.taxonomy.leaves).mean() > 0.85


def resolve(name):
    """Return the object called `name`; where a module has the same name, it is not meant."""
    steps = name.split(".")
    for cut in range(len(steps) - 1, 0, -1):
        module = sys.modules.get(".".join(steps[:cut]))
        if module is not None:
            return functools.reduce(getattr, steps[cut:], module)
    raise LookupError(name)


def test_names_are_public_and_lead_to_an_object(corpus):
    assert len(set(corpus.names)) == len(corpus.names)
    assert not [name for name in corpus.names if "._" in name]
    assert all(callable(resolve(name)) for name in corpus.names)


def test_no_text_contains_the_name_of_its_object(corpus):
    for text, name in zip(corpus.data, corpus.names, strict=True):
        own_name = re.escape(name.rpartition(".")[2])
        assert not re.search(rf"\b{own_name}\b", text, re.IGNORECASE), name


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "giveaway",
    [
        r"(?i)numpy|scipy|sklearn|scikit-learn|networkx",
        r"\b(np|nx)\b",
        r"(?<![\w.])(linalg|sparse|stats|linear_model)\.\w",
        r">>>",
        r"https?:",
        r":(ref|func|class|mod|meth):",
        r"\.\.\s+(versionadded|versionchanged|deprecated)",
        r"User Guide",
    ],
)
def test_no_text_contains(corpus, giveaway):
    pattern = re.compile(giveaway)
    found = [
        name for text, name in zip(corpus.data, corpus.names, strict=True) if pattern.search(text)
    ]
    assert not found


def test_no_text_occurs_twice_and_none_is_short(corpus):
    assert len(set(corpus.data)) == len(corpus.data)
    assert min(map(len, corpus.data)) >= 100


@pytest.mark.more
def test_the_task_can_be_learnt(corpus):
    X_train, X_test, y_train, y_test = train_test_split(
        corpus.data, corpus.target, stratify=corpus.target, test_size=0.25, random_state=0
    )
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), ComplementNB(alpha=0.1))
    assert model.fit(X_train, y_train).score(X_test, y_test) > 0.5


DIGEST = """
import hashlib, warnings
{setup}
from sklhier.datasets import load_docstrings
filters = list(warnings.filters)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    corpus = load_docstrings()
assert not caught, [str(warning.message) for warning in caught]
assert warnings.filters == filters
content = "\\n".join([*corpus.data, *corpus.target, *corpus.names])
print(hashlib.sha256(content.encode()).hexdigest())
"""


def digest(hash_seed, setup=""):
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    script = DIGEST.format(setup=setup)
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


@pytest.mark.slow
def test_corpus_depends_neither_on_hash_seed_nor_on_earlier_imports():
    earlier = """
import scipy.stats.mstats, scipy.sparse.linalg, networkx.algorithms.flow
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer
"""
    assert digest(0) == digest(1, earlier)


@pytest.mark.slow
def test_stripped_docstrings_are_an_error():
    script = "from sklhier.datasets import load_docstrings; load_docstrings()"
    result = subprocess.run(
        [sys.executable, "-OO", "-c", script], capture_output=True, text=True, check=False
    )
    assert "Docstrings are not available: Python was started with -OO" in result.stderr


def test_callers_do_not_share_lists(corpus):
    changed = load_docstrings()
    changed.data.clear()
    changed.target[:] = ""
    again = load_docstrings()
    assert again.data == corpus.data
    assert (again.target == corpus.target).all()


def test_data_and_target_only(corpus):
    X, y = load_docstrings(return_X_y=True)
    assert list(X) == corpus.data
    assert (y == corpus.target).all()


def test_as_frame(corpus):
    pd = pytest.importorskip("pandas")
    framed = load_docstrings(as_frame=True)
    columns = ["text", "target", "level_1", "level_2", "level_3", "name"]
    assert framed.frame.columns.tolist() == columns
    assert framed.frame["text"].tolist() == corpus.data
    X, y = load_docstrings(return_X_y=True, as_frame=True)
    pd.testing.assert_series_equal(X, framed.data)
    pd.testing.assert_series_equal(y, framed.target)
    assert corpus.frame is None


def test_as_frame_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"as_frame=True\) needs pandas.*as_frame=False"):
        load_docstrings(as_frame=True)


def test_modules_without_their_optional_dependency_are_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx.drawing", None)
    names = {module.__name__ for module in _docstrings._public_modules("networkx")}
    assert "networkx.generators" in names
    assert not {name for name in names if name.startswith("networkx.drawing")}


DOCSTRING = """
solve(a, b, lower=False)

Solve the equation with :func:`~numpy.linalg.lstsq`, see `here <https://numpy.org>`__ [1]_.

Read more in the :ref:`User Guide <linear_model>`. Solved by NumPy's `np.linalg.inv`.

.. versionadded:: 1.2
   Really new.

Parameters
----------
a : ndarray
    Square. Not ``scipy.sparse.linalg``.

See Also
--------
inv : not this

Notes
-----
Prose with :math:`a b`.

>>> import numpy as np
>>> np.linalg.solve([[1]], [1])
array([1.])

More prose.

References
----------
.. [1] Somebody.

Examples
--------
>>> solve(1, 2)
"""


def test_cleaning_keeps_prose_only():
    module_names = frozenset({"np", "numpy", "scipy", "sparse", "linalg"})
    text = _docstrings._clean_text(DOCSTRING.strip(), {"solve"}, module_names)
    assert text.split("\n") == [
        "the equation with lstsq, see here .",
        "Solved by 's inv.",
        "a : ndarray Square. Not .",
        "Prose with a b.",
        "More prose.",
    ]


# ---------------------------------------------------------------------------------------------
# Generators

GENERATORS = [make_hierarchical_classification, make_hierarchical_text]


def as_array(X):
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


def test_classification_shapes_and_types():
    X, y, taxonomy = make_hierarchical_classification(50, 7, branching=(2, 3, 2), random_state=0)
    assert X.shape == (50, 7)
    assert X.dtype == np.float64
    assert y.shape == (50,)
    assert y.dtype.kind == "U"
    assert taxonomy.n_nodes == 1 + 2 + 6 + 12
    assert taxonomy.nodes[1:5] == ("n1", "n2", "n1.1", "n1.2")
    assert set(y) == set(taxonomy.leaves)


def test_text_shapes_and_types():
    X, y, taxonomy = make_hierarchical_text(
        40, branching=(2, 2), vocabulary_size=300, random_state=0
    )
    assert X.format == "csr"
    assert X.shape == (40, 300)
    assert X.dtype == np.int64
    assert X.has_canonical_format
    assert set(y) == set(taxonomy.leaves)


@pytest.mark.parametrize("make", GENERATORS)
def test_random_state_decides(make):
    first, second, other = (make(30, random_state=seed) for seed in (3, 3, 4))
    assert (as_array(first[0]) == as_array(second[0])).all()
    assert (first[1] == second[1]).all()
    assert (as_array(first[0]) != as_array(other[0])).any()
    from_instance = make(30, random_state=np.random.RandomState(3))
    assert (as_array(first[0]) == as_array(from_instance[0])).all()


@pytest.mark.parametrize("make", GENERATORS)
def test_return_taxonomy_false(make):
    X, y = make(20, random_state=0, return_taxonomy=False)
    assert X.shape[0] == len(y) == 20


@pytest.mark.parametrize("make", GENERATORS)
def test_leaves_are_balanced_by_default(make):
    _, y, taxonomy = make(100, branching=(2, 3), random_state=0)
    sizes = Counter(y.tolist())
    assert set(sizes) == set(taxonomy.leaves)
    assert set(sizes.values()) == {16, 17}


@pytest.mark.parametrize("make", GENERATORS)
def test_imbalance_is_a_power_law(make):
    _, y, _ = make(1000, branching=(2, 2), imbalance=1.0, random_state=0)
    sizes = sorted(Counter(y.tolist()).values(), reverse=True)
    np.testing.assert_allclose(sizes, [480, 240, 160, 120], atol=1)


@pytest.mark.parametrize("make", GENERATORS)
def test_inner_node_labels(make):
    _, y, taxonomy = make(200, branching=(2, 2, 2), inner_node_labels=0.3, random_state=0)
    depths = Counter(taxonomy.depth(label) for label in y.tolist())
    assert depths[1] + depths[2] == 60
    assert min(depths[1], depths[2]) > 10
    _, y, _ = make(50, branching=(4,), inner_node_labels=1.0, random_state=0)
    assert Counter(y.tolist())["n1"] in (12, 13)


@pytest.mark.parametrize("make", GENERATORS)
def test_only_children_and_few_samples(make):
    _, y, taxonomy = make(1, branching=(1, 1, 5), random_state=0)
    assert taxonomy.depth(y[0]) == 3
    assert taxonomy.n_nodes == 1 + 1 + 1 + 5


@pytest.mark.parametrize("make", GENERATORS)
def test_own_taxonomy_keeps_the_types_of_its_names(make):
    ragged = Taxonomy.from_parents({1: None, 2: None, 3: 1, 4: 1, 5: 4})
    _, y, taxonomy = make(30, taxonomy=ragged, random_state=0)
    assert taxonomy is ragged
    assert y.dtype.kind == "i"
    assert set(y.tolist()) == {2, 3, 5}
    mixed = Taxonomy.from_parents({1: None, "1": None, (1, "a"): 1})
    _, y, _ = make(30, taxonomy=mixed, random_state=0)
    assert y.dtype == object
    assert set(y.tolist()) == {"1", (1, "a")}


def test_upper_levels_are_further_apart():
    X, y, taxonomy = make_hierarchical_classification(
        64, 500, branching=(4, 4), level_decay=0.5, noise=0.0, random_state=0
    )
    centre = {label: X[y == label].mean(axis=0) for label in taxonomy.leaves}
    assert all((X[y == label] == centre[label]).all() for label in taxonomy.leaves)

    def distance(first, second):
        return np.sqrt(((centre[first] - centre[second]) ** 2).mean())

    # Two steps of 0.5 between siblings, two more of 1 between cousins.
    assert distance("n1.1", "n1.2") == pytest.approx(np.sqrt(0.5), rel=0.15)
    assert distance("n1.1", "n2.1") == pytest.approx(np.sqrt(2.5), rel=0.15)


def test_class_sep_and_noise_decide_how_hard_it_is():
    def accuracy(**parameters):
        X, y, _ = make_hierarchical_classification(400, 10, random_state=0, **parameters)
        return NearestCentroid().fit(X[::2], y[::2]).score(X[1::2], y[1::2])

    assert accuracy(class_sep=5.0) > 0.98
    assert accuracy(noise=20.0) < 0.3


def test_counts_and_text_are_the_same_documents():
    parameters = {"branching": (2, 2), "vocabulary_size": 200, "random_state": 0}
    counts, y, _ = make_hierarchical_text(30, **parameters)
    documents, y_text, _ = make_hierarchical_text(30, output="text", **parameters)
    vectorizer = CountVectorizer(vocabulary=[f"w{word}" for word in range(200)])
    assert (vectorizer.fit_transform(documents).toarray() == counts.toarray()).all()
    assert (y == y_text).all()


def test_text_lengths():
    counts, _, _ = make_hierarchical_text(500, mean_length=40, random_state=0)
    assert counts.sum(axis=1).mean() == pytest.approx(40, rel=0.05)
    counts, _, _ = make_hierarchical_text(500, mean_length=1, random_state=0)
    assert counts.sum(axis=1).min() == 1


def test_language_follows_zipf_and_topics_stay_on_the_path():
    counts, _, _ = make_hierarchical_text(2000, topic_share=0.0, random_state=0)
    frequencies = np.asarray(counts.sum(axis=0)).ravel()
    assert frequencies[0] == pytest.approx(2**1.05 * frequencies[1], rel=0.1)
    counts, y, _ = make_hierarchical_text(
        400, branching=(2, 2), topic_share=1.0, words_per_node=10, random_state=0
    )
    words = {label: set(counts[y == label].nonzero()[1].tolist()) for label in np.unique(y)}
    assert max(map(len, words.values())) <= 20
    assert len(words["n1.1"] & words["n1.2"]) >= 8
    assert len(words["n1.1"] & words["n2.1"]) <= 4


def test_text_classes_can_be_learnt():
    X, y, _ = make_hierarchical_text(2000, random_state=0)
    assert ComplementNB().fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.7


@pytest.mark.parametrize("make", GENERATORS)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_samples": 0}, r"`n_samples` must be an integer of at least 1, got 0"),
        ({"n_samples": 10.5}, r"`n_samples` must be an integer of at least 1, got 10\.5"),
        ({"n_samples": True}, r"`n_samples` must be an integer of at least 1, got True"),
        ({"branching": 3}, r"branching` must be a sequence .* such as \(3, 3\), got 3"),
        ({"branching": ()}, r"`branching` must have at least one level"),
        ({"branching": (2, 0)}, r"`branching\[1\]` must be an integer of at least 1, got 0"),
        (
            {"taxonomy": {"a": None}},
            r"must be a Taxonomy or None, got .*Taxonomy.from_parents",
        ),
        ({"imbalance": -1}, r"`imbalance` must be a finite number at least 0, got -1"),
        ({"imbalance": np.nan}, r"`imbalance` must be a finite number at least 0, got nan"),
        ({"inner_node_labels": 1.5}, r"inner_node_labels` .* at least 0 and at most 1, got 1\.5"),
        ({"random_state": "seed"}, r"'seed' cannot be used to seed"),
    ],
)
def test_parameters_of_both_are_checked(make, parameters, message):
    with pytest.raises(ValueError, match=message):
        make(**parameters)


@pytest.mark.parametrize("make", GENERATORS)
def test_a_dag_is_refused(make):
    dag = Taxonomy.from_edges([("a", "c"), ("b", "c")])
    with pytest.raises(TaxonomyError, match="needs a tree, but the taxonomy is a DAG: 'c'"):
        make(taxonomy=dag)


@pytest.mark.parametrize(
    ("make", "parameters", "message"),
    [
        (GENERATORS[0], {"n_features": 0}, "`n_features` must be an integer of at least 1"),
        (GENERATORS[0], {"class_sep": 0}, "`class_sep` must be a finite number above 0, got 0"),
        (
            GENERATORS[0],
            {"level_decay": "x"},
            "must be a finite number above 0, got 'x'",
        ),
        (GENERATORS[0], {"noise": -0.1}, "`noise` must be a finite number at least 0, got -0.1"),
        (
            GENERATORS[1],
            {"vocabulary_size": 0},
            "`vocabulary_size` must be an integer of at least 1",
        ),
        (
            GENERATORS[1],
            {"words_per_node": 2.0},
            "`words_per_node` must be an integer of at least 1",
        ),
        (
            GENERATORS[1],
            {"mean_length": 0.5},
            "must be a finite number at least 1, got 0.5",
        ),
        (GENERATORS[1], {"topic_share": 2}, "topic_share` .* at least 0 and at most 1, got 2"),
        (
            GENERATORS[1],
            {"output": "tfidf"},
            "`output` must be one of 'counts', 'text', got 'tfidf'",
        ),
    ],
)
def test_parameters_of_one_are_checked(make, parameters, message):
    with pytest.raises(ValueError, match=message):
        make(**parameters)
