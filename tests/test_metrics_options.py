"""Options of metrics against slow definitions: classes, missing cells, deeper answers, first k."""

import inspect

import networkx as nx
import numpy as np
import pytest
from conftest import DIAMOND
from generators import dags, label_sets, trees
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.metrics import precision_recall_fscore_support
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import MultiLabelBinarizer

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy, metrics
from sklhier.decoders import SetThreshold
from sklhier.exceptions import TargetError
from sklhier.metrics import (
    h_loss,
    hierarchical_average_precision_score,
    hierarchical_brier_loss,
    hierarchical_calibration_error,
    hierarchical_classification_report,
    hierarchical_confusion_matrix,
    hierarchical_f1_score,
    hierarchical_precision_recall_fscore_support,
    hierarchical_precision_score,
    hierarchical_recall_score,
    hmc_loss,
    icm_score,
    level_accuracy_scores,
    make_hierarchical_scorer,
    mgia_score,
    precision_at_k_score,
    recall_at_k_score,
    tree_distance_loss,
    violation_rate,
)

BIRDS = Taxonomy.from_dict({"bird": ["wren", "owl"], "fish": ["eel", "ray"]})
SETS = [["owl"], ["ray", "wren"], [], ["eel"], ["wren"]]
ANSWERS = [["wren"], ["ray"], ["eel"], ["eel", "owl"], ["wren"]]
PROBA = np.array(
    [
        [0.9, 0.2, 0.3, 0.8, 0.1, 0.1],
        [0.6, 0.7, 0.5, 0.2, 0.3, 0.6],
        [0.1, 0.3, 0.1, 0.0, 0.2, 0.3],
        [0.4, 0.9, 0.3, 0.4, 0.8, 0.2],
        [0.8, 0.1, 0.8, 0.3, 0.0, 0.1],
    ]
)  # bird, fish, wren, owl, eel, ray
OF_SETS = [
    hierarchical_f1_score,
    hierarchical_precision_score,
    hierarchical_recall_score,
    h_loss,
    hmc_loss,
    icm_score,
    mgia_score,
    hierarchical_classification_report,
]
OF_PROBABILITIES = [
    hierarchical_average_precision_score,
    hierarchical_brier_loss,
    hierarchical_calibration_error,
    lambda *y, **kw: precision_at_k_score(*y, k=1, **kw),
    lambda *y, **kw: recall_at_k_score(*y, k=1, **kw),
]


def table_of(sets, binarizer=None):
    binarizer = binarizer or MultiLabelBinarizer().fit([BIRDS.leaves])
    return binarizer.transform(sets), binarizer.classes_


# -- classes ------------------------------------------------------------------------------


def test_every_metric_takes_classes():
    functions = [name for name in metrics.__all__ if inspect.isfunction(getattr(metrics, name))]
    for name in functions:
        parameters = inspect.signature(getattr(metrics, name)).parameters
        assert parameters["classes"].kind is inspect.Parameter.KEYWORD_ONLY, name


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_array, lambda table: table.tolist()])
@pytest.mark.parametrize("metric", OF_SETS)
def test_classes_name_the_columns_of_both(metric, wrap):
    true, classes = table_of(SETS)
    predicted, _ = table_of(ANSWERS)
    assert classes.tolist() != list(BIRDS.leaves)
    wanted = metric(SETS, ANSWERS, taxonomy=BIRDS)
    assert metric(wrap(true), wrap(predicted), taxonomy=BIRDS, classes=classes) == wanted
    assert metric(wrap(true), ANSWERS, taxonomy=BIRDS, classes=classes) == wanted


@pytest.mark.parametrize("metric", OF_PROBABILITIES)
def test_classes_name_the_columns_of_the_truth(metric):
    true, classes = table_of(SETS)
    assert_allclose(
        metric(true, PROBA, taxonomy=BIRDS, classes=classes), metric(SETS, PROBA, taxonomy=BIRDS)
    )


def test_violations_by_classes():
    columns = ["owl", "bird"]
    assert violation_rate([[1, 0], [1, 1]], taxonomy=BIRDS, classes=columns) == 0.5
    assert violation_rate(np.array([[0, 1], [1, 1]]), taxonomy=BIRDS, classes=columns) == 0.0


def test_one_label_each_may_be_an_indicator():
    y_true, y_pred = ["owl", "eel", "ray"], ["wren", None, "ray"]
    binarizer = MultiLabelBinarizer().fit([BIRDS.leaves])
    tables = [
        binarizer.transform([[] if label is None else [label] for label in y])
        for y in (y_true, y_pred)
    ]
    options = {"taxonomy": BIRDS, "classes": binarizer.classes_}
    for metric in (tree_distance_loss, level_accuracy_scores, hierarchical_confusion_matrix):
        assert_allclose(metric(*tables, **options), metric(y_true, y_pred, taxonomy=BIRDS))
    tables[0][0] = 1
    with pytest.raises(TargetError, match="one label or path for each sample"):
        tree_distance_loss(*tables, **options)


def test_classes_of_another_length():
    with pytest.raises(TargetError, match="3 labels of `classes`"):
        hmc_loss(np.eye(2), np.eye(2), taxonomy=BIRDS, classes=["owl", "wren", "eel"])


def test_scores_of_a_models_own_answers():
    X = np.repeat(np.eye(4), 5, axis=0)
    sets = [[leaf] for leaf in ("owl", "wren", "eel", "ray") for _ in range(5)]
    table, classes = table_of(sets)
    model = HierarchicalMultiLabelClassifier(
        GaussianNB(), taxonomy=BIRDS, classes=classes, decoder=SetThreshold(0.5)
    ).fit(X, table)
    answers = model.predict(X)
    assert hierarchical_f1_score(table, answers, taxonomy=BIRDS, classes=classes) == 1.0
    for options in ({}, {"taxonomy": BIRDS, "classes": classes}, {"classes": classes}):
        assert make_hierarchical_scorer("f1", **options)(model, X, table) == 1.0
    brier = make_hierarchical_scorer("brier", classes=classes)
    assert brier(model, X, table) == pytest.approx(0.0, abs=1e-9)
    holey = table.astype(float)
    holey[0, 0] = np.nan
    for name in ("f1", "average_precision"):
        scorer = make_hierarchical_scorer(name, missing="ignore")
        assert scorer(model, X, holey) == pytest.approx(1.0)


def test_the_nearest_name_of_another_taxonomy_may_be_its_first():
    own = Taxonomy.from_dict({"birds": ["owl", "wren"], "fish": ["eel", "ray"]})
    wider = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel", "ray"]})
    leaves = ["owl", "wren", "eel", "ray"]
    model = HierarchicalClassifier(GaussianNB(), taxonomy=own).fit(np.eye(4), leaves)
    with pytest.raises(TargetError, match=r"'birds'\. Nearest names: 'bird'\."):
        make_hierarchical_scorer("brier", taxonomy=wider)(model, np.eye(4), leaves)


# -- missing cells ------------------------------------------------------------------------


def known_cells(cells, columns, taxonomy):
    """Return what is true and what is known of each node but the root, by loops over networkx."""
    graph = taxonomy.to_networkx()
    names = taxonomy.nodes[1:]
    true, known = np.zeros((len(cells), len(names))), np.ones((len(cells), len(names)))
    for row, values in enumerate(cells):
        for i, node in enumerate(names):
            below = {node, *nx.descendants(graph, node)}
            inside = [v for v, name in zip(values, columns, strict=True) if name in below]
            true[row, i] = 1 in inside
            known[row, i] = 1 in inside or not any(np.isnan(v) for v in inside)
    return true, known


@st.composite
def holey_tables(draw):
    taxonomy = draw(st.one_of(trees(), dags()))
    names = list(taxonomy.nodes[1:])
    columns = draw(st.permutations(names))[: draw(st.integers(2, 9))] if len(names) > 1 else names
    n_rows = draw(st.integers(1, 5))
    cell = st.sampled_from([0.0, 1.0, np.nan])
    cells = draw(st.lists(st.lists(cell, min_size=len(columns), max_size=len(columns)),
                          min_size=n_rows, max_size=n_rows))  # fmt: skip
    return taxonomy, columns, np.array(cells), draw(label_sets(taxonomy, n_rows))


OPTIONS = {"missing": "ignore", "zero_division": 0.0}


@given(holey_tables(), st.sampled_from(["micro", "samples", "macro"]))
def test_missing_cells_are_left_out(case, average):
    taxonomy, columns, cells, sets = case
    true, known = known_cells(cells, columns, taxonomy)
    predicted = taxonomy.binarize(sets, sparse_output=False) * known
    options = {"taxonomy": taxonomy, "classes": columns, "missing": "ignore"}
    found = hierarchical_precision_recall_fscore_support(
        cells, sets, average=average, zero_division=0.0, **options
    )
    if true.shape[1] > 1:
        wanted = precision_recall_fscore_support(
            true, predicted, average=average, zero_division=0.0
        )
        assert_allclose(found[:3], wanted[:3], atol=1e-12)
    different = (true != predicted).sum(axis=1)
    assert hmc_loss(cells, sets, **options) == pytest.approx(different.mean())
    proba = np.linspace(0, 1, true.size).reshape(true.shape)
    loss = (known * (true - proba) ** 2).sum(axis=1).mean()
    assert hierarchical_brier_loss(cells, proba, **options) == pytest.approx(loss)


HOLES = np.array([[1.0, np.nan, 0.0, 0.0], [0.0, 0.0, np.nan, 1.0]])  # wren, owl, eel, ray


@pytest.mark.parametrize(
    "wrap",
    [
        np.array,
        sparse.csr_array,
        lambda cells: cells.tolist(),
        lambda cells: np.where(np.isnan(cells), None, cells.astype(object)),
        lambda cells: np.ma.masked_invalid(cells),
        lambda cells: np.ma.array(np.nan_to_num(cells).astype(int), mask=np.isnan(cells)),
    ],
    ids=["array", "sparse", "list", "object", "masked", "masked integers"],
)
def test_containers_with_missing_cells(wrap):
    y = wrap(HOLES)
    options = {"taxonomy": BIRDS, "classes": BIRDS.leaves}
    answers = [["wren", "owl"], ["ray"]]
    assert hmc_loss(y, answers, missing="ignore", **options) == 0.0
    assert hmc_loss(y, [["eel"], ["ray"]], missing="ignore", **options) == 2.0
    with pytest.raises(TargetError, match="left out with missing='ignore'"):
        hmc_loss(y, answers, **options)
    with pytest.raises(TargetError, match="`y_pred` has missing cells"):
        hmc_loss(answers, y, missing="ignore", **options)


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_frames_with_missing_cells(package):
    module = pytest.importorskip(package)
    columns = {"owl": [1, 0], "wren": [None, 0], "ray": [0, 1]}
    frames = [module.DataFrame(columns)]
    if package == "pandas":
        frames.append(module.DataFrame(columns).astype("Int64"))
    for frame in frames:
        assert hmc_loss(frame, [["owl", "wren"], ["ray"]], taxonomy=BIRDS, missing="ignore") == 0.0
        with pytest.raises(TargetError, match="missing='ignore'"):
            hmc_loss(frame, [["owl"], ["ray"]], taxonomy=BIRDS)


def test_paths_with_padding_are_no_indicators():
    tree = Taxonomy.from_dict({1: [10, 11], 0: [20]})
    levels = np.array([[1.0, 10.0], [1.0, np.nan]])
    for missing in ("error", "ignore"):
        assert hmc_loss(levels, levels, taxonomy=tree, missing=missing) == 0.0
    padded = np.array([[1.0, np.nan], [0.0, np.nan]])
    assert hmc_loss(padded, [1, 1], taxonomy=tree) == 1.0


@pytest.mark.parametrize("metric", [*OF_SETS[:-1], *OF_PROBABILITIES])
def test_all_metrics_leave_missing_cells_out(metric):
    answers = PROBA[:2] if metric in OF_PROBABILITIES else [["wren", "owl"], ["eel"]]
    options = {"taxonomy": BIRDS, "classes": BIRDS.leaves}
    with pytest.raises(TargetError, match="missing='ignore'"):
        metric(HOLES, answers, **options)
    full = [[0 if np.isnan(v) else v for v in row] for row in HOLES.tolist()]
    ignored = metric(HOLES, answers, missing="ignore", **options)
    without = metric(full, answers, missing="ignore", **options)
    same = (hierarchical_recall_score, icm_score, hierarchical_calibration_error)
    same = (*same, OF_PROBABILITIES[-1])
    assert metric in same or not np.array_equal(ignored, without)
    with pytest.raises(ValueError, match="`missing` must be one of"):
        metric(HOLES, answers, missing="drop", **options)


def test_calibration_without_known_answers():
    cells, proba = np.array([[np.nan, np.nan, 0, 0]]), [[0.9, 0.1, 0.5, 0.4, 0.0, 0.1]]
    options = {"taxonomy": BIRDS, "classes": BIRDS.leaves, "missing": "ignore"}
    assert np.isnan(hierarchical_calibration_error(cells, proba, **options)).all()
    both = hierarchical_calibration_error(np.vstack([cells, [[1, 0, 0, 0]]]), proba * 2, **options)
    assert_allclose(both, [0.1, 0.5])


def test_information_counts_known_samples():
    cells = np.array([[1, 0, 0, 0], [np.nan, 0, 0, 1], [0, 0, 0, 1], [0, 1, 0, 0]])
    answers = [["wren"], ["ray"], ["ray"], ["owl"]]
    options = {"taxonomy": BIRDS, "classes": BIRDS.leaves, "missing": "ignore"}
    # bird: 2 of 3 known; wren: 1 of 3; owl: 1 of 4; fish and ray: 2 of 4.
    gains = [np.log2(3), 1.0, 1.0, 2.0]
    assert icm_score(cells, answers, **options) == pytest.approx(np.mean(gains))


# -- deeper answers -----------------------------------------------------------------------


@given(st.one_of(trees(), dags()), st.data(), st.sampled_from(["micro", "samples", "macro"]))
def test_deeper_answers_are_right(taxonomy, data, average):
    n_rows = data.draw(st.integers(1, 5))
    sets, answers = (data.draw(label_sets(taxonomy, n_rows)) for _ in range(2))
    graph, names = taxonomy.to_networkx(), taxonomy.nodes[1:]
    true, predicted = (taxonomy.binarize(y, sparse_output=False) for y in (sets, answers))
    for row in range(n_rows):
        closed = {name for name, mark in zip(names, true[row], strict=True) if mark}
        for name in closed:
            below = nx.descendants(graph, name)
            if not below & closed:  # a most specific true node
                predicted[row, [names.index(other) for other in below]] = 0
    found = hierarchical_precision_recall_fscore_support(
        sets, answers, taxonomy=taxonomy, deeper="ok", average=average, zero_division=0.0
    )
    if len(names) > 1:
        wanted = precision_recall_fscore_support(
            true, predicted, average=average, zero_division=0.0
        )
        assert_allclose(found[:3], wanted[:3], atol=1e-12)


def test_deeper_in_scores_report_and_scorer():
    y_true, y_pred = ["bird", "owl"], ["owl", "wren"]
    assert hierarchical_precision_score(y_true, y_pred, taxonomy=BIRDS) == 0.5
    options = {"taxonomy": BIRDS, "deeper": "ok"}
    assert hierarchical_precision_score(y_true, y_pred, **options) == pytest.approx(2 / 3)
    assert hierarchical_recall_score(y_true, y_pred, **options) == pytest.approx(2 / 3)
    report = hierarchical_classification_report(y_true, y_pred, output="dict", **options)
    assert report["averages"]["micro"]["precision"] == pytest.approx(2 / 3)
    assert set(report["nodes"]) == {"bird", "owl", "wren"}
    with pytest.raises(ValueError, match="`deeper` must be one of 'count', 'ok'"):
        hierarchical_f1_score(y_true, y_pred, taxonomy=BIRDS, deeper="yes")


def test_deeper_answers_of_a_dag_count_the_other_parent():
    # The answer is right below one true node, and names another parent that is wrong.
    shared = next(n for n in DIAMOND.nodes[1:] if len(DIAMOND.parents(n)) > 1)
    right, wrong = DIAMOND.parents(shared)[:2]
    score = hierarchical_precision_score([[right]], [[shared]], taxonomy=DIAMOND, deeper="ok")
    closed = DIAMOND.binarize([[shared]]).sum() - 1
    good = len({*DIAMOND.ancestors(right), right})
    assert score == pytest.approx(good / closed)
    assert wrong not in DIAMOND.ancestors(right)


# -- the first k labels -------------------------------------------------------------------


def slow_at_k(true, scores, k, columns):
    precisions, recalls = [], []
    for row, values in zip(true, scores, strict=True):
        ranked = sorted(columns, key=lambda c: -values[c])[:k]
        hits = sum(row[c] for c in ranked)
        precisions.append(hits / len(ranked))
        if sum(row[c] for c in columns):
            recalls.append(hits / sum(row[c] for c in columns))
    return np.mean(precisions), np.mean(recalls) if recalls else np.nan


@given(st.one_of(trees(), dags()), st.data(), st.integers(0, 99))
def test_first_k_by_loops(taxonomy, data, seed):
    n_rows = data.draw(st.integers(1, 5))
    sets = data.draw(label_sets(taxonomy, n_rows))
    true = taxonomy.binarize(sets, sparse_output=False)
    scores = np.random.default_rng(seed).integers(0, 4, true.shape) / 4  # with ties
    leaves = (taxonomy.leaf_ids - 1).tolist()
    k = data.draw(st.integers(1, len(leaves)))
    found = [
        metric(sets, scores, k=k, taxonomy=taxonomy)
        for metric in (precision_at_k_score, recall_at_k_score)
    ]
    assert_allclose(found, slow_at_k(true, scores, k, leaves))
    levels = [
        [i for i, depth in enumerate(taxonomy.depths[1:]) if depth == level]
        for level in range(1, taxonomy.n_levels + 1)
    ]
    wanted = [slow_at_k(true, scores, k, columns) for columns in levels]
    for i, metric in enumerate((precision_at_k_score, recall_at_k_score)):
        each = metric(sets, scores, k=k, level="each", taxonomy=taxonomy)
        assert_allclose(each, [pair[i] for pair in wanted])
        if k <= len(levels[-1]):
            assert metric(sets, scores, k=k, level=-1, taxonomy=taxonomy) == pytest.approx(
                each[-1], nan_ok=True
            )


def test_first_k_of_lists():
    top = [["wren", "owl"], ["wren", "ray"], ["eel", None], ["fish", "owl"], ["owl", "wren"]]
    options = {"taxonomy": BIRDS, "k": 2}
    # fish is right for eel, but is not the label itself.
    assert precision_at_k_score(SETS, top, **options) == pytest.approx((1 + 2 + 0 + 1 + 1) / 10)
    assert recall_at_k_score(SETS, top, **options) == pytest.approx((1 + 1 + 0 + 1) / 4)
    assert recall_at_k_score(SETS, np.array(top, dtype=object), taxonomy=BIRDS, k=1) == 0.125
    holes = np.array([[np.nan, 1, 0, 0]])  # wren is not known
    options |= {"classes": BIRDS.leaves, "missing": "ignore"}
    assert precision_at_k_score(holes, top[:1], **options) == 1.0
    assert precision_at_k_score(holes, PROBA[:1, :], **options) == 0.5


def test_scores_of_the_first_k_in_any_container():
    options = {"k": 2, "taxonomy": BIRDS}
    of_lists = precision_at_k_score(SETS, PROBA.tolist(), **options)
    assert of_lists == precision_at_k_score(SETS, PROBA, **options)
    for dtype in (np.float32, object):
        assert precision_at_k_score(SETS, PROBA.astype(dtype), **options) == of_lists
    assert precision_at_k_score(SETS, list(PROBA), **options) == of_lists


def test_first_k_is_top_k_accuracy():
    y = ["owl", "ray", "eel", "wren", "owl"]
    assert recall_at_k_score(y, PROBA, k=1, taxonomy=BIRDS) == 0.4
    assert recall_at_k_score(y, PROBA, k=1, taxonomy=BIRDS, sample_weight=[1, 0, 0, 0, 1]) == 0.5
    assert np.isnan(recall_at_k_score(["bird"], PROBA[:1], k=1, taxonomy=BIRDS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, r"`k` must be in \[1, 4\], the number of leaves that compete, got 0"),
        ({"k": 5}, r"`k` must be in \[1, 4\]"),
        ({"k": 1.5}, r"`k` must be in \[1, 4\]"),
        ({"k": 3, "level": 1}, r"\[1, 2\], the number of nodes of level 1"),
        ({"k": 1, "level": 3}, r"`level` must be in \[1, 2\]"),
        ({"k": 1, "level": "all"}, "`level` must be a number, 'each' or None"),
    ],
)
def test_errors_of_first_k(options, message):
    with pytest.raises(ValueError, match=message):
        precision_at_k_score(SETS, PROBA, taxonomy=BIRDS, **options)


def test_errors_of_lists_of_first_labels():
    with pytest.raises(ValueError, match="`level` must be None for lists"):
        recall_at_k_score(["owl"], [["owl"]], k=1, level=1, taxonomy=BIRDS)
    with pytest.raises(ValueError, match=r"in \[1, 1\], the number of labels of each row"):
        recall_at_k_score(["owl"], [["owl"]], k=2, taxonomy=BIRDS)
    with pytest.raises(TargetError, match="`y_score` must hold the same number"):
        recall_at_k_score(["owl", "owl"], [["owl"], ["owl", "wren"]], k=1, taxonomy=BIRDS)


# -- tables and errors --------------------------------------------------------------------


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_columns_of_frames_are_found_by_name(package):
    module = pytest.importorskip(package)
    names = list(BIRDS.nodes[1:])
    sort = np.argsort(names)
    frame = module.DataFrame({names[i]: PROBA[:, i] for i in sort})
    wanted = hierarchical_brier_loss(SETS, PROBA, taxonomy=BIRDS)
    assert hierarchical_brier_loss(SETS, frame, taxonomy=BIRDS) == pytest.approx(wanted)
    assert violation_rate(frame, taxonomy=BIRDS) == violation_rate(PROBA, taxonomy=BIRDS)
    other = module.DataFrame({f"other {i}": PROBA[:, i] for i in range(6)})
    with pytest.raises(ValueError, match=r"'other 0' is no node. Pass node_proba.to_numpy\(\)"):
        hierarchical_brier_loss(SETS, other, taxonomy=BIRDS)
    for left_out in (0, 5):
        less = frame[[name for name in names if name != names[left_out]]]
        with pytest.raises(ValueError, match=f"'{names[left_out]}' has no column"):
            hierarchical_brier_loss(SETS, less, taxonomy=BIRDS)


def test_columns_of_frames_may_have_numbers():
    pd = pytest.importorskip("pandas")
    wanted = hierarchical_brier_loss(SETS, PROBA, taxonomy=BIRDS)
    assert hierarchical_brier_loss(SETS, pd.DataFrame(PROBA), taxonomy=BIRDS) == wanted
    with_root = np.column_stack([np.ones(5), PROBA])
    named = pd.DataFrame(with_root, columns=["<root>", *BIRDS.nodes[1:]])
    assert hierarchical_brier_loss(SETS, named, taxonomy=BIRDS) == pytest.approx(wanted)


def test_masked_probabilities_are_refused():
    masked = np.ma.array(PROBA, mask=PROBA > 0.85)
    with pytest.raises(ValueError, match="`node_proba` must hold a number in every cell"):
        hierarchical_brier_loss(SETS, masked, taxonomy=BIRDS)


@pytest.mark.parametrize("metric", [*OF_SETS, tree_distance_loss, level_accuracy_scores])
@pytest.mark.parametrize(
    "y", [np.full((3, 4), 0.01), sparse.csr_array(np.full((3, 4), 0.01)), np.full((3, 4), 2)]
)
def test_other_numbers_are_no_labels(metric, y):
    for pair in ((y, ["owl"] * 3), (["owl"] * 3, y)):
        with pytest.raises(ValueError, match=r"0 and 1|not in the taxonomy|one label or path"):
            metric(*pair, taxonomy=BIRDS)


@pytest.mark.parametrize("metric", [*OF_SETS, tree_distance_loss])
def test_none_generators_and_lengths(metric):
    y = ["owl", "eel"]
    with pytest.raises(
        TargetError, match="`y_true` must hold the labels of each sample, got None"
    ):
        metric(None, y, taxonomy=BIRDS)
    with pytest.raises(TargetError, match="`y_pred` must hold"):
        metric(y, None, taxonomy=BIRDS)
    with pytest.raises(TargetError, match="`y_true` and `y_pred` must have a row for each"):
        metric(y, y[:1], taxonomy=BIRDS)
    found = metric((label for label in y), iter(y), taxonomy=BIRDS)
    assert found == metric(y, y, taxonomy=BIRDS)
    with pytest.raises(TargetError, match="pass `taxonomy=`"):
        metric(y, y)


@pytest.mark.parametrize("weights", [[1, -1], [1, np.nan], [1, np.inf], [0, 0], [1], [[1], [1]]])
@pytest.mark.parametrize("metric", [*OF_SETS, *OF_PROBABILITIES, tree_distance_loss])
def test_weights_are_checked(metric, weights):
    answers = PROBA[:2] if metric in OF_PROBABILITIES else ["owl", "eel"]
    with pytest.raises(ValueError, match=r"sample_weight|sample weights"):
        metric(["owl", "eel"], answers, taxonomy=BIRDS, sample_weight=weights)


def test_reports_of_long_chains_are_short():
    n_nodes = 300
    tree = Taxonomy.from_edges([(f"{i}", f"{i + 1}") for i in range(n_nodes)])
    report = hierarchical_classification_report([f"{n_nodes}"], [f"{n_nodes}"], taxonomy=tree)
    assert max(map(len, report.splitlines())) < 160
