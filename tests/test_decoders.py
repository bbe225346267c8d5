"""Decoders against brute force on random trees and distributions."""

import numpy as np
import pytest
import reference
from conftest import TAXONOMIES
from hypothesis import given
from hypothesis import strategies as st
from strategies import trees

from sklhier._marginals import DenseMarginals, Outcomes
from sklhier.decoders import BestPath, Decoder, Threshold, TopDown, resolve_decoder


@st.composite
def distributions(draw, *, stops):
    """A tree, the ids of its classes in some order, and probabilities of the classes."""
    tree = draw(trees())
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


def marginals_of(tree, outcomes, proba):
    nodes = proba @ tree.ancestor_closure
    nodes[:, 0] = 1.0
    return DenseMarginals(tree, outcomes, nodes, proba), nodes


@given(st.booleans().flatmap(lambda stops: distributions(stops=stops)))
def test_best_path_is_the_argmax_over_the_classes(case):
    tree, outcomes, proba = case
    marginals, _ = marginals_of(tree, outcomes, proba)
    wanted = outcomes.classes[np.argmax(marginals.answer_proba(outcomes.classes), axis=1)]
    assert BestPath().decode(marginals).tolist() == wanted.tolist()


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


@given(distributions(stops=False), st.sampled_from([BestPath(), TopDown(), Threshold(0.4)]))
def test_rows_do_not_depend_on_each_other(case, decoder):
    tree, outcomes, proba = case
    whole = decoder.decode(marginals_of(tree, outcomes, proba)[0])
    single = [
        decoder.decode(marginals_of(tree, outcomes, proba[[row]])[0])[0]
        for row in range(len(proba))
    ]
    assert whole.tolist() == single


def test_thresholds_of_the_example_in_the_literature():
    tree = TAXONOMIES["ragged"]
    leaves = {"a": 0.21, "b": 0.18, "c": 0.13, "B1": 0.27, "B2": 0.02, "C": 0.19}
    classes = tree.ids(sorted(leaves))
    proba = np.zeros((1, tree.n_nodes))
    proba[0, classes] = [leaves[name] for name in sorted(leaves)]
    marginals, _ = marginals_of(tree, Outcomes.of(tree, classes, stops=False), proba)
    for tau, wanted in {0.3: "A1", 0.38: "A1", 0.5: "A", 0.6: "R"}.items():
        assert tree.nodes[Threshold(tau).decode(marginals)[0]] == wanted


def test_only_visited_nodes_are_asked():
    """A best path that the greedy descent has found already is not looked for again."""
    tree = TAXONOMIES["balanced"]
    classes = tree.ids(["a", "b", "c", "d"])
    proba = np.zeros((1, tree.n_nodes))
    proba[0, classes] = [0.6, 0.1, 0.2, 0.1]
    marginals, _ = marginals_of(tree, Outcomes.of(tree, classes, stops=False), proba)
    asked = []
    expand = marginals.expand

    def recording(rows, nodes, mass):
        asked.extend(tree.nodes[node] for node in nodes)
        return expand(rows, nodes, mass)

    marginals.expand = recording
    assert tree.nodes[BestPath().decode(marginals)[0]] == "a"
    assert asked == ["R", "A"]


def test_decoders_by_name_and_their_errors():
    assert isinstance(resolve_decoder("best_path"), BestPath)
    own = Threshold(0.3)
    assert resolve_decoder(own) is own
    with pytest.raises(ValueError, match=r"one of \['best_path', 'threshold', 'top_down'\]"):
        resolve_decoder("greedy")
    with pytest.raises(ValueError, match=r"tau is a probability in \[0, 1\); 1 was given"):
        resolve_decoder(Threshold(1))
    with pytest.raises(NotImplementedError):
        Decoder().decode(None)
