"""Decoders against brute force on random trees and distributions."""

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
import reference
from conftest import TAXONOMIES
from generators import features, labelled_trees, one_in, trees
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

from sklhier import HierarchicalClassifier, MultiHeadClassifier, Taxonomy
from sklhier._probabilities.marginals import AnswerMarginals, DenseMarginals, Outcomes
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import (
    Beam,
    BestPath,
    Climbing,
    CostMatrix,
    Darts,
    Decoder,
    HeldOutPaths,
    HierarchicalF,
    InformationThreshold,
    LevelWeighted,
    SetDecoder,
    SetMarginals,
    SetThreshold,
    Threshold,
    TopDown,
    resolve_decoder,
    top_answers,
)
from sklhier.decoders._stop_tuning import _best_cuts
from sklhier.exceptions import IncompatiblePartsError, TaxonomyError


@st.composite
def distributions(draw, *, stops, max_nodes=14):
    """A tree, the ids of its classes in some order, and probabilities of the classes."""
    tree = draw(trees(max_nodes))
    labelled = draw(st.lists(st.sampled_from(range(1, tree.n_nodes)), min_size=1, unique=True))
    classes = np.array(draw(st.permutations(labelled)), dtype=np.int32)
    outcomes = Outcomes.of(tree, classes, stops=stops)
    if not stops:  # an inner label with seen labels below is no answer
        answers = classes[outcomes.counts[classes] == 0]
    else:
        answers = classes
    n_rows = draw(st.integers(1, 5))
    rows = st.lists(st.integers(0, 4), min_size=len(answers), max_size=len(answers))
    weights = np.array([draw(rows.filter(any)) for _ in range(n_rows)], dtype=float)
    proba = np.zeros((n_rows, tree.n_nodes))
    proba[:, answers] = weights / weights.sum(axis=1, keepdims=True)
    return tree, outcomes, proba


PAIR = Taxonomy.from_dict({"a": [], "b": []})
# Of the second row both nodes together are the best set, though "a" is sure enough in the first.
TWO_ROWS = np.array([[0, 0.99, 0.01], [0, 0.4, 0.6]])


def marginals_of(tree, outcomes, proba):
    nodes = proba @ tree.ancestor_closure
    nodes[:, 0] = 1.0
    return DenseMarginals(tree, outcomes, nodes, proba), nodes


class Lazy:
    """Marginals that are looked up one by one, as those of local models are asked for."""

    is_lazy = True

    def __init__(self, dense):
        self.taxonomy, self.outcomes, self.n_rows = dense.taxonomy, dense.outcomes, dense.n_rows
        self.expand, self.answer_proba = dense.expand, dense.answer_proba

    def dense(self):
        raise AssertionError("all nodes were asked for")


ANY = st.booleans().flatmap(lambda stops: distributions(stops=stops))
FEW = st.booleans().flatmap(lambda stops: distributions(stops=stops, max_nodes=7))


def each_way(tree, outcomes, proba):
    """Return marginals that are there, that are summed up, and that are looked up."""
    dense, _ = marginals_of(tree, outcomes, proba)
    answers = outcomes.answers
    return dense, AnswerMarginals(tree, outcomes, answers, proba[:, answers]), Lazy(dense)


def by_node(outcomes, proba, row):
    return {node: proba[row, node] for node in outcomes.answers.tolist()}


@given(st.booleans().flatmap(lambda stops: distributions(stops=stops)))
def test_best_path_is_the_argmax_over_the_classes(case):
    tree, outcomes, proba = case
    marginals, _ = marginals_of(tree, outcomes, proba)
    wanted = outcomes.classes[np.argmax(marginals.answer_proba(outcomes.classes), axis=1)]
    for given_as in each_way(tree, outcomes, proba):
        assert BestPath().decode(given_as).tolist() == wanted.tolist()


@given(ANY, st.integers(1, 20))
def test_top_answers_are_the_largest_of_all(case, k):
    tree, outcomes, proba = case
    k = min(k, len(outcomes.answers))
    ranked = sorted(outcomes.answers.tolist(), key=lambda node: outcomes.rank[node])
    for given_as in each_way(tree, outcomes, proba):
        nodes, mass = top_answers(given_as, k)
        for row in range(len(proba)):
            wanted = sorted(ranked, key=lambda node: -proba[row, node])[:k]
            assert nodes[row].tolist() == wanted
            np.testing.assert_array_equal(mass[row], proba[row, wanted])


@given(ANY, st.integers(1, 6))
def test_beam_keeps_the_best_of_each_level(case, width):
    tree, outcomes, proba = case
    proba = proba + np.linspace(0, 1e-3, proba.shape[1]) * (proba > 0)  # nothing is tied
    proba /= proba.sum(axis=1, keepdims=True)
    marginals, nodes = marginals_of(tree, outcomes, proba)
    for row, found in enumerate(Beam(width).decode(marginals)):
        (mass, wanted, _), *_ = reference.beam(tree, outcomes, nodes, proba, row, width)
        assert proba[row, found] == pytest.approx(mass)
        if proba[row, wanted] > 0:
            assert found == wanted
    assert Beam(1).decode(marginals).tolist() == TopDown().decode(marginals).tolist()
    assert Beam(20).decode(marginals).tolist() == BestPath().decode(marginals).tolist()


@given(
    ANY,
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=14, max_size=14),
    st.booleans(),
)
def test_level_weighted_has_the_smallest_expected_difference(case, numbers, of_levels):
    tree, outcomes, proba = case
    weights = numbers[: tree.n_levels if of_levels else tree.n_nodes - 1]
    by_id = [0.0, *(weights[d - 1] for d in tree.depths[1:])] if of_levels else [0.0, *weights]
    for given_as in each_way(tree, outcomes, proba):
        for row, found in enumerate(LevelWeighted(weights).decode(given_as)):
            distribution = by_node(outcomes, proba, row)
            risk = {
                node: reference.expected_difference(tree, by_id, node, distribution)
                for node in distribution
            }
            assert risk[int(found)] == pytest.approx(min(risk.values()), abs=1e-9)


@given(distributions(stops=False))
def test_level_weighted_between_top_down_and_best_path(case):
    tree, outcomes, proba = case
    proba = proba + np.linspace(0, 1e-3, proba.shape[1]) * (proba > 0)
    proba /= proba.sum(axis=1, keepdims=True)
    marginals, _ = marginals_of(tree, outcomes, proba)
    steep = 1e-5 ** np.arange(tree.n_levels)
    if tree.n_levels <= 3:  # beyond, the lowest weights are lost in rounding
        found = LevelWeighted(steep).decode(marginals)
        assert found.tolist() == TopDown().decode(marginals).tolist()
    if (tree.depths[outcomes.answers] == tree.n_levels).all():
        found = LevelWeighted([0.0] * (tree.n_levels - 1) + [1.0]).decode(marginals)
        assert found.tolist() == BestPath().decode(marginals).tolist()


@given(FEW, st.sampled_from([0.3, 1.0, 2.0]))
def test_hierarchical_f_tries_every_answer(case, beta):
    tree, outcomes, proba = case
    marginals, _ = marginals_of(tree, outcomes, proba)
    live = np.flatnonzero(outcomes.observed)[1:].tolist()
    sets = reference.closed_sets(tree, live)
    closed = HierarchicalF(beta, "set").decode_sets(marginals)
    assert closed.shape == (len(proba), tree.n_nodes)
    paths = {a: HierarchicalF(beta, a).decode(marginals) for a in ("node", "leaf")}
    for row in range(len(proba)):
        distribution = by_node(outcomes, proba, row)

        def value(answer, distribution=distribution):
            return reference.expected_f(tree, frozenset(answer), distribution, beta)

        found = frozenset(closed[[row]].nonzero()[1].tolist())
        assert found in sets
        assert value(found) == pytest.approx(max(map(value, sets)), abs=1e-9)
        for answer, allowed in (("node", live), ("leaf", outcomes.answers.tolist())):
            assert paths[answer][row] in allowed
            best = max(value(reference.up(tree, node)) for node in allowed)
            got = value(reference.up(tree, int(paths[answer][row])))
            assert got == pytest.approx(best, abs=1e-9)


@given(ANY, st.sampled_from([0.5, 1.0]))
@example((PAIR, Outcomes.of(PAIR, np.array([1, 2], dtype=np.int32), stops=False), TWO_ROWS), 1.0)
def test_answers_of_a_row_do_not_depend_on_the_others(case, beta):
    tree, outcomes, proba = case
    decoders = [TopDown(), BestPath(), Beam(2), LevelWeighted(), Climbing(), Threshold(0.4)]
    for decoder in [*decoders, *(HierarchicalF(beta, answer) for answer in ("node", "leaf"))]:
        together = decoder.decode(marginals_of(tree, outcomes, proba)[0])
        for row, found in enumerate(together):
            assert decoder.decode(marginals_of(tree, outcomes, proba[[row]])[0])[0] == found
    decoder = HierarchicalF(beta, "set")
    together = decoder.decode_sets(marginals_of(tree, outcomes, proba)[0])
    for row in range(len(proba)):
        alone = decoder.decode_sets(marginals_of(tree, outcomes, proba[[row]])[0])
        assert_array_equal(alone.toarray(), together[[row]].toarray())


@given(ANY, st.integers(0, 1000))
def test_cost_matrix_takes_the_cheapest_action(case, seed):
    tree, outcomes, proba = case
    rng = np.random.default_rng(seed)
    actions = rng.permutation(tree.n_nodes)[: rng.integers(1, tree.n_nodes + 1)]
    costs = rng.integers(0, 5, (len(actions), len(outcomes.answers))).astype(float)
    labels = [tree.nodes[node] for node in outcomes.answers]
    names = [tree.nodes[node] for node in actions]
    nested = {a: dict(zip(labels, row, strict=True)) for a, row in zip(names, costs, strict=True)}
    marginals, _ = marginals_of(tree, outcomes, proba)
    risks = proba[:, outcomes.answers] @ costs.T
    for decoder in (
        CostMatrix(nested),
        CostMatrix(costs, names, labels),
        CostMatrix(pd.DataFrame(costs, index=names, columns=labels)),
    ):
        for row, found in enumerate(decoder.decode(marginals)):
            position = actions.tolist().index(found)
            assert risks[row, position] == pytest.approx(risks[row].min(), abs=1e-12)


@given(ANY, st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7]))
def test_stop_rules_by_trying_every_node(case, tau):
    tree, outcomes, proba = case
    marginals, nodes = marginals_of(tree, outcomes, proba)
    told = tree.information
    best = BestPath().decode(marginals)
    climbed = Climbing(tau).decode(marginals)
    assert Climbing(tau).decode(Lazy(marginals)).tolist() == climbed.tolist()
    for row in range(len(proba)):
        above = [node for node in range(tree.n_nodes) if nodes[row, node] > tau or node == 0]
        wanted = max(above, key=lambda node: (told[node], nodes[row, node], -node))
        assert InformationThreshold(tau).decode(marginals)[row] == wanted
        traded = nodes[row] * (told + 3 * tau)
        assert Darts(3 * tau).decode(marginals)[row] == np.argmax(traded)
        way = [*reference.up(tree, int(best[row])), 0]
        assert climbed[row] == next(node for node in way if nodes[row, node] > tau or node == 0)


def test_information_may_be_given():
    tree = TAXONOMIES["ragged"]
    marginals = ragged_case()
    by_level = InformationThreshold(0.2, information=[1, 5, 2]).decode(marginals)
    by_name = {name: float(name == "A") for name in tree.nodes[1:]}
    assert tree.nodes[by_level[0]] == "A1"  # more probable than B1
    assert tree.nodes[Darts(reward=by_name).decode(marginals)[0]] == "A"


@given(st.booleans().flatmap(lambda stops: distributions(stops=stops)))
def test_top_answers_begin_with_the_best_path(case):
    tree, outcomes, proba = case
    for marginals in each_way(tree, outcomes, proba):
        nodes, _ = top_answers(marginals, 1)
        assert nodes[:, 0].tolist() == BestPath().decode(marginals).tolist()


@given(st.booleans().flatmap(lambda stops: distributions(stops=stops)))
def test_top_down_follows_the_largest_mass(case):
    tree, outcomes, proba = case
    marginals, nodes = marginals_of(tree, outcomes, proba)
    for row, found in enumerate(TopDown().decode(marginals)):
        node = 0
        while outcomes.counts[node]:
            members = outcomes.of_node(node)
            mass = [proba[row, m] if m == node else nodes[row, m] for m in members]
            chosen = members[int(np.argmax(mass))]
            if chosen == node:
                break
            node = chosen
        assert found == node


@given(distributions(stops=True), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.99]))
def test_threshold_answers_the_deepest_node_above_it(case, tau):
    tree, outcomes, proba = case
    marginals, nodes = marginals_of(tree, outcomes, proba)
    depth = dict(enumerate(tree.depths.tolist()))
    for row, found in enumerate(Threshold(tau).decode(marginals)):
        by_node = {node: nodes[:, node] for node in range(tree.n_nodes)}
        wanted = reference.deepest_above(by_node, depth, 0, tau, row)
        assert depth[found] == depth[wanted]
        assert nodes[row, found] == nodes[row, wanted]


@given(distributions(stops=True))
def test_stop_mass_is_what_children_leave(case):
    tree, outcomes, proba = case
    marginals, nodes = marginals_of(tree, outcomes, proba)
    np.testing.assert_allclose(
        DenseMarginals(tree, outcomes, nodes).stop_proba, marginals.stop_proba, atol=1e-15
    )


ALL = [
    BestPath(), TopDown(), Threshold(0.4), Beam(2), LevelWeighted(), HierarchicalF(),
    HierarchicalF(answer="leaf"), InformationThreshold(0.3), Climbing(0.3), Darts(0.5),
]  # fmt: skip


@given(distributions(stops=False), st.sampled_from(ALL))
def test_rows_do_not_depend_on_each_other(case, decoder):
    tree, outcomes, proba = case
    whole = decoder.decode(marginals_of(tree, outcomes, proba)[0])
    single = [
        decoder.decode(marginals_of(tree, outcomes, proba[[row]])[0])[0]
        for row in range(len(proba))
    ]
    assert whole.tolist() == single


def ragged_case():
    tree = TAXONOMIES["ragged"]
    leaves = {"a": 0.21, "b": 0.18, "c": 0.13, "B1": 0.27, "B2": 0.02, "C": 0.19}
    classes = tree.ids(sorted(leaves))
    proba = np.zeros((1, tree.n_nodes))
    proba[0, classes] = [leaves[name] for name in sorted(leaves)]
    return marginals_of(tree, Outcomes.of(tree, classes, stops=False), proba)[0]


def test_thresholds_of_the_example_in_the_literature():
    tree, marginals = TAXONOMIES["ragged"], ragged_case()
    for tau, wanted in {0.3: "A1", 0.38: "A1", 0.5: "A", 0.6: "R"}.items():
        assert tree.nodes[Threshold(tau).decode(marginals)[0]] == wanted


@pytest.mark.parametrize("decoder", [BestPath(), LevelWeighted(), Beam(1), Climbing(0.1)])
def test_only_visited_nodes_are_asked(decoder):
    """What the greedy descent has found already is not looked for again."""
    tree = TAXONOMIES["balanced"]
    classes = tree.ids(["a", "b", "c", "d"])
    proba = np.zeros((1, tree.n_nodes))
    proba[0, classes] = [0.6, 0.1, 0.2, 0.1]
    dense, _ = marginals_of(tree, Outcomes.of(tree, classes, stops=False), proba)
    marginals = Lazy(dense)
    asked = []

    def recording(rows, nodes, proba):
        asked.extend(tree.nodes[node] for node in nodes)
        return dense.expand(rows, nodes, proba)

    marginals.expand = recording
    assert tree.nodes[decoder.decode(marginals)[0]] == "a"
    assert set(asked) == {"R", "A"}


# -- through the classifier ---------------------------------------------------------------


def decoding(paths):
    """A model whose classes are some paths, to decode tables of the probability of each node."""
    y, taxonomy = Taxonomy.from_paths(paths)
    fitted = HierarchicalClassifier(taxonomy=taxonomy).fit(np.eye(len(paths)), y)

    def decode(masses, decoder):
        table = [1.0, *(masses[name] for name in taxonomy.nodes[1:])]
        return fitted.decode([table], decoder)[0]

    return decode


@given(labelled_trees(), st.sampled_from([0.1, 0.4, 0.6, 0.9]))
def test_climbing_asks_models_on_its_way_as_it_reads_a_table(case, tau):
    tree, y, seed = case
    X = features(y, seed)
    fitted = HierarchicalClassifier(taxonomy=tree, decoder=Climbing(tau)).fit(X, y)
    asked = fitted.predict(X)
    assert asked.tolist() == fitted.decode(fitted.predict_node_proba(X)).tolist()


BITS = [np.log2(1.5), np.log2(3), *[np.log2(3)] * 3]  # of a, b and the three leaves below them


@pytest.mark.parametrize(
    ("reward", "numbers"),
    [("leaves", BITS), ([1, 3], [1, 1, 3, 3, 3]), ([2, 1, 4, 4, 0], [2, 1, 4, 4, 0])],
    ids=["leaves", "levels", "nodes"],
)
@pytest.mark.parametrize("right", [0.0, 0.5, 2.0, 4.0, 20.0])
def test_darts_may_answer_the_root(reward, numbers, right):
    proba = {"a": 0.8, "b": 0.2, "a/x": 0.5, "a/y": 0.3, "b/z": 0.2}
    worth = {None: right}
    for told, (name, mass) in zip(numbers, proba.items(), strict=True):
        worth[name] = mass * (told + right)
    found = decoding(["a/x", "a/y", "b/z"])(proba, Darts(right, reward))
    assert found == max(worth, key=worth.get)
    assert right < 20 or found is None


def test_a_beam_forgets_answers_that_fall_out_of_it():
    below = [f"{top}/{i}" for top in "ab" for i in range(5)]
    proba = {"a": 0.44, "b": 0.44, "c": 0.12} | dict.fromkeys(below, 0.088)
    decode = decoding([*below, "c"])
    assert decode(proba, BestPath()) == "c"
    assert decode(proba, Beam(3)) == "c"
    assert decode(proba, Beam(2)) == "a/0"


@pytest.mark.parametrize(
    "decoder",
    [
        Climbing(), CostMatrix(np.ones((4, 4)), "abcd", "abcd"), Darts(), HierarchicalF(),
        InformationThreshold(), LevelWeighted(), Threshold(),
    ],
    ids=lambda decoder: type(decoder).__name__,
)  # fmt: skip
def test_margins_are_refused_where_probabilities_are_needed(decoder):
    X, y = np.eye(4), ["a", "b", "c", "d"]
    fitted = HierarchicalClassifier(taxonomy=TAXONOMIES["balanced"], decoder=decoder)
    assert fitted.fit(X, y).predict(X).shape == (4,)
    with pytest.raises(IncompatiblePartsError, match="needs probabilities"):
        fitted.set_params(estimator=LinearSVC()).fit(X, y)


def test_decoders_by_name_and_their_errors():
    assert isinstance(resolve_decoder("best_path"), BestPath)
    own = Threshold(0.3)
    assert resolve_decoder(own) is own
    for name in ("beam", "climbing", "darts", "hierarchical_f", "level_weighted"):
        assert repr(resolve_decoder(name)).lower().startswith(name.replace("_", ""))
    with pytest.raises(ValueError, match=r"one of \['beam', 'best_path', .*, got 'greedy'"):
        resolve_decoder("greedy")
    with pytest.raises(ValueError, match=r"`tau` must be in \[0, 1\], got 1.5"):
        resolve_decoder(Threshold(1.5))
    for decoder, match in (
        (Beam(0), "`width` must be an integer of 1 or more, got 0"),
        (HierarchicalF(0), "`beta` must be in .1e-100, 1e.100., got 0"),
        (HierarchicalF(answer="leaves"), "`answer` must be one of 'node', 'leaf', 'set'"),
        (Darts(-1), "`accuracy_reward` must be a finite number of 0 or more, got -1"),
        (Climbing(2), "`tau` must be in"),
        (InformationThreshold(-0.1), "`tau` must be in"),
    ):
        with pytest.raises(ValueError, match=match):
            resolve_decoder(decoder)
    for interface in (Decoder, SetDecoder):
        with pytest.raises(TypeError, match="abstract"):
            interface()
    with pytest.raises(NotImplementedError):
        BestPath().decode_sets(None)


def test_errors_that_need_the_taxonomy():
    marginals = ragged_case()
    costs = {"a": {"a": 0, "b": 1, "c": 1, "B1": 1, "B2": 1, "C": 1}}
    for decoder, match in (
        (LevelWeighted("top"), "`weights` must be one of .*'uniform'.*, got 'top'"),
        (LevelWeighted([1, 2]), r"for each of the 3 levels, got shape \(2,\)"),
        (LevelWeighted({"A": 1}), "`weights` must have a number for each node, got none for 'B'"),
        (LevelWeighted([1, 1, -1]), "0 or more"),
        (Darts(reward="depth"), "`reward` must be 'leaves' or a number for each node"),
        (CostMatrix({}), "must have at least one action, got none"),
        (CostMatrix({"a": {"a": 1}}), "no cost for the true label 'C' .5 labels"),
        (CostMatrix(costs | {"b": {"a": 0}}), "the action 'b' for the true label"),
        (CostMatrix([[1, 2]], actions=["a"]), "1 actions and 0 labels"),
    ):
        with pytest.raises(ValueError, match=match):
            decoder.decode(marginals)
    with pytest.raises(TaxonomyError, match="'zz'"):
        CostMatrix({"zz": costs["a"]}).decode(marginals)


# -- thresholds of levels and nodes -------------------------------------------------------


def spellings(tree, tau):
    """The same thresholds, one for each node, in all ways to pass them."""
    names = tree.nodes[1:]
    by_name = dict(zip(names, tau, strict=True))
    # The first node of a level stands for its level, the others are named.
    levels = [names.index(level[0]) for level in tree.levels]
    rest = {f"level:{k + 1}": tau[i] for k, i in enumerate(levels)}
    rest |= {name: tau[i] for i, name in enumerate(names) if i not in levels}
    return [by_name, list(tau), np.array(tau), rest]


@given(ANY, st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]), min_size=13, max_size=13))
def test_each_node_has_its_own_threshold(case, numbers):
    tree, outcomes, proba = case
    marginals, nodes = marginals_of(tree, outcomes, proba)
    told, depth = tree.information, tree.depths
    best = BestPath().decode(marginals)
    tau = numbers[: tree.n_nodes - 1]
    height = [0.0, *tau]
    for given_as in spellings(tree, tau):
        found = Threshold(given_as).decode(Lazy(marginals))
        climbed = Climbing(given_as).decode(Lazy(marginals))
        informed = InformationThreshold(given_as).decode(marginals)
        sets = SetThreshold(given_as).decode(SetMarginals(tree, nodes, nodes)).toarray()
        for row in range(len(proba)):
            sure = [
                node
                for node in range(1, tree.n_nodes)
                if nodes[row, node] > height[node] and height[node] < 1
            ]
            wanted = max(sure, key=lambda n: (depth[n], nodes[row, n], -n), default=0)
            assert found[row] == wanted
            way = [*reference.up(tree, int(best[row])), 0]
            assert climbed[row] == next(node for node in way if node in sure or node == 0)
            wanted = max([0, *sure], key=lambda n: (told[n], nodes[row, n], -n))
            assert informed[row] == wanted
            closed = {node for chosen in sure for node in reference.up(tree, chosen)}
            assert set(np.flatnonzero(sets[row]).tolist()) == closed


@given(ANY, st.lists(st.sampled_from([0.1, 0.4, 0.6, 1.0]), min_size=13, max_size=13))
def test_thresholds_of_levels_are_those_of_their_nodes(case, numbers):
    tree, outcomes, proba = case
    marginals, _ = marginals_of(tree, outcomes, proba)
    by_level = numbers[: tree.n_levels]
    by_node = [by_level[depth - 1] for depth in tree.depths[1:]]
    names = {f"level:{k + 1}": tau for k, tau in enumerate(by_level)}
    for decoder in (Threshold, Climbing, InformationThreshold):
        wanted = decoder(by_node).decode(marginals).tolist()
        assert decoder(by_level).decode(marginals).tolist() == wanted
        assert decoder(names).decode(marginals).tolist() == wanted


def test_nothing_exceeds_a_threshold_of_1():
    tree = TAXONOMIES["ragged"]
    classes = tree.ids(["a"])
    outcomes = Outcomes.of(tree, classes, stops=False)
    proba = np.zeros((1, tree.n_nodes))
    proba[0, classes] = 1.0
    certain, nodes = marginals_of(tree, outcomes, proba)
    rounded = DenseMarginals(tree, outcomes, np.where(nodes == 1, 1 + 1e-15, nodes))
    for marginals in (certain, rounded):
        for tau in (1, 1.0, [1.0] * tree.n_levels, dict.fromkeys(tree.nodes[1:], 1.0)):
            for decoder in (Threshold(tau), Climbing(tau), InformationThreshold(tau)):
                assert decoder.decode(marginals).tolist() == [0]
            table = marginals.node_proba
            assert SetThreshold(tau).decode(SetMarginals(tree, table, table)).nnz == 0
        assert tree.nodes[Threshold(np.nextafter(1, 0)).decode(certain)[0]] == "a"


def test_thresholds_that_change_in_place_are_read_again():
    tree, marginals = TAXONOMIES["ragged"], ragged_case()
    for tau, key in (([0.5] * 3, 0), (np.full(3, 0.5), 0), ({"level:1": 0.5}, "level:1")):
        if isinstance(tau, dict):
            tau |= {"level:2": 0.5, "level:3": 0.5}
        decoder = Threshold(tau)
        assert tree.nodes[decoder.decode(marginals)[0]] == "A"
        tau[key] = 0.9
        assert decoder.decode(marginals).tolist() == [0]
        tau[key] = 2.0
        with pytest.raises(ValueError, match=r"in \[0, 1\], got 2"):
            resolve_decoder(decoder)


RAGGED_MODELS = {
    "local": HierarchicalClassifier(GaussianNB(), taxonomy=TAXONOMIES["ragged"]),
    "joint": MultiHeadClassifier(TAXONOMIES["ragged"], alpha=0.1),
}


@pytest.mark.parametrize("kind", list(RAGGED_MODELS))
@pytest.mark.parametrize("decoder", [Threshold, Climbing, InformationThreshold])
@pytest.mark.parametrize(
    ("tau", "message"),
    [
        ([0.5, 0.5], "for each of the 10 nodes .* or for each of the 3 levels, got 2 numbers"),
        (
            {"level:1": 0.5, "level:2": 0.5},
            "none for 'a'. Add it, or one for its level as 'level:3'",
        ),
        ({"level:4": 0.5}, "levels from 'level:1' to 'level:3', got 'level:4'"),
        ({"A9": 0.5}, "The taxonomy has no node 'A9'"),
        ({"R": 0.5}, "got one for the root, 'R'"),
        ({"level:1": 1.5}, r"`tau` must hold numbers in \[0, 1\], got 1.5"),
        ([0.1, np.nan, 0.2], r"`tau` must hold numbers in \[0, 1\], got nan"),
        ([[0.1, 0.2, 0.3]], "a number, a list of numbers or a mapping"),
        (["low", "high", "low"], "`tau` must hold numbers"),
        ("half", r"`tau` must be in \[0, 1\]"),
        (None, r"`tau` must be in \[0, 1\], got None"),
        (True, r"`tau` must be in \[0, 1\], got True"),
    ],
)
def test_thresholds_that_fit_refuses(kind, decoder, tau, message):
    X, y = np.eye(6), ["a", "b", "c", "B1", "B2", "C"]
    fitted = clone(RAGGED_MODELS[kind]).set_params(decoder=decoder(tau))
    with pytest.raises(ValueError, match=message):
        fitted.fit(X, y)
    assert not hasattr(fitted, "taxonomy_")


def test_of_equally_probable_nodes_above_the_threshold_the_first_wins():
    tree = Taxonomy.from_dict({"a": ["x", "y"], "b": ["z", "w"]})
    model = HierarchicalClassifier(taxonomy=tree).fit(np.eye(4), ["x", "y", "z", "w"])
    table = [[1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25], [1.0, 0.8, 0.2, 0.4, 0.4, 0.1, 0.1]]
    assert model.decode(table, Threshold(0.3)).tolist() == ["a", "x"]


def test_thresholds_of_nodes_with_names_of_any_kind():
    tree = Taxonomy.from_edges([(0, 1), (0, 2), (1, 3), (1, 4)])
    model = HierarchicalClassifier(taxonomy=tree).fit(np.eye(3), [3, 4, 2])
    table = [[1.0, 0.8, 0.2, 0.6, 0.2]]
    for tau, wanted in (
        ({1: 0.7, 2: 0.1, 3: 0.7, "level:2": 0.1}, 4),
        ({1: 0.9, 2: 0.1, 3: 1, 4: 1}, 2),
    ):
        assert model.decode(table, Threshold(tau)).tolist() == [wanted]
    again = pickle.loads(pickle.dumps(Threshold({1: 0.7, "level:1": 0.5, "level:2": 0.1})))
    assert again.get_params() == clone(again).get_params()


# -- tuned thresholds ---------------------------------------------------------------------


def held_out(case, seed):
    """Held-out samples of some marginals, in two blocks, one of them of weight 0."""
    tree, outcomes, proba = case
    rng = np.random.default_rng(seed)
    true = rng.choice(outcomes.answers, len(proba)).astype(np.int32)
    weights = rng.integers(1, 3, len(proba)).astype(float)
    marginals, _ = marginals_of(tree, outcomes, proba)
    spoiled = HeldOutPaths(marginals, true[::-1], np.zeros(len(proba)))
    return [HeldOutPaths(marginals, true, weights), spoiled]


def f_of(decoder, parts, beta):
    part = parts[0]
    tree = part.marginals.taxonomy
    above = below = 0.0
    for true, found, weight in zip(
        part.nodes, decoder.decode(part.marginals), part.weights, strict=True
    ):
        one, other = (set(reference.up(tree, int(node))) for node in (true, found))
        above += weight * (1 + beta**2) * len(one & other)
        below += weight * (beta**2 * len(one) + len(other))
    return above / below


def all_cuts(parts):
    values = np.unique(parts[0].marginals.node_proba[:, 1:])
    return [0.0, *((values[1:] + values[:-1]) / 2), 1.0]


@one_in(2)
@given(
    ANY,
    st.sampled_from([Threshold, Climbing]),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.integers(0, 99),
)
def test_a_tuned_threshold_is_the_best_of_all(case, kind, beta, seed):
    parts = held_out(case, seed)
    tuned = kind("oof", beta=beta).tuned(lambda: iter(parts))
    best = max(f_of(kind(tau), parts, beta) for tau in all_cuts(parts))
    assert f_of(tuned, parts, beta) == pytest.approx(best)
    assert 0 <= tuned.tau <= 1
    assert set(tuned.threshold_report_["source"]) == {"global"}
    assert_array_equal(tuned.threshold_report_["tau"], tuned.tau)


@one_in(2)
@given(
    ANY, st.sampled_from([Threshold, Climbing]), st.sampled_from([0.5, 1.0]), st.integers(0, 99)
)
def test_no_other_threshold_of_one_level_is_better(case, kind, beta, seed):
    parts = held_out(case, seed)
    overall = kind("oof", beta=beta).tuned(lambda: iter(parts))
    tuned = kind("oof", "level", beta).tuned(lambda: iter(parts))
    own = f_of(tuned, parts, beta)
    assert own >= f_of(overall, parts, beta) - 1e-12
    assert tuned.tau.shape == (case[0].n_levels,)
    for level in range(len(tuned.tau)):
        for tau in all_cuts(parts):
            other = tuned.tau.copy()
            other[level] = tau
            assert f_of(kind(other), parts, beta) <= own + 1e-9


@one_in(2)
@given(ANY, st.sampled_from([Threshold, Climbing]), st.sampled_from([1, 2, 3]), st.integers(0, 99))
def test_no_other_threshold_of_one_node_is_better(case, kind, min_rows, seed):
    parts = held_out(case, seed)
    tree, floor = case[0], kind._floor
    by_level = kind("oof", "level").tuned(lambda: iter(parts))
    tuned = kind("oof", "node", min_rows=min_rows).tuned(lambda: iter(parts))
    own = f_of(tuned, parts, 1.0)
    assert own >= f_of(kind(np.maximum(by_level.tau, floor)), parts, 1.0) - 1e-12
    report = tuned.threshold_report_
    counts = np.zeros(tree.n_nodes)
    if kind is Climbing:
        for node in BestPath().decode(parts[0].marginals).tolist():
            counts[reference.up(tree, node)] += 1
    else:
        for row in parts[0].marginals.node_proba:
            for start, stop in itertools.pairwise(tree.level_offsets[1:].tolist()):
                best = start + int(np.argmax(row[start:stop]))
                counts[best] += row[best] > 0
    assert report["n_rows"].tolist() == counts[1:].tolist()
    assert report["node"].tolist() == list(tree.nodes[1:])
    levels = tree.depths[1:]
    for node in range(tree.n_nodes - 1):
        if counts[node + 1] < min_rows:
            assert report["source"][node] != "node"
            assert tuned.tau[node] == max(by_level.tau[levels[node] - 1], floor)
            continue
        assert report["source"][node] == "node"
        for tau in all_cuts(parts):
            other = tuned.tau.copy()
            other[node] = max(tau, floor)
            assert f_of(kind(other), parts, 1.0) <= own + 1e-9


@one_in(2)
@given(ANY, st.sampled_from([Threshold, Climbing]), st.integers(0, 99))
def test_rows_of_weight_0_are_not_there_when_thresholds_are_tuned(case, kind, seed):
    tree, outcomes, proba = case
    part, _ = held_out(case, seed)
    rng = np.random.default_rng(seed)
    places = np.sort(rng.integers(0, len(proba) + 1, 3))
    marginals, _ = marginals_of(tree, outcomes, np.insert(proba, places, proba[0][::-1], axis=0))
    more = HeldOutPaths(
        marginals,
        np.insert(part.nodes, places, part.nodes[0]),
        np.insert(part.weights, places, 0.0),
    )
    for scope in ("global", "level", "node"):
        options = {"min_rows": 2} if scope == "node" else {}
        one, other = (
            kind("oof", scope, **options).tuned(lambda p=p: iter([p])) for p in (part, more)
        )
        assert_array_equal(one.tau, other.tau)
        assert_array_equal(one.threshold_report_["n_rows"], other.threshold_report_["n_rows"])


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", range(4))
def test_no_other_threshold_of_one_level_is_better_for_many_rows(seed):
    tree = TAXONOMIES["ragged"]
    outcomes = Outcomes.of(tree, tree.leaf_ids, stops=False)
    proba = np.zeros((30, tree.n_nodes))
    rng = np.random.default_rng(seed)
    proba[:, tree.leaf_ids] = rng.dirichlet(np.full(len(tree.leaf_ids), 0.3), 30)
    parts = held_out((tree, outcomes, proba), seed)
    tuned = Climbing("oof", "level", beta=0.7).tuned(lambda: iter(parts))
    own = f_of(tuned, parts, 0.7)
    for level in range(len(tuned.tau)):
        for tau in all_cuts(parts)[:: 1 + level]:
            other = tuned.tau.copy()
            other[level] = tau
            assert f_of(Climbing(other), parts, 0.7) <= own + 1e-9


def test_cuts_between_equal_and_adjacent_probabilities():
    high = 0.7
    low = np.nextafter(high, 0)
    groups = np.array([3, 3, 3, 5, 5, 5, 8])
    proba = np.array([low, high, low, 0.4, 0.2, 0.4, 0.1])
    gains = np.array([-1.0, 1.0, 0.5, 3.0, 1.0, -1.0, -1.0])
    found, cuts, sums = _best_cuts(groups, proba, gains)
    assert found.tolist() == [3, 5, 8]
    assert low <= cuts[0] < high
    assert cuts[1:].tolist() == [0.0, 1.0]
    assert sums.tolist() == [1.0, 3.0, 0.0]
    assert _best_cuts(groups[:0], proba[:0], gains[:0])[1].size == 0


def test_tuned_thresholds_of_a_fitted_model():
    X, y, tree = make_hierarchical_classification(
        400, 6, branching=(2, 3), class_sep=0.7, random_state=0
    )
    for model in (
        HierarchicalClassifier(GaussianNB(), taxonomy=tree, cv=3),
        MultiHeadClassifier(tree, alpha=1e-3, cv=3),
    ):
        for decoder in (Threshold("oof", "level"), Climbing("oof", "node", min_rows=100)):
            fitted = clone(model).set_params(decoder=decoder).fit(X, y)
            assert repr(fitted.decoder) == repr(decoder)
            given_ = clone(fitted).set_params(decoder=clone(fitted.decoder_)).fit(X, y)
            assert_array_equal(fitted.predict(X), given_.predict(X))
            assert not hasattr(given_.decoder_, "threshold_report_")
            report = fitted.decoder_.threshold_report_
            assert report["n_rows"][:2].sum() == 400
        assert set(report["source"]) == {"level", "node"}
        again = pickle.loads(pickle.dumps(fitted))
        assert_array_equal(again.decoder_.tau, fitted.decoder_.tau)
        assert again.decoder_.threshold_report_["source"].tolist() == report["source"].tolist()


def test_there_must_be_something_to_tune_on():
    for rule in (Threshold("oof"), Climbing("oof")):
        with pytest.raises(ValueError, match="no held-out samples"):
            rule.tuned(lambda: iter(()))
    own = Climbing(0.2)
    assert own.tuned(None) is own
    for decoder, match in (
        (Threshold(scope="tree"), "`scope` must be one of 'global', 'level', 'node'"),
        (Climbing(beta=0), "`beta` must be in"),
        (Threshold(min_rows=0), "`min_rows` must be an integer of 1 or more"),
    ):
        with pytest.raises(ValueError, match=match):
            resolve_decoder(decoder)
