"""Rows that describe nodes: training rows that folds never cut."""

import pickle
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from sklhier import (
    HierarchicalClassifier,
    HierarchicalMultiLabelClassifier,
    MultiHeadClassifier,
    MultiHeadMultiLabelClassifier,
    NodeRowsPipeline,
    Taxonomy,
    predict_node_proba,
)
from sklhier.exceptions import IncompatiblePartsError, TaxonomyError
from sklhier.strategies import Auto, Ensemble, PerNode, PerParent

TREE = Taxonomy.from_dict(
    {"animal": {"bird": ["owl", "wren"], "fish": ["eel", "ray"]}, "place": ["sea", "wood"]}
)
SEEN = ["owl", "eel", "ray", "sea", "wood"]
RANDOM = np.random.RandomState(0)
# A column for each node: 5 in those of the path.
CENTRES = {
    name: 5.0 * np.isin(TREE.nodes[1:], TREE.path(name)).astype(float) for name in TREE.nodes[1:]
}
WIDTH = TREE.n_nodes - 1
Y = np.repeat(SEEN, 6)
X = np.stack([CENTRES[name] for name in Y]) + RANDOM.normal(0, 0.3, (len(Y), WIDTH))
WREN = {"wren": CENTRES["wren"]}
STRATEGIES = [
    "per_parent", "per_level", "flat", PerNode(), PerNode("less_inclusive"), PerNode("exclusive"),
    PerParent(stop="learn"), Ensemble(["flat", "per_parent"], weights="oof"), "auto",
]  # fmt: skip
LOGISTIC = LogisticRegression(C=10)


def paths(base=LOGISTIC, **params):
    return HierarchicalClassifier(base, **{"taxonomy": TREE, "cv": 2} | params)


def sets(base=LOGISTIC, **params):
    return HierarchicalMultiLabelClassifier(base, **{"taxonomy": TREE, "cv": 2} | params)


class Recording(ClassifierMixin, BaseEstimator):
    """Knows the first class alone; keeps what it was fitted to, over all clones."""

    seen: ClassVar = []

    def fit(self, X, y, sample_weight=None, extra=None):
        self.classes_ = np.unique(y)
        Recording.seen.append((X, y, sample_weight))
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


@pytest.fixture
def recorded():
    Recording.seen = []
    return Recording.seen


# -- as training rows ---------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", [paths, sets])
def test_a_class_without_a_sample_is_predicted(kind, strategy):
    if kind is sets and repr(strategy) in (
        "PerParent(stop='learn')",
        "PerNode(policy='exclusive')",
    ):
        pytest.skip("not for these label sets")
    labels = Y if kind is paths else [[name] for name in Y]
    model = kind(strategy=strategy, node_rows=WREN).fit(X, labels)
    answer = model.predict(CENTRES["wren"][None])[0]
    assert answer == "wren" if kind is paths else "wren" in answer
    assert "wren" in model.classes_
    assert model.unseen_nodes_ == ()
    assert model.node_rows_weight_ == 1


@pytest.mark.parametrize("strategy", ["per_parent", "per_level", "flat", PerNode()])
def test_rows_of_leaves_are_like_samples(strategy):
    """Of classes with samples a description is one more sample; order aside, the fit is the same."""
    more, names = X[::5] + 0.1, Y[::5]
    own = paths(GaussianNB(), strategy=strategy, node_rows=(more, names)).fit(X, Y)
    plain = paths(GaussianNB(), strategy=strategy)
    plain.fit(np.concatenate([X, more]), np.concatenate([Y, names]))
    assert_array_equal(own.classes_, plain.classes_)
    assert_allclose(own.predict_proba(X), plain.predict_proba(X), atol=1e-10)


@pytest.mark.parametrize("strategy", ["per_parent", "per_level", "flat", PerNode()])
@pytest.mark.parametrize("weight", [1, 3.0])
@pytest.mark.parametrize("weights", [None, np.arange(len(Y)) % 3])
def test_label_sets_have_rows_of_leaves_like_samples(strategy, weight, weights):
    more, names = X[::5] + 0.1, Y[::5]
    labels = [[name] for name in Y]
    decoder = {"decoder": "top_labels", "strategy": strategy}
    own = sets(GaussianNB(), node_rows=(more, names), node_rows_weight=weight, **decoder)
    own.fit(X, labels, sample_weight=weights)
    plain = sets(GaussianNB(), **decoder)
    first = np.ones(len(Y)) if weights is None else weights
    plain.fit(
        np.concatenate([X, more]),
        labels + [[name] for name in names],
        sample_weight=np.concatenate([first, np.full(len(more), float(weight))]),
    )
    assert_allclose(own.predict_node_proba(X), plain.predict_node_proba(X), atol=1e-10)


def test_a_row_of_an_inner_node_is_no_example_of_what_is_below(recorded):
    """It is one of the node itself and of all above, whatever the strategy."""
    rows = {"fish": CENTRES["fish"]}
    paths(Recording(), strategy="per_parent", node_rows=rows).fit(X, Y)
    sizes = [len(y) for _, y, _ in recorded]
    assert sizes == [31, 19, 12, 12]  # root, animal; place and fish have no description
    recorded.clear()
    paths(Recording(), strategy="per_level", node_rows=rows).fit(X, Y)
    assert [len(y) for _, y, _ in recorded] == [31, 31, 30]
    recorded.clear()
    paths(Recording(), strategy="flat", node_rows=rows).fit(X, Y)
    assert [len(y) for _, y, _ in recorded] == [30]


@pytest.mark.parametrize("policy", ["siblings", "less_inclusive", "inclusive"])
def test_binary_problems_leave_out_descriptions_of_what_is_above(policy, recorded):
    rows = {"fish": CENTRES["fish"]}
    model = paths(Recording(), strategy=PerNode(policy), node_rows=rows).fit(X, Y)
    sizes = dict(zip(model.fit_report_["node"].tolist(), model.fit_report_["n_rows"], strict=True))
    plain = paths(Recording(), strategy=PerNode(policy)).fit(X, Y)
    before = dict(
        zip(plain.fit_report_["node"].tolist(), plain.fit_report_["n_rows"], strict=True)
    )
    more = {name for name in sizes if sizes[name] == before[name] + 1}
    assert {name for name in sizes if sizes[name] == before[name]} == set(sizes) - more
    assert {"animal", "place", "fish", "bird"} <= more
    assert not {"eel", "ray"} & more


@pytest.mark.parametrize("base", [Recording(), DecisionTreeClassifier()])
@pytest.mark.parametrize("strategy", ["per_parent", "per_level", "flat"])
def test_label_sets_leave_them_out_too(base, strategy, recorded):
    """Every sample below bird is an owl, so that the description of bird alone is no owl."""
    rows = {"bird": CENTRES["bird"]}
    labels = [[name] for name in Y]
    own = sets(base, strategy=strategy, node_rows=rows).fit(X, labels)
    plain = sets(base, strategy=strategy).fit(X, labels)
    if strategy == "per_parent":
        birds = own.predict_node_proba(X)[:, [TREE.id("bird"), TREE.id("owl")]]
        assert_allclose(birds[:, 0], birds[:, 1])  # still a constant
    for node in ("owl", "eel"):
        if node in plain.estimators_ and isinstance(base, Recording):
            assert_array_equal(
                [r["n_rows"] for r in own.fit_report_ if r["node"] == node],
                [r["n_rows"] + (node == "eel" and strategy != "per_parent")
                 for r in plain.fit_report_ if r["node"] == node],
            )  # fmt: skip


def test_joint_problems_of_label_sets_have_them_down_to_their_level():
    rows = {"fish": CENTRES["fish"]}
    labels = [[name] for name in Y]
    model = sets(DecisionTreeClassifier(), strategy="per_level", node_rows=rows).fit(X, labels)
    sizes = dict(zip(model.fit_report_["node"].tolist(), model.fit_report_["n_rows"], strict=True))
    assert sizes == {"level:1": 31, "level:2": 31, "level:3": 30}


def test_they_are_no_samples_in_the_summary():
    plain, own = paths().fit(X, Y), paths(node_rows={"owl": CENTRES["owl"]}).fit(X, Y)
    counts = [model.summary().sections["training"]["rows"] for model in (own, plain)]
    assert counts == [len(Y)] * 2
    assert own.fit_report_["n_rows"][0] == len(Y) + 1


def test_an_inner_node_with_nothing_known_below_it_is_a_class():
    labels = np.where(np.isin(Y, ["eel", "ray"]), "sea", Y)
    model = paths(node_rows={"fish": CENTRES["fish"]}).fit(X, labels)
    assert "fish" in model.classes_
    assert model.predict(CENTRES["fish"][None])[0] == "fish"
    assert model.unseen_nodes_ == ("wren", "eel", "ray")


def test_where_a_fold_lacks_what_is_below_a_description_is_left_out():
    """The only eel and the only ray are held out together: fish has a description, and no class."""
    rows = np.flatnonzero(~np.isin(Y, ["eel", "ray"]))
    rows = np.concatenate([[6, 12], rows])
    folds = [(np.arange(2, len(rows)), np.arange(2)), (np.arange(2), np.arange(2, len(rows)))]
    for strategy in ("per_parent", "per_level", "flat", PerNode()):
        model = paths(
            GaussianNB(), strategy=strategy, cv=folds, reject=0.1,
            node_rows={"fish": CENTRES["fish"], "owl": CENTRES["owl"]},
        )  # fmt: skip
        assert 0 <= model.fit(X[rows], Y[rows]).reject_threshold_ <= 1


@pytest.mark.parametrize("kind", [paths, sets])
def test_a_joint_model_learns_from_them_as_a_member(kind):
    of_sets = MultiHeadMultiLabelClassifier(loss="cross_entropy")  # smooth: it settles
    joint = MultiHeadClassifier(alpha=0.01) if kind is paths else of_sets
    labels = Y if kind is paths else [[name] for name in Y]
    rows = {**WREN, "fish": CENTRES["fish"]}
    model = kind(strategy=Ensemble([joint]), node_rows=rows).fit(X, labels)
    answer = model.predict(CENTRES["wren"][None])[0]
    assert answer == "wren" if kind is paths else "wren" in answer


def test_there_it_is_no_example_of_a_stop_above(recorded):
    """Without owls nothing is known below bird, whose description does not end at animal."""
    labels = np.where(np.arange(len(Y)) % 6 == 5, "animal", Y)
    is_owl = labels == "owl"
    folds = [(np.flatnonzero(~is_owl), np.flatnonzero(is_owl))]
    rows = {"bird": CENTRES["bird"]}
    strategy = PerParent(stop="learn")
    model = paths(Recording(), strategy=strategy, cv=folds, reject=0.1, node_rows=rows)
    model.fit(X, labels)
    sizes = [len(rows) for rows, _, _ in recorded]
    assert sizes[0] == (~is_owl).sum()


# -- folds --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [paths, sets])
@pytest.mark.parametrize(
    "params",
    [
        {"calibration": "sigmoid"},
        {"calibration": "temperature"},
        {"strategy": Auto(["flat", "per_level"])},
        {"node_rows_weight": "oof"},
        {"strategy": Ensemble(["flat", "per_level"], weights="oof")},
    ],
    ids=str,
)
def test_every_training_part_has_them_and_no_held_out_part(kind, params, recorded):
    marked = np.full(WIDTH, 1e6)
    held_out = []

    class Checked(Recording):
        def predict_proba(self, X):
            held_out.append(X)
            return super().predict_proba(X)

    labels = Y if kind is paths else [[name] for name in Y]
    rows = {"wren": marked, "owl": marked, "sea": marked}
    kind(Checked(), node_rows=rows, **{"cv": 3, "strategy": "flat"} | params).fit(X, labels)
    assert len(recorded) >= 4
    assert all((rows == 1e6).all(axis=1).sum() == 3 for rows, _, _ in recorded)
    assert held_out
    assert not any((rows == 1e6).any() for rows in held_out)


def test_a_learnt_weight_is_the_best_out_of_fold():
    """Descriptions in the wrong place get little weight, good ones of few samples much."""
    few = np.arange(len(Y)) % 6 < 2
    noise = np.random.RandomState(1).normal(0, 2, (int(few.sum()), WIDTH))
    names = list(dict.fromkeys(SEEN))
    good = np.stack([CENTRES[name] for name in names])
    fits = {}
    for title, rows in (("good", good), ("wrong", good[::-1])):
        model = paths(
            KNNLike(), strategy="flat", node_rows=(rows, names), node_rows_weight="oof"
        ).fit(X[few] + noise, Y[few])
        fits[title] = model.node_rows_weight_
    assert fits["good"] > fits["wrong"]


class KNNLike(GaussianNB):
    """Gaussian naive Bayes with one wide variance, which means follow by weight."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.var_[:] = 4.0
        self.class_prior_[:] = 1 / len(self.classes_)
        return self


def test_a_given_weight_is_that_of_each_row(recorded):
    paths(Recording(), strategy="flat", node_rows=WREN, node_rows_weight=2.5).fit(X, Y)
    ((_, y, weights),) = recorded
    assert_array_equal(weights, [1.0] * len(Y) + [2.5])
    assert len(y) == len(Y) + 1


def test_a_row_of_weight_one_needs_no_weights():
    model = paths(KNeighborsClassifier(1), node_rows=WREN).fit(X, Y)
    assert model.predict(CENTRES["wren"][None]) == ["wren"]


def test_learnt_weights_and_samples_weights_together(recorded):
    weights = np.arange(len(Y)) % 3
    model = paths(Recording(), strategy="flat", node_rows=WREN, node_rows_weight="oof")
    model.fit(X, Y, sample_weight=weights)
    X_last, _, last = recorded[-1]
    assert_array_equal(last, [*weights[weights > 0], model.node_rows_weight_])
    assert_array_equal(X_last[-1], CENTRES["wren"])


# -- forms --------------------------------------------------------------------------------

FORMS = {
    "mapping of rows": WREN,
    "mapping of tables": {"wren": CENTRES["wren"][None], "owl": np.stack([CENTRES["owl"]] * 2)},
    "mapping of lists": {"wren": CENTRES["wren"].tolist()},
    "pair": (CENTRES["wren"][None], ["wren"]),
    "list of pair": [CENTRES["wren"][None].tolist(), np.array(["wren"])],
    "sparse": (sparse.csr_array(CENTRES["wren"][None]), ["wren"]),
    "mapping of sparse": {"wren": sparse.csr_matrix(CENTRES["wren"][None])},
}


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.csr_array, list])
@pytest.mark.parametrize("rows", FORMS.values(), ids=FORMS)
def test_all_forms(rows, container):
    model = paths(node_rows=rows).fit(container(X), Y)
    assert model.predict(CENTRES["wren"][None]) == ["wren"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_x_keeps_its_dtype(dtype, recorded):
    paths(Recording(), strategy="flat", node_rows=WREN).fit(X.astype(dtype), Y)
    assert recorded[0][0].dtype == dtype


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_data_frames(package):
    frames = pytest.importorskip(package)
    columns = list("abcdefgh")[:WIDTH]
    frame = frames.DataFrame({name: X[:, i] for i, name in enumerate(columns)})
    rows = frames.DataFrame({name: CENTRES["wren"][i : i + 1] for i, name in enumerate(columns)})
    for given in (rows, rows.to_numpy()):
        if package == "polars" and not hasattr(given, "columns"):
            given = rows
        model = paths(GaussianNB(), node_rows=(given, ["wren"])).fit(frame, Y)
        assert list(model.predict(rows)) == ["wren"]


def test_categories_of_pandas_stay():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": X[:, 0], "b": pandas.Categorical(["x", "y"] * 15)})
    row = pandas.DataFrame({"a": [1.0], "b": ["x"]})
    Recording.seen = []
    paths(Recording(), strategy="flat", node_rows=(row, ["wren"])).fit(frame, Y)
    assert list(Recording.seen[0][0].dtypes) == list(frame.dtypes)


TEXTS = ["an owl hoots", "owls at night", "a long eel", "eels swim", "a flat ray", "rays swim",
         "the salty sea", "sea waves", "wood and trees", "a dark wood"]  # fmt: skip
TEXT_LABELS = np.repeat(SEEN, 2)
TITLES = {"wren": "small wrens sing", "owl": ["owl", "tawny owl"]}


@pytest.mark.parametrize("container", [list, lambda texts: np.array(texts, dtype=object)])
def test_texts_where_the_base_takes_texts(container):
    base = make_pipeline(TfidfVectorizer(), MultinomialNB(alpha=0.01))
    model = paths(base, node_rows=TITLES).fit(container(TEXTS), TEXT_LABELS)
    assert model.predict(container(["wrens sing"])) == ["wren"]
    titled = TREE.with_titles({"wren": "small wrens sing"})
    model = paths(base, taxonomy=titled, node_rows=titled.titles).fit(
        container(TEXTS), TEXT_LABELS
    )
    assert model.predict(container(["wrens sing"])) == ["wren"]


@pytest.mark.parametrize("labels", [
    [TREE.path(name) for name in Y],
    np.array([[*TREE.path(name), ""][:3] for name in Y]),
    Y.astype(object),
], ids=["lists", "levels", "objects"])  # fmt: skip
def test_any_form_of_labels(labels):
    model = paths(node_rows=WREN).fit(X, labels)
    assert "wren" in np.ravel(model.predict(CENTRES["wren"][None])).tolist()[-1]
    assert model.predict_proba(X).shape[1] == len(model.classes_) == 6


def test_codes_name_classes_of_a_list():
    classes = [*SEEN, "wren"]
    codes = np.array([classes.index(name) for name in Y])
    model = paths(classes=classes, node_rows=WREN).fit(X, codes)
    assert model.predict(CENTRES["wren"][None]) == [5]
    with pytest.raises(ValueError, match="classes` must name all nodes"):
        paths(classes=SEEN, node_rows=WREN).fit(X, codes)


def test_columns_of_an_indicator_stay():
    table = TREE.binarize([[name] for name in Y])
    model = sets(node_rows=WREN).fit(X, table)
    assert model.predict(CENTRES["wren"][None])[0, TREE.id("wren") - 1] == 1
    assert len(model.classes_) == TREE.n_nodes - 1


# -- as any parameter ---------------------------------------------------------------------


def test_clone_search_and_pickle():
    grid = {"node_rows_weight": [1, 5], "node_rows": [None, WREN, FORMS["sparse"]]}
    search = GridSearchCV(paths(GaussianNB()), grid, cv=KFold(2, shuffle=True, random_state=0))
    search.fit(X, Y)
    assert "wren" in clone(search.best_estimator_.set_params(node_rows=WREN)).fit(X, Y).classes_
    model = paths(node_rows=FORMS["sparse"], node_rows_weight=3).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    assert again.node_rows_weight_ == 3


def test_no_rows_change_nothing():
    plain = paths().fit(X, Y)
    for rows in (None, {}, (np.zeros((0, WIDTH)), [])):
        model = paths(node_rows=rows).fit(X, Y)
        assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
        with pytest.raises(AttributeError, match="after fit with `node_rows`"):
            _ = model.node_rows_weight_


def test_metadata_routing_hands_weights_on(recorded):
    with config_context(enable_metadata_routing=True):
        base = Recording().set_fit_request(sample_weight=True)
        paths(base, strategy="flat", node_rows=WREN, node_rows_weight=2).fit(X, Y)
        assert recorded[-1][2][-1] == 2
        others = {"fish": Recording().set_fit_request(sample_weight=False)}
        with pytest.raises(IncompatiblePartsError, match="request"):
            paths(base, node_estimators=others, node_rows=WREN, node_rows_weight=2).fit(X, Y)
        base = Recording().set_fit_request(sample_weight=True, extra=True)
        with pytest.raises(IncompatiblePartsError, match="entry for each row"):
            paths(base, node_rows=WREN).fit(X, Y, extra=np.zeros(len(Y)))


# -- in a Pipeline ------------------------------------------------------------------------


def pipeline(node_rows=TITLES, **params):
    steps = [("tfidf", TfidfVectorizer()), ("last", paths(MultinomialNB(alpha=0.01), **params))]
    return NodeRowsPipeline(steps, node_rows=node_rows)


def test_a_pipeline_reads_texts_with_its_own_vectorizer():
    model = pipeline().fit(TEXTS, TEXT_LABELS)
    assert model.predict(["wrens sing"]) == ["wren"]
    vectorizer = TfidfVectorizer().fit([*TEXTS, "small wrens sing", *TITLES["owl"]])
    assert vectorizer.vocabulary_ == model["tfidf"].vocabulary_
    names = ["wren", "owl", "owl"]
    rows = vectorizer.transform(["small wrens sing", *TITLES["owl"]])
    by_hand = paths(MultinomialNB(alpha=0.01), node_rows=(rows, names))
    by_hand.fit(vectorizer.transform(TEXTS), TEXT_LABELS)
    assert_array_equal(
        model.predict_proba(TEXTS), by_hand.predict_proba(vectorizer.transform(TEXTS))
    )
    assert_array_equal(predict_node_proba(model, TEXTS)[:, 0], np.ones(len(TEXTS)))


def test_a_pipeline_is_searched_cloned_and_cached(tmp_path):
    grid = {"last__node_rows_weight": [1, 4], "tfidf__use_idf": [True, False]}
    search = GridSearchCV(pipeline(), grid, cv=2).fit(TEXTS, TEXT_LABELS)
    assert search.predict(["wrens sing"]) == ["wren"]
    again = clone(search.best_estimator_).fit(TEXTS, TEXT_LABELS)
    assert_array_equal(again.predict_proba(TEXTS), search.predict_proba(TEXTS))
    cached = again.set_params(memory=str(tmp_path)).fit(TEXTS, TEXT_LABELS)
    assert_array_equal(cached.predict_proba(TEXTS), search.predict_proba(TEXTS))
    assert pickle.loads(pickle.dumps(cached)).predict(["wrens sing"]) == ["wren"]


def test_a_pipeline_of_one_step_and_one_without_rows():
    alone = NodeRowsPipeline([("last", paths())], node_rows=WREN).fit(X, Y)
    assert alone.predict(CENTRES["wren"][None]) == ["wren"]
    for rows in (None, {}):
        model = pipeline(rows).fit(TEXTS, TEXT_LABELS)
        assert "wren" not in model.classes_


@pytest.mark.parametrize("is_routed", [False, True])
def test_fit_parameters_of_a_pipeline(is_routed):
    weights = np.linspace(1, 2, len(TEXTS))
    with config_context(enable_metadata_routing=is_routed):
        model = pipeline()
        if is_routed:
            model["last"].set_params(estimator=MultinomialNB().set_fit_request(sample_weight=True))
            model.fit(TEXTS, TEXT_LABELS, sample_weight=weights)
        else:
            model.fit(TEXTS, TEXT_LABELS, last__sample_weight=weights)
            with pytest.raises(IncompatiblePartsError, match="last__<parameter>"):
                model.fit(TEXTS, TEXT_LABELS, tfidf__sample_weight=weights)
        plain = pipeline().fit(TEXTS, TEXT_LABELS)
        assert np.abs(model.predict_proba(TEXTS) - plain.predict_proba(TEXTS)).max() > 1e-4


def test_other_fit_parameters_than_those_of_samples():
    class Takes(MultinomialNB):
        def fit(self, X, y, feature_names=None, tags=None, level=None):
            self.named_ = len(feature_names), level
            return super().fit(X, y)

    names, table = [f"f{i}" for i in range(len(Y))], np.abs(X)
    with config_context(enable_metadata_routing=True):
        base = Takes().set_fit_request(feature_names=True, tags=True, level=True)
        model = paths(base, node_rows={"wren": table[0]})
        model.fit(table, Y, feature_names=names, level=3)
        assert model.estimators_["animal"].named_ == (len(Y), 3)
        with pytest.raises(IncompatiblePartsError, match="'tags' needs an entry for each row"):
            model.fit(table, Y, feature_names=names, tags=names)


def test_a_pipeline_needs_a_classifier_that_takes_them():
    model = NodeRowsPipeline([("last", MultinomialNB())], node_rows=WREN)
    with pytest.raises(IncompatiblePartsError, match="MultinomialNB has none"):
        model.fit(X, Y)


WRONG = [
    ({"node_rows": {"wrenn": X[0]}}, TaxonomyError, "'wren'"),
    ({"node_rows": "wren"}, TypeError, "mapping from names of nodes"),
    ({"node_rows": (X[:2], ["wren"])}, ValueError, "inconsistent numbers"),
    ({"node_rows": (X[:1], "wren")}, TypeError, "list of names"),
    ({"node_rows": {"wren": X[0, :2]}}, ValueError, "features"),
    ({"node_rows": {"wren": "a text"}}, ValueError, "rows like those of X"),
    ({"node_rows": {"wren": "a text", "owl": X[0]}}, TypeError, "one kind"),
    ({"node_rows": WREN, "node_rows_weight": 0}, ValueError, "above 0"),
    ({"node_rows": WREN, "node_rows_weight": "learn"}, ValueError, "above 0"),
    ({"node_rows": WREN, "chain": "proba"}, IncompatiblePartsError, "never held out"),
    (
        {"node_rows": WREN, "node_rows_weight": 2, "estimator": KNeighborsClassifier()},
        IncompatiblePartsError,
        "node_rows_weight=2' needs",
    ),
]


@pytest.mark.parametrize(("params", "error", "match"), WRONG)
@pytest.mark.parametrize("kind", [paths, sets])
def test_what_is_wrong_is_refused_and_leaves_the_model(kind, params, error, match):
    labels = Y if kind is paths else [[name] for name in Y]
    model = kind().fit(X, labels)
    before = model.predict_node_proba(X)
    model.set_params(**params)
    with pytest.raises(error, match=match):
        model.fit(X, labels)
    assert_array_equal(model.predict_node_proba(X), before)


def test_the_root_is_no_class():
    tree = Taxonomy.from_edges([("top", "owl"), ("top", "eel")], root="top")
    with pytest.raises(TaxonomyError, match="root"):
        paths(taxonomy=tree, node_rows={"top": X[0]}).fit(X[:12], Y[:12])


def test_batches_are_refused():
    model = paths(GaussianNB(), node_rows=WREN)
    assert not hasattr(model, "partial_fit")
