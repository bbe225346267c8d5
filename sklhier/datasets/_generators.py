"""Synthetic data whose classes form a tree.

The steps: a tree -> a node for each sample -> features that each node draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.random import RandomState
from scipy import sparse
from sklearn.utils import check_random_state

from sklhier._utils.typing import Floats, Integers, Labels, NodeIds, Rows
from sklhier._utils.validation import check_choice
from sklhier.taxonomy import Taxonomy

__all__ = ["make_hierarchical_classification", "make_hierarchical_text"]

# Exponents of Zipf's law: one for the words of a language, a flatter one for the words of a topic.
_LANGUAGE_EXPONENT = 1.05
_TOPIC_EXPONENT = 0.7


def make_hierarchical_classification(
    n_samples: int = 1000,
    n_features: int = 20,
    *,
    branching: Sequence[int] = (3, 3),
    taxonomy: Taxonomy | None = None,
    class_sep: float = 1.0,
    level_decay: float = 0.7,
    noise: float = 1.0,
    inner_node_labels: float = 0.0,
    imbalance: float = 0.0,
    return_taxonomy: bool = True,
    random_state: int | RandomState | None = None,
) -> Any:
    """Generate numeric features for classes that form a tree.

    The centre of a class is the centre of its parent plus a Gaussian step, and steps shrink from
    level to level: upper levels are easier to tell apart than lower ones. A sample is the centre
    of its class plus Gaussian noise.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of samples, at least 1.
    n_features : int, default=20
        Number of features, at least 1. All are informative.
    branching : sequence of int, default=(3, 3)
        Number of children of every node, from the first level down: ``(3, 2)`` gives three
        classes with two subclasses each, named ``"n1"``, ..., ``"n3"``, ``"n1.1"``, ...,
        ``"n3.2"``. Not used if `taxonomy` is given.
    taxonomy : Taxonomy, default=None
        A tree to use instead.
    class_sep : float, default=1.0
        Standard deviation, in every feature, of the step from the root to a node of the first
        level; positive.
    level_decay : float, default=0.7
        Factor by which steps shrink with each further level; positive.
    noise : float, default=1.0
        Standard deviation of samples around the centre of their class, 0 or more.
    inner_node_labels : float, default=0.0
        Share of the samples, in [0, 1], that belong to an inner node instead of a leaf: to one of
        the leaf's ancestors, each with the same probability. Leaves of the first level have none
        and stay.
    imbalance : float, default=0.0
        Inequality of the leaves, 0 or more: the k-th most frequent leaf gets a share proportional
        to ``k ** -imbalance``. With 0 the numbers of samples differ by at most one.
    return_taxonomy : bool, default=True
        Whether to return the taxonomy as well.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same data at every call.

    Returns
    -------
    X : ndarray of float64, shape (n_samples, n_features)
        The samples, in random order.
    y : ndarray, shape (n_samples,)
        The name of each sample's node: an array of str or int if the names are, else of objects.
        With few samples for many leaves, a leaf may be missing.
    taxonomy : Taxonomy
        The tree. Only if `return_taxonomy` is True.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or `taxonomy` is not a tree.

    See Also
    --------
    make_hierarchical_text : Word counts or texts instead of dense features.
    sklearn.datasets.make_classification : Classes without a taxonomy.

    References
    ----------
    .. [1] C. N. Silla and A. A. Freitas, "A survey of hierarchical classification across
       different application domains", Data Mining and Knowledge Discovery 22, 2011.

    Examples
    --------
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> X, y, taxonomy = make_hierarchical_classification(
    ...     60, 4, branching=(2, 3), random_state=0
    ... )
    >>> X.shape, y.shape
    ((60, 4), (60,))
    >>> taxonomy.leaves
    ('n1.1', 'n1.2', 'n1.3', 'n2.1', 'n2.2', 'n2.3')
    >>> int((y == "n2.3").sum())
    10
    """
    _check_integer("n_samples", n_samples)
    _check_integer("n_features", n_features)
    _check_number("class_sep", class_sep, above=0)
    _check_number("level_decay", level_decay, above=0)
    _check_number("noise", noise)
    tree = _tree(taxonomy, branching)
    rng = check_random_state(random_state)
    centres = _random_walk(tree, n_features, class_sep, level_decay, rng)
    nodes = _draw_nodes(tree, n_samples, imbalance, inner_node_labels, rng)
    X = centres[nodes] + noise * rng.standard_normal((n_samples, n_features))
    y = _names_of(tree, nodes)
    return (X, y, tree) if return_taxonomy else (X, y)


def make_hierarchical_text(
    n_samples: int = 1000,
    *,
    branching: Sequence[int] = (5, 4),
    taxonomy: Taxonomy | None = None,
    vocabulary_size: int = 5000,
    mean_length: float = 60,
    words_per_node: int = 50,
    topic_share: float = 0.3,
    inner_node_labels: float = 0.0,
    imbalance: float = 0.0,
    output: str = "counts",
    return_taxonomy: bool = True,
    random_state: int | RandomState | None = None,
) -> Any:
    """Generate documents for classes that form a tree.

    Every word of a document comes either from the language, whose words follow Zipf's law, or
    from a node on the path of the document's class, each level with the same probability: a
    document shares words with its siblings, and fewer with its cousins.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of documents, at least 1.
    branching : sequence of int, default=(5, 4)
        Number of children of every node, from the first level down; see
        :func:`make_hierarchical_classification`. Not used if `taxonomy` is given.
    taxonomy : Taxonomy, default=None
        A tree to use instead.
    vocabulary_size : int, default=5000
        Number of words of the language, at least 1, the most frequent first.
    mean_length : float, default=60
        Mean number of words in a document, at least 1; lengths follow a Poisson distribution,
        and no document is empty.
    words_per_node : int, default=50
        Number of words that each node draws from the vocabulary, at least 1. Nodes may draw the
        same word.
    topic_share : float, default=0.3
        Probability, in [0, 1], that a word comes from a node on the path: with 0 nothing can be
        learnt.
    inner_node_labels, imbalance : float, default=0.0
        See :func:`make_hierarchical_classification`.
    output : {"counts", "text"}, default="counts"
        Word counts, or the documents as strings of words ``"w0"``, ``"w1"``, ... The same
        `random_state` gives the same documents.
    return_taxonomy : bool, default=True
        Whether to return the taxonomy as well.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same data at every call.

    Returns
    -------
    X : CSR matrix of int64, shape (n_samples, vocabulary_size), or list of str
        The documents, in random order. Column ``j`` counts the word ``"wj"``.
    y : ndarray, shape (n_samples,)
        The name of each document's node; see :func:`make_hierarchical_classification`.
    taxonomy : Taxonomy
        The tree. Only if `return_taxonomy` is True.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or `taxonomy` is not a tree.

    See Also
    --------
    make_hierarchical_classification : Dense features.
    load_docstrings : Real texts.

    References
    ----------
    .. [1] G. K. Zipf, "Human behavior and the principle of least
       effort", 1949.
    .. [2] A. McCallum, R. Rosenfeld, T. Mitchell and A. Ng, "Improving text classification by
       shrinkage in a hierarchy of classes", ICML 1998.

    Examples
    --------
    >>> from sklhier.datasets import make_hierarchical_text
    >>> X, y, taxonomy = make_hierarchical_text(100, branching=(2, 2), random_state=0)
    >>> X.shape
    (100, 5000)
    >>> taxonomy.leaves
    ('n1.1', 'n1.2', 'n2.1', 'n2.2')
    >>> documents, _, _ = make_hierarchical_text(
    ...     100, branching=(2, 2), output="text", random_state=0
    ... )
    >>> len(documents[0].split()) == int(X[[0]].sum())
    True
    """
    _check_integer("n_samples", n_samples)
    _check_integer("vocabulary_size", vocabulary_size)
    _check_integer("words_per_node", words_per_node)
    _check_number("mean_length", mean_length, at_least=1)
    _check_number("topic_share", topic_share, at_most=1)
    check_choice("output", output, ("counts", "text"))
    tree = _tree(taxonomy, branching)
    rng = check_random_state(random_state)
    own_words = rng.randint(vocabulary_size, size=(tree.n_nodes, words_per_node))
    nodes = _draw_nodes(tree, n_samples, imbalance, inner_node_labels, rng)
    lengths = np.maximum(rng.poisson(mean_length, size=n_samples), 1)
    documents = np.repeat(np.arange(n_samples), lengths)
    words = _draw_ranks(vocabulary_size, _LANGUAGE_EXPONENT, len(documents), rng)
    from_topic = np.flatnonzero(rng.uniform(size=len(documents)) < topic_share)
    sources = _draw_path_nodes(tree, nodes, documents[from_topic], rng)
    favourites = _draw_ranks(words_per_node, _TOPIC_EXPONENT, len(from_topic), rng)
    words[from_topic] = own_words[sources, favourites]
    y = _names_of(tree, nodes)
    X = _counts(words, lengths, vocabulary_size) if output == "counts" else _texts(words, lengths)
    return (X, y, tree) if return_taxonomy else (X, y)


# ---------------------------------------------------------------------------------------------
# Trees and labels


def _tree(taxonomy: Taxonomy | None, branching: Sequence[int]) -> Taxonomy:
    """Return `taxonomy` if it is a tree, or a new tree in which all nodes of a level are alike."""
    if taxonomy is None:
        return _balanced_tree(branching)
    if not isinstance(taxonomy, Taxonomy):
        raise ValueError(
            f"`taxonomy` must be a Taxonomy or None, got {taxonomy!r}. "
            "Build one with `Taxonomy.from_parents`, `.from_dict` or `.from_networkx`."
        )
    taxonomy.require_tree("Generating samples")
    return taxonomy


def _balanced_tree(branching: Sequence[int]) -> Taxonomy:
    """Return the tree with ``branching[k]`` children for every node of depth ``k``."""
    _check_branching(branching)
    level = [f"n{number + 1}" for number in range(branching[0])]
    names = list(level)
    for n_children in branching[1:]:
        level = [f"{name}.{number + 1}" for name in level for number in range(n_children)]
        names += level
    index = {name: position for position, name in enumerate(names)}
    nested = names[branching[0] :]
    parents = [index[name.rpartition(".")[0]] for name in nested]
    children = [index[name] for name in nested]
    return Taxonomy(names, parents, children, artificial_root=True)


def _draw_nodes(
    tree: Taxonomy, n_samples: int, imbalance: float, inner_node_labels: float, rng: RandomState
) -> NodeIds:
    """Return the id of each sample's node."""
    _check_number("imbalance", imbalance)
    _check_number("inner_node_labels", inner_node_labels, at_most=1)
    shares = rng.permutation(_zipf_shares(len(tree.leaf_ids), imbalance))
    # Evenly spaced quantiles keep every count within one of its expectation.
    quantiles = (np.arange(n_samples) + 0.5) / n_samples
    nodes = tree.leaf_ids[rng.permutation(_quantile_ranks(shares, quantiles))]
    moved = rng.permutation(n_samples)[: round(inner_node_labels * n_samples)]
    paths = tree.path_ids(nodes[moved])
    n_ancestors = np.maximum(tree.depths[nodes[moved]] - 1, 1)
    levels = (rng.uniform(size=len(moved)) * n_ancestors).astype(np.intp)
    nodes[moved] = paths[np.arange(len(moved)), levels]
    return nodes


def _names_of(tree: Taxonomy, nodes: NodeIds) -> Labels:
    """Return names as an array of str or int where all are, else of objects."""
    names = tree.node_names[nodes]
    kinds = {type(name) for name in tree.nodes[1:]}
    return names.astype(kinds.pop()) if kinds in ({str}, {int}) else names


# ---------------------------------------------------------------------------------------------
# Features


def _random_walk(
    tree: Taxonomy, n_features: int, class_sep: float, level_decay: float, rng: RandomState
) -> Floats:
    """Return the centre of every node, shape (n_nodes, n_features); the root's is 0."""
    steps = rng.standard_normal((tree.n_nodes, n_features))
    steps *= class_sep * level_decay ** (tree.depths[:, np.newaxis] - 1.0)
    centres = np.zeros((tree.n_nodes, n_features))
    for start, end in zip(tree.level_offsets[1:-1], tree.level_offsets[2:], strict=True):
        centres[start:end] = centres[tree.parent_ids[start:end]] + steps[start:end]
    return centres


def _zipf_shares(n_ranks: int, exponent: float) -> Floats:
    """Return shares proportional to ``rank ** -exponent``, summing to 1."""
    shares = np.arange(1, n_ranks + 1) ** -float(exponent)
    return np.asarray(shares / shares.sum())


def _quantile_ranks(shares: Floats, quantiles: Floats) -> Rows:
    """Return for each quantile in [0, 1) the index of the share it falls into."""
    ranks = np.searchsorted(np.cumsum(shares), quantiles, side="right")
    # The shares may sum to a little less than 1.
    return np.minimum(ranks, len(shares) - 1)


def _draw_ranks(n_ranks: int, exponent: float, size: int, rng: RandomState) -> Rows:
    return _quantile_ranks(_zipf_shares(n_ranks, exponent), rng.uniform(size=size))


def _draw_path_nodes(tree: Taxonomy, nodes: NodeIds, documents: Rows, rng: RandomState) -> NodeIds:
    """Return for each word a node on the path of its document, all levels alike."""
    n_levels = tree.depths[nodes[documents]]
    levels = (rng.uniform(size=len(documents)) * n_levels).astype(np.intp)
    return tree.path_ids(nodes)[documents, levels]


def _counts(words: Rows, lengths: Integers, vocabulary_size: int) -> Any:
    """Count the words of each document, as ``CountVectorizer`` does."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ones = np.ones(len(words), dtype=np.int64)
    counts = sparse.csr_matrix((ones, words, offsets), shape=(len(lengths), vocabulary_size))
    counts.sum_duplicates()
    return counts


def _texts(words: Rows, lengths: Integers) -> list[str]:
    """Join the words of each document."""
    spelled = [f"w{word}" for word in words.tolist()]
    ends = np.cumsum(lengths).tolist()
    return [
        " ".join(spelled[end - n : end]) for end, n in zip(ends, lengths.tolist(), strict=True)
    ]


# ---------------------------------------------------------------------------------------------
# Checks


def _check_branching(branching: object) -> None:
    if isinstance(branching, str) or not isinstance(branching, Sequence | np.ndarray):
        raise ValueError(
            "`branching` must be a sequence with the number of children at each level, such "
            f"as (3, 3), got {branching!r}."
        )
    if not len(branching):
        raise ValueError(
            "`branching` must have at least one level, such as (3,), got an empty sequence."
        )
    for level, n_children in enumerate(branching):
        _check_integer(f"branching[{level}]", n_children)


def _check_integer(name: str, value: object) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"`{name}` must be an integer of at least 1, got {value!r}.")


def _check_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float = 0,
    at_most: float = math.inf,
) -> None:
    """Raise a ValueError unless `value` is finite and in range."""
    low = at_least if above is None else math.nextafter(above, math.inf)
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    if is_real and math.isfinite(number := float(value)) and low <= number <= at_most:
        return
    lower = f"at least {at_least:g}" if above is None else f"above {above:g}"
    upper = "" if math.isinf(at_most) else f" and at most {at_most:g}"
    raise ValueError(f"`{name}` must be a finite number {lower}{upper}, got {value!r}.")
