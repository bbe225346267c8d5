"""Tables of ancestors against networkx, by each of the three ways."""

import networkx as nx
import numpy as np
import pytest
from generators import dags, trees
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sklhier import Taxonomy
from sklhier.exceptions import TaxonomyError
from sklhier.metrics import (
    hierarchical_confusion_matrix,
    hierarchical_f1_score,
    hmc_loss,
    lca_f1_score,
    level_accuracy_scores,
    mgia_score,
    mistake_severity,
    tree_distance_loss,
)
from sklhier.taxonomy import _arrays, _closure


def chain(n_nodes, more_edges=()):
    """Return a chain of the numbers from 0, the root, with more edges."""
    edges = [(node, node + 1) for node in range(n_nodes - 1)] + list(more_edges)
    return Taxonomy(range(n_nodes), *map(list, zip(*edges, strict=True)), root=0)


def closed(taxonomy, node):
    """Return a node and its ancestors but the root, by networkx."""
    graph = taxonomy.to_networkx()
    above = {taxonomy.nodes[node], *nx.ancestors(graph, taxonomy.nodes[node])}
    return sorted(set(taxonomy.ids(above).tolist()) - {0, -1})


def rows_of(table):
    return [row.tolist() for row in np.split(table.indices, table.indptr[1:-1])]


@pytest.mark.few(3)
@pytest.mark.parametrize("step", [0, 5_000], ids=["together", "one by one"])
@pytest.mark.parametrize("small", [0, 2**11], ids=["rows", "whole"])
@given(st.one_of(trees(), dags()), st.data())
def test_ancestors_of_some_nodes(step, small, taxonomy, data):
    nodes = data.draw(st.lists(st.integers(0, taxonomy.n_nodes - 1), min_size=1, max_size=8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_closure, "_STEP", step)
        patch.setattr(_arrays, "_SMALL", small)
        table = taxonomy.ancestors_of(np.array(nodes))
    assert table.shape == (len(nodes), taxonomy.n_nodes)
    assert rows_of(table) == [closed(taxonomy, node) for node in nodes]
    assert (table.data == 1).all()


def test_ancestors_of_nodes_far_above_the_deepest(monkeypatch):
    monkeypatch.setattr(_closure, "_STEP", 0)
    monkeypatch.setattr(_arrays, "_SMALL", 0)
    edges = [("R", "A"), ("R", "B"), ("A", "C"), ("B", "C"), ("C", "D"), ("D", "E"), ("E", "F")]
    taxonomy = Taxonomy.from_edges(edges)
    for names in (["A", "B"], ["C", "A"], ["B", "F"]):
        nodes = taxonomy.ids(names)
        assert rows_of(taxonomy.ancestors_of(nodes)) == [closed(taxonomy, node) for node in nodes]


@pytest.mark.parametrize("small", [1, 2**11], ids=["rows", "whole"])
@given(st.one_of(trees(), dags()), st.integers(0, 100))
def test_sets_with_ancestors(small, taxonomy, seed):
    marks = np.random.default_rng(seed).random((6, taxonomy.n_nodes)) < 0.3
    marks[:, 0] = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_arrays, "_SMALL", small)
        marked = sparse.csr_array(marks.astype(float))
        found = taxonomy.with_ancestors(marked)
        gathered = taxonomy.closed_sets(marked.indices, marked.indptr)
        patch.setattr(_arrays, "_FEW", 0)
        multiplied = taxonomy.closed_sets(marked.indices, marked.indptr)
        sizes, leaves = taxonomy.closure_sizes, taxonomy.n_leaves_below
    wanted = [
        sorted({above for node in np.flatnonzero(row) for above in closed(taxonomy, node)})
        for row in marks
    ]
    for table in (found, gathered, multiplied):
        assert rows_of(table) == wanted
        assert (table.data == 1).all()
    everything = [closed(taxonomy, node) for node in range(taxonomy.n_nodes)]
    assert sizes.tolist() == list(map(len, everything))
    below = [
        sum(node in everything[leaf] for leaf in taxonomy.leaf_ids) for node in range(len(leaves))
    ]
    assert leaves[1:].tolist() == below[1:]


def test_sets_are_not_changed_by_their_closure(monkeypatch):
    monkeypatch.setattr(_arrays, "_SMALL", 0)
    given = sparse.csr_array(np.array([[0.0, 1.0, 0.0, 1.0]]))
    assert chain(4).with_ancestors(given).toarray().tolist() == [[0, 1, 1, 1]]
    assert given.toarray().tolist() == [[0, 1, 0, 1]]


@given(st.one_of(trees(), dags()))
def test_heights_by_networkx(taxonomy):
    graph = taxonomy.to_networkx()
    wanted = [
        max(map(len, nx.single_source_shortest_path(graph, name).values())) - 1
        if taxonomy.is_tree
        else nx.dag_longest_path_length(graph.subgraph({name, *nx.descendants(graph, name)}))
        for name in taxonomy.nodes[1:]
    ]
    assert taxonomy.heights[1:].tolist() == wanted


def test_long_chains_need_two_paths_only():
    tree = chain(6_000)
    true, predicted = [5_999, 3_000], [5_998, 3_000]
    assert hierarchical_f1_score(true, predicted, taxonomy=tree) == pytest.approx(1 - 1 / 17_997)
    assert hmc_loss(true, predicted, taxonomy=tree) == 0.5
    assert lca_f1_score(true, predicted, taxonomy=tree) == pytest.approx((2 / 3 + 1) / 2)
    assert tree_distance_loss(true, predicted, taxonomy=tree) == 0.5
    assert mistake_severity(true, predicted, taxonomy=tree) == 1.0
    assert mgia_score(true, predicted, taxonomy=tree) == pytest.approx(0.95)
    assert level_accuracy_scores(true, predicted, taxonomy=tree)[-2:].tolist() == [1.0, 0.0]
    matrix = hierarchical_confusion_matrix(true, predicted, level=-1, taxonomy=tree)
    assert matrix.tolist() == [[0, 1]]
    assert "ancestor_closure" not in tree.__dict__


def test_long_chains_with_a_short_cut():
    dag = chain(6_000, [(0, 5_999)])
    assert not dag.is_tree
    true, predicted = [5_999], [5_998]
    assert hmc_loss(true, predicted, taxonomy=dag) == 1.0
    assert mgia_score(true, predicted, taxonomy=dag) == pytest.approx(0.9)
    assert mgia_score([5_999], [1], taxonomy=dag) == pytest.approx(0.8)  # by the short cut
    assert "ancestor_closure" not in dag.__dict__


@pytest.mark.parametrize("more", [[], [(0, 3_999)]], ids=["tree", "dag"])
def test_what_does_not_fit_in_memory_is_refused(more, monkeypatch):
    taxonomy = chain(4_000, more)
    monkeypatch.setattr(_closure, "_memory", lambda: 2.0**28)
    with pytest.raises(TaxonomyError, match=r"about 7,998,000 entries and take 0\.3 GiB of 0\.2"):
        _ = taxonomy.ancestor_closure
    assert hmc_loss([3_999], [3_998], taxonomy=taxonomy) == 1.0


def test_the_size_of_a_dag_is_estimated_from_some_rows(monkeypatch):
    # 60 tops, and below all of them 200 nodes: far more ancestors than levels.
    edges = [(f"top {i}", f"node {j}") for i in range(60) for j in range(200)]
    taxonomy = Taxonomy.from_edges(edges)
    n_entries = 60 + 200 * 61
    monkeypatch.setattr(_closure, "_memory", lambda: 36.0 * n_entries * 1.2)
    assert taxonomy.ancestor_closure.nnz == n_entries
    monkeypatch.setattr(_closure, "_memory", lambda: 36.0 * n_entries * 0.8)
    with pytest.raises(TaxonomyError, match="fit in memory"):
        _ = Taxonomy.from_edges(edges).ancestor_closure
    monkeypatch.setattr(_closure, "_memory", lambda: 1e9)
    assert Taxonomy.from_edges(edges).ancestor_closure.nnz == n_entries


def test_memory_is_a_number_of_bytes():
    assert _closure._memory() > 2**20
