"""Predictions where only some labels are possible, against Bayes' rule on all answers."""

import warnings

import numpy as np
import pytest
from generators import dags, features, label_sets, labelled_trees, one_in, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from private import possible_answers, raw_scores
from scipy import sparse
from sklearn import config_context
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    Taxonomy,
)
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import CostMatrix, Decoder, HierarchicalF, SetThreshold
from sklhier.exceptions import TargetError
from sklhier.links import LogisticLink
from sklhier.strategies import PerParent

X, Y, TAXONOMY = make_hierarchical_classification(
    90, 5, branching=(3, 2), class_sep=1.0, random_state=0
)
ROWS = np.arange(90)
# Every fifth label is known to the first level only: an answer may stop there.
STOPPED = np.where(ROWS % 5 == 0, [name.partition(".")[0] for name in Y], Y)
SETS = [[a, b] if a != b else [a] for a, b in zip(Y, np.roll(Y, 1), strict=True)]
BASE = LogisticRegression()
PATHS = {
    "local": HierarchicalClassifier(BASE, taxonomy=TAXONOMY).fit(X, Y),
    "stops": HierarchicalClassifier(BASE, taxonomy=TAXONOMY, strategy=PerParent(stop="learn")).fit(
        X, STOPPED
    ),
    "per_node": HierarchicalClassifier(BASE, taxonomy=TAXONOMY, strategy="per_node").fit(X, Y),
    "flat": HierarchicalClassifier(BASE, taxonomy=TAXONOMY, strategy="flat").fit(X, STOPPED),
    "joint": MultiHeadClassifier(TAXONOMY, alpha=0.1).fit(X, Y),
}
DECODER = SetThreshold(0.3)
LABEL_SETS = {
    "local": HierarchicalMultiLabelClassifier(BASE, taxonomy=TAXONOMY, decoder=DECODER),
    "joint": MultiHeadMultiLabelClassifier(TAXONOMY, alpha=0.1, decoder=DECODER),
}
LABEL_SETS = {name: model.fit(X, SETS) for name, model in LABEL_SETS.items()}


@pytest.fixture(params=PATHS)
def model(request):
    return PATHS[request.param]


@pytest.fixture(params=LABEL_SETS)
def set_model(request):
    return LABEL_SETS[request.param]


# -- a slow reference ---------------------------------------------------------------------


def at_or_below(taxonomy, name):
    """Return the names of a node and of all its descendants."""
    found, todo = set(), [name]
    while todo:
        name = todo.pop()
        found.add(name)
        todo += [taxonomy.nodes[child] for child in taxonomy.children_of(taxonomy.id(name))]
    return found


def permitted_by(taxonomy, labels):
    return set().union(*(at_or_below(taxonomy, label) for label in labels))


def restricted(model, X, permitted):
    """Return the probabilities of classes and nodes, given the permitted ones of each row."""
    classes, nodes = model.classes_.tolist(), list(model.taxonomy_.nodes)
    answers = possible_answers(model)
    of_classes, of_nodes = [], []
    for proba, names in zip(model.predict_proba(X), permitted, strict=True):
        kept = {c: p for c, p in zip(classes, proba, strict=True) if c in names}
        total = sum(kept.values())
        if total == 0:
            kept = {name: 1.0 for name in answers if name in names}
            total = len(kept)
        kept = {name: value / total for name, value in kept.items()}
        of_classes.append([kept.get(name, 0.0) for name in classes])
        of_nodes.append(
            [sum(kept.get(n, 0.0) for n in at_or_below(model.taxonomy_, node)) for node in nodes]
        )
    return np.array(of_classes), np.array(of_nodes)


def some_labels(model, seed):
    """Return labels of each row: inner nodes and leaves, that the model knows."""
    rng = np.random.default_rng(seed)
    names = sorted(model.taxonomy_.nodes[1:], key=str)
    unseen = set(model.unseen_nodes_)
    known = [name for name in names if name not in unseen]
    return [
        list(rng.choice(known, size=rng.integers(1, 1 + min(3, len(known))), replace=False))
        for _ in range(90)
    ]


# -- one path -----------------------------------------------------------------------------


@pytest.mark.few(4)
@pytest.mark.parametrize("memory", [1024, 0.001])  # in MiB; one block of rows, and many
def test_probabilities_follow_bayes_rule(model, memory):
    allowed = some_labels(model, 0)
    # A label that was seen above what may be answered, such as a stop that is not learnt.
    of_classes, of_nodes = restricted(model, X, [permitted_by(TAXONOMY, row) for row in allowed])
    with config_context(working_memory=memory):
        proba = model.predict_proba(X, allowed=allowed)
        assert_allclose(proba, of_classes, atol=1e-12)
        assert_allclose(model.predict_node_proba(X, allowed=allowed), of_nodes, atol=1e-12)
        with np.errstate(divide="ignore"):
            assert_array_equal(model.predict_log_proba(X, allowed=allowed), np.log(proba))
        best = model.classes_[np.argmax(of_classes, axis=1)]
        assert_array_equal(model.predict(X, allowed=allowed), best)
        labels, values = model.predict_top_k(X, 1, allowed=allowed)
    assert_array_equal(labels[:, 0], best)
    assert_allclose(values[:, 0], of_classes.max(axis=1), atol=1e-12)


DECODERS = [
    "best_path",
    "top_down",
    "beam",
    "level_weighted",
    "hierarchical_f",
    HierarchicalF(answer="leaf"),
    HierarchicalF(answer="set"),
    "threshold",
    "information_threshold",
    "climbing",
    "darts",
]


@pytest.mark.few(16)
@pytest.mark.parametrize("decoder", DECODERS, ids=str)
@pytest.mark.parametrize("name", ["local", "flat", "joint"])
def test_decoders_see_restricted_marginals(name, decoder):
    model = PATHS[name]
    allowed = some_labels(model, 1)
    table = restricted(model, X, [permitted_by(TAXONOMY, row) for row in allowed])[1]
    before = model.decoder
    try:
        model.set_params(decoder=decoder)
        predicted = model.predict(X, allowed=allowed)
        assert_array_equal(predicted, model.decode(table))
        full = model.predict_node_proba(X)
        assert_array_equal(predicted, model.decode(full, allowed=allowed))
        levels = getattr(decoder, "answer", "node") != "set" and model.predict_levels(
            X, allowed=allowed
        )
    finally:
        model.set_params(decoder=before)
    if levels is not False:
        steps = [
            None if row[0] is None else [s for s in row if s is not None][-1] for row in levels
        ]
        assert steps == predicted.tolist()


@one_in(4)
@given(labelled_trees(), st.sampled_from(["per_parent", "flat", "learn"]), st.data())
def test_any_tree(drawn, strategy, data):
    tree, y, seed = drawn
    strategy = PerParent(stop="learn") if strategy == "learn" else strategy
    X = features(y, seed)
    model = HierarchicalClassifier(GaussianNB(), taxonomy=tree, strategy=strategy).fit(X, y)
    known = sorted(set(tree.nodes[1:]) - set(model.unseen_nodes_))
    rows = st.lists(st.sampled_from(known), min_size=1, max_size=4)
    allowed = data.draw(st.lists(rows, min_size=len(y), max_size=len(y)))
    of_classes, of_nodes = restricted(model, X, [permitted_by(tree, row) for row in allowed])
    assert_allclose(model.predict_proba(X, allowed=allowed), of_classes, atol=1e-9)
    assert_allclose(model.predict_node_proba(X, allowed=allowed), of_nodes, atol=1e-9)
    position = {name: place for place, name in enumerate(model.classes_.tolist())}
    chosen = [position[name] for name in model.predict(X, allowed=allowed).tolist()]
    values = of_classes[np.arange(len(y)), chosen]
    assert_allclose(values, of_classes.max(axis=1), atol=1e-9)


@pytest.mark.few(4)
def test_everything_allowed_changes_nothing(model):
    top = [name for name in TAXONOMY.nodes[1:] if "." not in name]
    n_classes = len(model.classes_)
    whole = np.ones((90, n_classes), dtype=bool)
    for allowed in (top, [top] * 90, whole, sparse.csr_array(whole)):
        assert_array_equal(model.predict(X, allowed=allowed), model.predict(X))
        assert_array_equal(model.predict_proba(X, allowed=allowed), model.predict_proba(X))
        node_proba = model.predict_node_proba(X)
        assert_array_equal(model.predict_node_proba(X, allowed=allowed), node_proba)
        assert_array_equal(model.decode(node_proba, allowed=allowed), model.decode(node_proba))
        for found, expected in zip(
            model.predict_top_k(X, 3, allowed=allowed), model.predict_top_k(X, 3), strict=True
        ):
            assert_array_equal(found, expected)


def test_rows_without_a_restriction_keep_their_probabilities(model):
    table = np.ones((90, len(model.classes_)), dtype=bool)
    table[::2, model.classes_ == "n1.1"] = False
    proba = model.predict_proba(X, allowed=table)
    assert_array_equal(proba[1::2], model.predict_proba(X)[1::2])
    assert (proba[::2, model.classes_ == "n1.1"] == 0).all()


def test_a_row_does_not_depend_on_the_others(model):
    allowed = some_labels(model, 2)
    proba = model.predict_proba(X, allowed=allowed)
    for row in (0, 41):
        one = model.predict_proba(X[[row]], allowed=[allowed[row]])[0]
        assert_allclose(one, proba[row], rtol=1e-12)
        assert_allclose(model.predict_proba(X[[row]], allowed=allowed[row])[0], one)


def test_a_table_is_about_each_class_alone():
    model = PATHS["flat"]  # "n1" is a class: the label stops there
    table = np.isin(model.classes_, ["n1", "n2.1"])
    proba = model.predict_proba(X, allowed=np.tile(table, (90, 1)))
    expected = np.where(table, model.predict_proba(X), 0.0)
    assert_allclose(proba, expected / expected.sum(axis=1, keepdims=True))
    below = model.predict_proba(X, allowed=["n1", "n2.1"])
    assert (below[:, model.classes_ == "n1.1"] > 0).all()


def test_one_form_of_labels_is_as_good_as_another():
    model = PATHS["local"]
    allowed = some_labels(model, 3)
    expected = model.predict_proba(X, allowed=allowed)
    classes = model.classes_.tolist()
    table = np.array(
        [[name in permitted_by(TAXONOMY, row) for name in classes] for row in allowed]
    )
    column = np.empty(90, dtype=object)
    column[:] = allowed
    forms = [
        list(map(set, allowed)),
        list(map(frozenset, allowed)),
        list(map(np.array, allowed)),
        column,
        [list(map(TAXONOMY_PATHS.get, row)) for row in allowed],
        [[list(TAXONOMY_PATHS[name]) for name in row] for row in allowed],
        table,
        table.astype(int),
        table.astype(float),
        sparse.csr_matrix(table),
        sparse.csc_array(table.astype(np.int8)),
    ]
    for form in forms:
        assert_array_equal(model.predict_proba(X, allowed=form), expected)
    for_all = model.predict_proba(X, allowed=["n1.1", "n2"])
    paths = np.array([["n1", "n1.1"], ["n2", None]], dtype=object)
    for form in ({"n1.1", "n2"}, ("n1.1", "n2"), np.array(["n1.1", "n2"]), paths):
        assert_array_equal(model.predict_proba(X, allowed=form), for_all)
    pairs = [("n1", "n1.1"), ("n2",)]
    assert_array_equal(model.predict_proba(X, allowed=pairs), for_all)
    assert_array_equal(model.predict_proba(X, allowed={"n1.1": 0, "n2": 0}.keys()), for_all)


TAXONOMY_PATHS = {
    name: tuple(step for step in row if step is not None)
    for name, row in zip(
        TAXONOMY.nodes[1:],
        TAXONOMY.levels_of(np.arange(1, TAXONOMY.n_nodes, dtype=np.int32)).tolist(),
        strict=True,
    )
}


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_frames(package):
    library = pytest.importorskip(package)
    model = PATHS["local"]
    table = np.random.default_rng(0).random((90, 6)) < 0.5
    table[:, 0] = True
    expected = model.predict_proba(X, allowed=table)
    names = model.classes_.tolist()
    order = np.arange(6)[::-1]
    frame = library.DataFrame({names[place]: table[:, place] for place in order})
    assert_array_equal(model.predict_proba(X, allowed=frame), expected)
    column = library.Series(["n1.1", "n2"])
    for_all = model.predict_proba(X, allowed=["n1.1", "n2"])
    assert_array_equal(model.predict_proba(X, allowed=column), for_all)
    each = some_labels(model, 5)
    columns = [library.Series([[str(name) for name in row] for row in each])]
    columns.append([library.Series(row) for row in columns[0].to_list()])
    for rows in columns:
        found = model.predict_proba(X, allowed=rows)
        assert_array_equal(found, model.predict_proba(X, allowed=each))
    paths = library.DataFrame({"first": ["n1", "n2"], "second": ["n1.1", None]})
    assert_array_equal(model.predict_proba(X, allowed=paths), for_all)
    with pytest.raises(ValueError, match=r"named by the classes.*missing: 'n1.1'"):
        model.predict(X, allowed=frame[["n1.2", "n2.1"]])
    frame = library.DataFrame({name: [True] * 90 for name in [*names, "other"]})
    with pytest.raises(ValueError, match=r"named by the classes.*unknown: 'other'"):
        model.predict(X, allowed=frame)


def test_ties_and_mass_of_zero():
    # A tree is sure of one leaf; where it is not allowed, nothing tells the others apart.
    model = HierarchicalClassifier(DecisionTreeClassifier(), taxonomy=TAXONOMY).fit(X, Y)
    sure = model.predict(X)
    table = sure[:, None] != model.classes_
    proba = model.predict_proba(X, allowed=table)
    assert_allclose(proba, table / 5)
    assert_array_equal(model.predict(X, allowed=table), model.classes_[np.argmax(table, axis=1)])
    node_proba = model.predict_node_proba(X, allowed=table)
    assert_allclose(node_proba[:, TAXONOMY.ids(model.classes_.tolist())], proba)
    labels, values = model.predict_top_k(X, 5, allowed=table)
    assert (labels != sure[:, None]).all()
    assert_allclose(values, 0.2)
    # Probability 0 and allowed goes before what is not allowed.
    narrow = table.copy()
    narrow[np.arange(90), np.searchsorted(model.classes_, sure)] = True
    narrow[:, -1] = sure == model.classes_[-1]
    labels, values = model.predict_top_k(X, 5, allowed=narrow)
    is_allowed = narrow[np.arange(90)[:, None], np.searchsorted(model.classes_, labels)]
    assert is_allowed.all()
    assert_array_equal(labels[:, 0], sure)
    assert (values[:, 1:] == 0).all()


def test_top_k_of_what_is_allowed(model):
    allowed = ["n1", "n3.2"]
    labels, proba = model.predict_top_k(X, 3, allowed=allowed)
    table = model.predict_proba(X, allowed=allowed)
    order = np.argsort(-table, axis=1, kind="stable")[:, :3]
    assert_array_equal(labels, model.classes_[order])
    assert_array_equal(proba, np.take_along_axis(table, order, axis=1))
    each = [allowed] * 89 + [["n3.2"]]
    for memory in (1024, 0.005):  # in MiB; blocks are cut again to hold sums
        with (
            config_context(working_memory=memory),
            pytest.raises(ValueError, match=r"`k` must be at most .* 1 for row 89, got 2\."),
        ):
            model.predict_top_k(X, 2, allowed=each)


@pytest.mark.few(1)
@pytest.mark.parametrize("memory", [1024, 0.0001])
def test_weights_rank_what_is_allowed(memory):
    model = HierarchicalClassifier(LinearSVC(), taxonomy=TAXONOMY).fit(X, Y)
    assert not hasattr(model, "predict_proba")
    labels, weights = model.predict_top_k(X, 6)
    allowed = ["n1", "n3.2"]
    is_allowed = np.isin(labels, ["n1.1", "n1.2", "n3.2"])
    expected = labels[is_allowed].reshape(90, 3)
    of_allowed = weights[is_allowed].reshape(90, 3)
    with config_context(working_memory=memory):
        found, values = model.predict_top_k(X, 3, allowed=allowed)
        assert_array_equal(model.predict(X, allowed=allowed), expected[:, 0])
    assert_array_equal(found, expected)
    assert_allclose(values, of_allowed / of_allowed.sum(axis=1, keepdims=True))
    calibrated = HierarchicalClassifier(LinearSVC(), taxonomy=TAXONOMY, link=LogisticLink())
    assert calibrated.fit(X, Y).predict(X, allowed=allowed).tolist() == expected[:, 0].tolist()


def test_costs_of_what_is_not_allowed():
    names = ["n1", "n2", "n3", "n2.1"]
    leaves = PATHS["local"].classes_.tolist()
    # By its costs alone, the action "n3" is always the best.
    costs = np.where([[name == "n3"] for name in names], -9.0, np.eye(4, 6))
    model = HierarchicalClassifier(
        BASE, taxonomy=TAXONOMY, decoder=CostMatrix(costs, names, leaves)
    ).fit(X, Y)
    assert set(model.predict(X)) == {"n3"}
    assert set(model.predict(X, allowed=["n2.1", "n2.2"])) <= {"n2", "n2.1"}
    assert set(model.predict(X, allowed=["n1.1"])) == {"n1"}
    costs = CostMatrix(costs[2:3], ["n3"], leaves)
    with pytest.raises(ValueError, match="leaves no action of the cost matrix for row 0"):
        model.set_params(decoder=costs).predict(X, allowed=["n1.1"])
    costs = CostMatrix(np.zeros((2, 6)), ["n3", None], leaves)
    assert model.set_params(decoder=costs).predict(X, allowed=["n1.1"]).tolist() == [None] * 90


def test_a_decoder_of_ones_own():
    class Widest(Decoder):
        def decode(self, marginals):
            assert_allclose(marginals.dense().node_proba[:, 0], 1)
            found = marginals.expand(
                np.arange(marginals.n_rows),
                np.zeros(marginals.n_rows, np.int32),
                np.ones(marginals.n_rows),
            )
            best = [
                found.nodes[a:b][np.argmax(found.proba[a:b])]
                for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)
            ]
            return np.array(best, dtype=np.int32)[np.argsort(found.order)]

    model = HierarchicalClassifier(BASE, taxonomy=TAXONOMY, decoder=Widest()).fit(X, Y)
    assert set(model.predict(X, allowed=["n2.1"])) == {"n2"}


def test_a_dag():
    dag = Taxonomy.from_edges([("r", "a"), ("r", "b"), ("a", "x"), ("b", "x"), ("b", "y")])
    y = np.array(["x", "y", "a"])[ROWS % 3]
    model = HierarchicalClassifier(BASE, taxonomy=dag, strategy="flat").fit(X, y)
    full = model.predict_proba(X)
    proba = model.predict_proba(X, allowed=["b"])  # and so x, and y
    kept = np.where(np.isin(model.classes_, ["x", "y"]), full, 0)
    assert_allclose(proba, kept / kept.sum(axis=1, keepdims=True))
    nodes = model.predict_node_proba(X, allowed=["b"])
    assert_allclose(nodes[:, dag.id("b")], 1)
    assert_allclose(nodes[:, dag.id("a")], proba[:, model.classes_ == "x"][:, 0])
    assert set(model.predict(X, allowed=["a"])) <= {"x", "a"}


@pytest.mark.parametrize(
    ("allowed", "error", "message"),
    [
        (["n1", "n1.7"], TargetError, r"`allowed`: .*'n1.7'"),
        ([["n1"]] * 89 + [["n1.7"]], TargetError, r"`allowed`: .*'n1.7'"),
        ([("n1", "n9")], TargetError, r"`allowed`: The path \('n1', 'n9'\) .* under 'n1'"),
        ([("n1", "n2"), ("n3",)] * 45, TargetError, "put the labels of one sample into a list"),
        ([1, 2], TargetError, r"`allowed`: .*not in the taxonomy"),
        ([], ValueError, "`allowed` leaves no answer for any row"),
        ([["n1"], []] * 45, ValueError, "`allowed` leaves no answer for row 1:"),
        ([None], TargetError, "`allowed` holds a label that is missing"),
        ([["n1"], [float("nan")]] * 45, TargetError, "`allowed` holds a label that is missing"),
        (np.zeros((90, 6)), ValueError, "`allowed` leaves no answer for row 0:"),
        ([["n1"]] * 3, ValueError, "one list or set .* got 3 entries for 90 samples"),
        ([["n1"]] * 89 + ["n1"], ValueError, "one list or set .* got 'n1' among them"),
        (np.ones((90, 9)), ValueError, r"\(90, 6\), got shape \(90, 9\)"),
        (np.ones((2, 6)), ValueError, r"\(90, 6\), got shape \(2, 6\)"),
        (sparse.csr_array(np.ones((90, 5))), ValueError, r"\(90, 6\), got shape \(90, 5\)"),
        (np.full((90, 6), 0.5), ValueError, r"only 0 and 1, got 0.5"),
        (np.full((90, 6), np.nan), ValueError, r"only 0 and 1, got nan"),
        (sparse.csr_array(np.full((90, 6), 2)), ValueError, r"only 0 and 1, got 2"),
        (np.ones(6, dtype=bool), ValueError, r"True or False in place of labels"),
        ([[True] * 6] * 90, ValueError, r"True or False in place of labels"),
        ("n1", TypeError, "`allowed` must be a list of labels.* got 'n1'"),
        ({"n1": True}, TypeError, "`allowed` must be a list of labels"),
        (3, TypeError, "`allowed` must be a list of labels.* got 3"),
        ((name for name in ["n1"]), TypeError, "`allowed` must be a list of labels"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_input(allowed, error, message):
    model = PATHS["local"]
    table = model.predict_node_proba(X)
    sets = LABEL_SETS["local"]
    calls = [
        lambda: model.predict(X, allowed=allowed),
        lambda: model.predict_proba(X, allowed=allowed),
        lambda: model.decode(table, allowed=allowed),
        lambda: model.predict_frame(X, allowed=allowed, output="arrays"),
        lambda: sets.predict(X, allowed=allowed),
    ]
    for call in calls:
        with pytest.raises(error, match=message):
            call()


def test_a_label_that_was_never_seen():
    more = {"n1": [".1", ".2", ".9"], "n2": [".1", ".2"], "n3": [".1", ".2"]}
    larger = Taxonomy.from_dict({top: [top + step for step in more[top]] for top in more})
    model = HierarchicalClassifier(BASE, taxonomy=larger).fit(X, Y)
    assert set(model.predict(X, allowed=["n1.9", "n1.1"])) == {"n1.1"}
    sets = HierarchicalMultiLabelClassifier(BASE, taxonomy=larger, decoder=DECODER).fit(X, SETS)
    seen = sorted(set(Y))  # all children of "n1" that were seen
    assert_array_equal(sets.predict_node_proba(X, allowed=seen), sets.predict_node_proba(X))
    for either in (model, sets):
        with pytest.raises(ValueError, match=r"leaves no answer .* occurred in training"):
            either.predict(X, allowed=["n1.9"])


@pytest.mark.parametrize("kind", ["int", "levels", "tuples", "codes"])
def test_labels_of_other_types(kind):
    names = {name: place for place, name in enumerate(sorted(set(Y)))}
    numbers = np.array([names[name] for name in Y]) + 10
    steps = np.array([name.split(".") for name in Y])
    if kind == "int":
        tree = Taxonomy.from_edges([(n // 2 - 5, n) for n in range(10, 16)], root=None)
        model = HierarchicalClassifier(BASE, taxonomy=tree).fit(X, numbers)
        assert set(model.predict(X, allowed=[1])) <= {12, 13}
        assert set(model.predict(X, allowed=[(1, 12), (0,)])) <= {12, 10, 11}
        assert set(model.predict(X, allowed=np.array([15, 10]))) <= {15, 10}
    elif kind == "codes":
        model = HierarchicalClassifier(BASE, taxonomy=TAXONOMY, classes=sorted(names))
        model.fit(X, numbers - 10)
        assert set(model.predict(X, allowed=[0, 3])) <= {0, 3}
        assert set(model.predict(X, allowed=[[0], [3]] * 45)) <= {0, 3}
        with pytest.raises(TargetError, match="`allowed` holds 'n1', not among the encoded"):
            model.predict(X, allowed=["n1"])
    else:
        y = steps if kind == "levels" else [tuple(row) for row in steps.tolist()]
        model = HierarchicalClassifier(BASE).fit(X, y)
        allowed = [("n1",), ("n2", steps[Y == "n2.1"][0, 1])]
        found = {tuple(row) for row in np.array(model.predict(X, allowed=allowed)).tolist()}
        assert found <= {tuple(row) for row in steps.tolist() if row[0] == "n1"} | {allowed[1]}
        by_name = model.predict(X, allowed=model.classes_[:2].tolist())
        assert len({tuple(row) for row in np.array(by_name).tolist()}) <= 2


def test_times_are_labels_not_rows():
    pandas = pytest.importorskip("pandas")
    y = pandas.Series(pandas.to_datetime([f"2024-01-0{1 + row % 3}" for row in ROWS]))
    model = HierarchicalClassifier(BASE).fit(X, y)
    expected = model.classes_[:2]
    for allowed in (list(y[:2]), y[:2], expected, list(expected), [list(y[:2])] * 90):
        assert set(model.predict(X, allowed=allowed).tolist()) == set(expected.tolist())


def test_texts_sparse_features_and_pipelines():
    texts = ["cat cat dog", "dog bone", "car tyre", "van tyre"] * 5
    y, tree = Taxonomy.from_paths(["pet/cat", "pet/dog", "road/car", "road/van"] * 5)
    base = make_pipeline(CountVectorizer(), MultinomialNB())
    inner = HierarchicalClassifier(base, taxonomy=tree).fit(texts, y)
    outer = make_pipeline(
        CountVectorizer(), HierarchicalClassifier(MultinomialNB(), taxonomy=tree)
    )
    outer.fit(texts, y)
    for model in (inner, outer):
        assert set(model.predict(texts, allowed=["road"])) == {"road/car", "road/van"}
        proba = model.predict_proba(texts, allowed=["pet/cat", "road/van"])
        assert_allclose(proba.sum(axis=1), 1)
        assert_array_equal(proba > 0, np.tile([True, False, False, True], (20, 1)))
    counts = outer[0].transform(texts)
    assert_array_equal(
        outer[-1].predict(counts, allowed=["road"]), outer.predict(texts, allowed=["road"])
    )


def test_routing_of_allowed():
    with config_context(enable_metadata_routing=True):
        model = HierarchicalClassifier(BASE, taxonomy=TAXONOMY).set_predict_request(allowed=True)
        pipeline = make_pipeline(model).fit(X, Y)
        assert set(pipeline.predict(X, allowed=["n2"])) == {"n2.1", "n2.2"}


# -- label sets ---------------------------------------------------------------------------


def with_full_parents(names):
    full = {name for name in ("n1", "n2", "n3") if {f"{name}.1", f"{name}.2"} <= names}
    return names | full


def restricted_sets(model, X, permitted, refused=()):
    """Return node probabilities: 0 outside, the largest from below above what is permitted.

    A node all of whose children are permitted keeps its own, unless it is one of `refused`.
    """
    taxonomy = model.taxonomy_
    table = model.predict_node_proba(X)
    for row, names in zip(table, permitted, strict=True):
        full = dict(zip(taxonomy.nodes, row.tolist(), strict=True))
        names = with_full_parents(names) - ({*refused} - names)
        for place, node in enumerate(taxonomy.nodes[1:], start=1):
            below = at_or_below(taxonomy, node) & names
            row[place] = full[node] if node in names else max(map(full.get, below), default=0.0)
    return table


@pytest.mark.few(2)
@pytest.mark.parametrize("memory", [1024, 0.001])
def test_marginals_of_label_sets(set_model, memory):
    allowed = some_labels(set_model, 4)
    expected = restricted_sets(set_model, X, [permitted_by(TAXONOMY, row) for row in allowed])
    with config_context(working_memory=memory):
        table = set_model.predict_node_proba(X, allowed=allowed)
        predicted = set_model.predict(X, allowed=allowed)
        proba = set_model.predict_proba(X, allowed=allowed)
    assert_array_equal(table, expected)
    assert (table[:, TAXONOMY.edge_children] <= table[:, TAXONOMY.edge_parents]).all()
    assert_array_equal(proba, expected[:, TAXONOMY.ids(set_model.classes_.tolist())])
    assert predicted == set_model.decode(expected)
    assert predicted == set_model.decode(set_model.predict_node_proba(X), allowed=allowed)
    for labels, names in zip(predicted, allowed, strict=True):
        assert set(labels) <= with_full_parents(permitted_by(TAXONOMY, names))
    assert any(predicted)


@pytest.mark.parametrize("decoder", ["expected_f1", "maximum_closure", "top_labels"])
def test_set_decoders_answer_what_is_allowed(decoder):
    model = HierarchicalMultiLabelClassifier(BASE, taxonomy=TAXONOMY, decoder=decoder)
    model.fit(X, SETS)
    predicted = model.predict(X, allowed=["n1.1", "n2"])
    found = {label for labels in predicted for label in labels}
    assert found <= {"n1.1", "n2", "n2.1", "n2.2"}
    assert {"n1.1", "n2.2"} <= found


def test_raw_scores_of_what_is_allowed_stay():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(90, 3))  # models err on their own, and contradict each other
    model = HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=TAXONOMY, strategy="per_node", decoder="maximum_closure"
    ).fit(noise, SETS)
    raw = raw_scores(model, noise)
    assert (raw[:, TAXONOMY.edge_children] > raw[:, TAXONOMY.edge_parents]).any()
    expected = [[name for name in labels if name[:2] != "n3"] for labels in model.predict(noise)]
    assert model.predict(noise, allowed=["n1", "n2"]) == expected


def test_everything_allowed_changes_no_label_set(set_model):
    top = ["n1", "n2", "n3"]
    leaves = list(TAXONOMY.leaves)
    whole = np.ones((90, len(set_model.classes_)), dtype=int)
    node_proba = set_model.predict_node_proba(X)
    assert_array_equal(set_model.predict_node_proba(X, allowed=top), node_proba)
    for allowed in (top, [top] * 90, leaves, whole):
        assert set_model.predict(X, allowed=allowed) == set_model.predict(X)
        assert_array_equal(set_model.predict_proba(X, allowed=allowed), set_model.predict_proba(X))


def test_a_table_for_label_sets(set_model):
    table = np.random.default_rng(0).random((90, len(set_model.classes_))) < 0.5
    table[:, 0] = True
    names = [set(set_model.classes_[row].tolist()) for row in table]
    expected = restricted_sets(set_model, X, names)
    assert_array_equal(set_model.predict_node_proba(X, allowed=table), expected)
    paths = [[TAXONOMY_PATHS[name] for name in sorted(row)] for row in names]
    assert_array_equal(set_model.predict_node_proba(X, allowed=paths), expected)


def test_a_column_says_no_to_an_inner_node():
    model = HierarchicalMultiLabelClassifier(BASE, taxonomy=TAXONOMY, decoder=DECODER)
    model.fit(X, TAXONOMY.binarize(SETS))
    table = np.ones((90, len(model.classes_)), dtype=bool)
    table[:, model.classes_ == "n1"] = False
    names = [set(model.classes_[row].tolist()) for row in table]
    expected = restricted_sets(model, X, names, refused=["n1"])
    assert_array_equal(model.predict_node_proba(X, allowed=table), expected)
    assert not np.array_equal(expected, model.predict_node_proba(X))


def slow_sets(taxonomy, classes, observed, row, permitted):
    """Return the probabilities of one row, node by node from the leaves up."""
    result, full = {}, {}
    for node in reversed(taxonomy.nodes[1:]):
        below = [taxonomy.nodes[child] for child in taxonomy.children_of(taxonomy.id(node))]
        seen = [child for child in below if child in observed]
        joins = node not in classes and below and all(map(full.get, seen))
        full[node] = bool(node in permitted or joins)
        largest = max([0.0, *(result[child] for child in below)])
        result[node] = row[node] if full[node] else largest
    return result


@one_in(4)
@given(st.one_of(trees(), dags()), st.booleans(), st.booleans(), st.data())
def test_sets_of_any_taxonomy(taxonomy, as_table, as_indicator, data):
    sets = data.draw(label_sets(taxonomy, 6))
    sets[0] = {taxonomy.nodes[-1]}
    X = np.random.default_rng(0).normal(size=(6, 3))
    y, columns = list(map(list, sets)), None
    if as_indicator:
        y, columns = taxonomy.binarize(sets), list(taxonomy.nodes[1:])
    model = HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=taxonomy, decoder=DECODER, classes=columns
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nodes of one sample
        model.fit(X, y)
    observed = set(taxonomy.nodes[1:]) - set(model.unseen_nodes_)
    classes = model.classes_.tolist()
    known = sorted(observed & set(classes)) if as_table else sorted(observed)
    rows = st.lists(st.sampled_from(known), min_size=1, max_size=4)
    labels = data.draw(st.lists(rows, min_size=6, max_size=6))
    allowed, permitted = labels, [permitted_by(taxonomy, row) for row in labels]
    if as_table:
        allowed = np.array([np.isin(classes, row) for row in labels])
        permitted = list(map(set, labels))
    full = model.predict_node_proba(X)
    table = model.predict_node_proba(X, allowed=allowed)
    for values, found, names in zip(full, table, permitted, strict=True):
        row = dict(zip(taxonomy.nodes, values.tolist(), strict=True))
        expected = slow_sets(taxonomy, classes, observed, row, names)
        assert dict(zip(taxonomy.nodes[1:], found[1:].tolist(), strict=True)) == expected
    parents, children = taxonomy.edge_parents, taxonomy.edge_children
    assert (table[:, children] <= table[:, parents]).all()


def test_indicators_and_dags():
    dag = Taxonomy.from_edges([("r", "a"), ("r", "b"), ("a", "x"), ("b", "x"), ("b", "y")])
    sets = [[["x"], ["y"], ["a", "y"]][row % 3] for row in ROWS]
    indicator = dag.binarize(sets)
    model = HierarchicalMultiLabelClassifier(BASE, taxonomy=dag, decoder=DECODER)
    model.fit(X, indicator)
    predicted = model.predict(X, allowed=["b"])
    assert predicted.shape == indicator.shape
    full = model.predict_node_proba(X)
    table = model.predict_node_proba(X, allowed=["b"])
    a, b, x, y = dag.ids(["a", "b", "x", "y"])
    assert_array_equal(table[:, [b, x, y]], full[:, [b, x, y]])
    assert_array_equal(table[:, a], full[:, x])  # a sample may be in "a" by way of "x" alone
