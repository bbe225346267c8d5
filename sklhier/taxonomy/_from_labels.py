"""Constructors of the taxonomy from labels: paths, columns of steps, and plain classes."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Self

import numpy as np
from sklearn.utils import check_array, check_random_state, check_scalar
from sklearn.utils.validation import check_consistent_length

from sklhier._utils.typing import Features, Labels, RandomState, Target
from sklhier._utils.validation import check_choice
from sklhier.exceptions import TargetError, shown
from sklhier.taxonomy._constructible import Constructible
from sklhier.taxonomy._construction import checked_names
from sklhier.taxonomy._given_labels import in_rows, one_column, sorted_names, values_of_labels
from sklhier.taxonomy._induce import METHODS, class_means, grouped_classes
from sklhier.taxonomy._oddities import warn_about_levels, warn_if_flat
from sklhier.taxonomy._parsing import factorize_levels, label_array
from sklhier.taxonomy._sources import AUTO, Root
from sklhier.taxonomy._spelled import Spelled, tree_of_columns, tree_of_paths
from sklhier.taxonomy._steps import Gaps, Missing, checked_gaps, checked_sep, cleaner
from sklhier.taxonomy._titles import Titles

__all__ = ["FromLabels"]


class FromLabels(Constructible):
    """Constructors of :class:`~sklhier.Taxonomy` from the labels of samples."""

    @classmethod
    def from_paths(
        cls,
        y: Iterable[object],
        sep: str = "/",
        *,
        root: Root = AUTO,
        gaps: Gaps = "error",
        missing: Missing | None = None,
        strip: bool = True,
        titles: Titles | None = None,
    ) -> tuple[Labels, Self]:
        r"""Build from labels that spell out their path, such as ``"science/space/nasa"``.

        A node is identified by its whole path: two nodes ``Other`` under different parents stay
        two. Siblings are sorted, so that the result does not depend on the order of rows.

        Parameters
        ----------
        y : array-like of str, shape (n_samples,)
            Paths, including repeated and inner ones. A separator within a step is preceded by a
            backslash, as in the names of :meth:`from_levels`.
        sep : str, default="/"
            Separator of the steps.
        root : hashable or None, default=auto
            The first step of all paths, which becomes the root instead of a class. By default, and
            with None, all steps are classes; None suppresses the warning if all paths begin with
            the same step. See :ref:`root-rule`.
        gaps : {"error", "skip", "fill"}, default="error"
            Treatment of missing steps before the end of a path. ``"skip"`` leaves them out.
            ``"fill"`` inserts a step named after its parent, in parentheses: ``"a//x"`` becomes
            ``"a/(a)/x"``, and a missing first step ``"(root)"``; a real step of this name at the
            same position is an error. Missing steps at the end are left out, but with ``"error"``
            only those of `missing`. See :ref:`the guide <gaps>`.
        missing : collection or callable, default=None
            Steps that mean no label, such as ``["c__", "-", "unclassified"]``, or a function that
            tests for them.
        strip : bool, default=True
            Whether to strip blanks (including non-breaking blanks and invisible marks) from the
            ends of steps.
        titles : mapping or sequence of str, default=None
            Words for readers; see :meth:`~sklhier.Taxonomy.with_titles`.

        Returns
        -------
        labels : ndarray, shape (n_samples,)
            Names of nodes to pass to ``fit``: `y` as a 1-D array, unless something was stripped or
            missing.
        taxonomy : Taxonomy
            A node for each path and each of its ancestors.

        Raises
        ------
        TargetError
            For a gap, a missing label or one that is not a string. The message names the row.
        TaxonomyError
            If there are no nodes, or a parameter is invalid.

        Warns
        -----
        TaxonomyWarning
            If no path contains `sep`, if all begin with the same step, and if siblings differ only
            in case, blanks, or the Unicode form of their letters.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> labels, taxonomy = Taxonomy.from_paths(["a/x", "a/Other", "b/Other", "b"])
        >>> print(taxonomy)
        <root>
        ├── a
        │   ├── Other
        │   └── x
        └── b
            └── Other
        >>> taxonomy.leaves
        ('a/Other', 'a/x', 'b/Other')
        >>> labels, taxonomy = Taxonomy.from_paths(
        ...     ["all > a > x", "all > - > y"], " > ", root="all", missing=["-"], gaps="fill"
        ... )
        >>> taxonomy.root, taxonomy.to_levels(labels).tolist()
        ('all', [['a', 'x'], ['(all)', 'y']])
        """
        sep, gaps, clean = checked_sep(sep), checked_gaps(gaps), cleaner(strip, missing)
        labels = label_array(one_column(in_rows(y)))
        if labels.ndim != 1:
            raise TargetError(
                f"`y` must be 1-D for from_paths, got an array of shape {labels.shape}. "
                "For one column for each level use `from_levels`."
            )
        given = labels.tolist()
        tree, names_of = tree_of_paths(given, sep, clean=clean, gaps=gaps, root=root)
        taxonomy = cls._from_spelled(tree)
        warn_if_flat(given, sep, len(tree.children))
        _warn_about(tree, root)
        if any(label != name for label, name in names_of.items()):
            kind = object if labels.dtype.kind == "O" else None
            labels = np.array([names_of[label] for label in given], dtype=kind)
        return labels, taxonomy._titled_if(titles)

    @classmethod
    def from_levels(
        cls,
        Y: Target,
        sep: str = "/",
        *,
        root: Root = AUTO,
        gaps: Gaps = "error",
        missing: Missing | None = None,
        strip: bool = True,
        titles: Titles | None = None,
    ) -> tuple[Labels, Self]:
        """Build from one column for each level, or from ragged lists of steps.

        Paths that end early are padded with None, NaN or ``""``. A node is its whole path, named by
        its steps joined with `sep` (a `sep` within a step is preceded by a backslash); the steps
        themselves keep their types and come back from :meth:`to_levels`.

        Parameters
        ----------
        Y : array-like, shape (n_samples, n_levels), DataFrame, or list of lists
            Steps of each path from the top.
        sep : str, default="/"
            Separator of the steps in the names.
        root : hashable or None, default=auto
            The first step of all paths, which becomes the root instead of a class. By default, and
            with None, all steps are classes; None suppresses the warning if all paths begin with
            the same step. See :ref:`root-rule`.
        gaps : {"error", "skip", "fill"}, default="error"
            Treatment of missing steps before the end of a path. ``"skip"`` leaves them out, so that
            the path is shorter. ``"fill"`` inserts a step named after its parent, in parentheses:
            ``["a", None, "x"]`` becomes ``["a", "(a)", "x"]``, and a missing first step
            ``"(root)"``; a real step of this name at the same position is an error. See :ref:`the
            guide <gaps>`.
        missing : collection or callable, default=None
            Further steps that mean no label, such as ``["c__", "-", "unclassified"]``, or a
            function that tests for them.
        strip : bool, default=True
            Whether to strip blanks (including non-breaking blanks and invisible marks) from the
            ends of steps.
        titles : mapping or sequence of str, default=None
            Words for readers; see :meth:`~sklhier.Taxonomy.with_titles`.

        Returns
        -------
        labels : ndarray of str, shape (n_samples,)
            Names of the deepest nodes, to pass to ``fit`` together with the taxonomy.
        taxonomy : Taxonomy
            A node for each path and each of its ancestors.

        Raises
        ------
        TargetError
            For a gap or an empty row. The message names the row.
        TaxonomyError
            If there are no nodes, or a parameter is invalid.

        Warns
        -----
        TaxonomyWarning
            If all paths begin with the same step, and if siblings differ only in case, blanks, or the
            Unicode form of their letters.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> labels, taxonomy = Taxonomy.from_levels([["a", 1], ["a", 2], ["b", None]])
        >>> labels
        array(['a/1', 'a/2', 'b'], dtype='<U3')
        >>> taxonomy.to_levels(labels)
        array([['a', 1],
               ['a', 2],
               ['b', None]], dtype=object)
        >>> rows = [["a", "-", "x"], ["a", "k ", "y"]]
        >>> Taxonomy.from_levels(rows, missing=["-"], gaps="fill", root=None)[0]
        array(['a/(a)/x', 'a/k/y'], dtype='<U7')
        >>> Taxonomy.from_levels(rows, missing=["-"], gaps="skip", root=None)[0]
        array(['a/x', 'a/k/y'], dtype='<U5')
        """
        sep, gaps, clean = checked_sep(sep), checked_gaps(gaps), cleaner(strip, missing)
        columns, codes = factorize_levels(in_rows(Y))
        tree, node_of_row = tree_of_columns(columns, codes, sep, clean=clean, gaps=gaps, root=root)
        taxonomy = cls._from_spelled(tree)
        _warn_about(tree, root)
        texts = ["" if node == tree.root else name for node, name in enumerate(tree.names)]
        return np.array(texts)[node_of_row], taxonomy._titled_if(titles)

    @classmethod
    def _from_spelled(cls, tree: Spelled) -> Self:
        return cls(
            tree.names,
            tree.parents,
            tree.children,
            steps=tree.steps,
            root=tree.root,
            artificial_root=tree.root is None,
        )

    @classmethod
    def flat(
        cls, labels: Iterable[object], *, root: Root = AUTO, titles: Titles | None = None
    ) -> Self:
        """Build a tree of one level, with every distinct label below the root.

        Parameters
        ----------
        labels : iterable of hashable
            The classes, possibly repeated; they are sorted.
        root : hashable or None, default=auto
            Name of the root; by default, and with None, an artificial one.
        titles : mapping or sequence of str, default=None
            Words for readers; see :meth:`~sklhier.Taxonomy.with_titles`.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> Taxonomy.flat(["b", "a", "b"]).leaves
        ('a', 'b')
        """
        listed = list(labels) if isinstance(labels, set | frozenset) else labels
        names = sorted_names(values_of_labels(listed))
        if root is AUTO or root is None:
            return cls(names, [], [], artificial_root=True, titles=titles)
        root = checked_names([root], "as the root")[0]
        if root in names:
            raise TargetError.names_root(root)
        below = range(1, len(names) + 1)
        return cls([root, *names], [0] * len(names), below, root=0, titles=titles)

    @classmethod
    def induce(
        cls,
        X: Features,
        y: Iterable[object],
        n_groups: int | None = None,
        *,
        method: str = "balanced_kmeans",
        random_state: RandomState = 0,
    ) -> Self:
        """Build a tree of two levels from groups of similar classes.

        Classes are similar if the means of their samples are close. The purpose is speed: with
        thousands of classes, a classifier for each group is fitted faster than one for all classes.
        If there is a tree made by people from the meaning of the classes, it is better.

        Parameters
        ----------
        X : array-like or sparse matrix of numbers, shape (n_samples, n_features)
            Training samples. Columns should have a common scale, such as TF-IDF or standardised
            features, since distances are Euclidean. A sparse X stays sparse.
        y : array-like, shape (n_samples,)
            The class of each sample, with at least three distinct classes.
        n_groups : int, default=None
            Number of groups, from 2 to the number of classes minus 1; by default the square root of
            the number of classes, rounded.
        method : {"balanced_kmeans", "ward"}, default="balanced_kmeans"
            ``"balanced_kmeans"`` [1]_ splits the classes in two by 2-means with equal sizes, and
            splits the parts again: group sizes differ by at most one class. ``"ward"`` merges the
            two groups whose variance grows least; groups may be of any size, and the distances of
            all pairs of classes must fit in memory.
        random_state : int, RandomState instance or None, default=0
            Seed of the initial centres of ``"balanced_kmeans"``; ``"ward"`` uses no random numbers.

        Returns
        -------
        taxonomy : Taxonomy
            A tree. The groups are called ``"<group 1>"``, ``"<group 2>"``, ... in the order of their
            first classes; leaves are the classes.

        Raises
        ------
        TaxonomyError
            For labels that cannot name a node.
        TargetError
            For labels named like a group.
        ValueError
            For fewer than three classes, `n_groups` outside its range, an invalid `method`, and an
            X that is not numeric or has the wrong length.

        Notes
        -----
        The tree is learnt from labels. For honest scores, induce it from the training
        rows of each fold only.

        References
        ----------
        .. [1] Y. Prabhu, A. Kag, S. Harsola, R. Agrawal, M. Varma. Parabel: partitioned label trees
           for extreme classification. WWW (2018). Here lengths are not normalised, and the number
           of groups need not be a power of two.

        Examples
        --------
        >>> from sklhier import Taxonomy
        >>> X = [[0.0, 1.0], [0.1, 1.0], [5.0, 0.0], [5.0, 0.3]]
        >>> taxonomy = Taxonomy.induce(X, ["owl", "wren", "eel", "ray"], n_groups=2)
        >>> taxonomy.to_dict(nested=True)
        {'<group 1>': {'eel': {}, 'ray': {}}, '<group 2>': {'owl': {}, 'wren': {}}}
        """
        values = values_of_labels(y)
        classes = sorted_names(values)
        if len(classes) < 3:
            raise ValueError(f"`y` must have three classes or more, got {len(classes)}.")
        check_choice("method", method, METHODS)
        number = max(2, round(len(classes) ** 0.5)) if n_groups is None else n_groups
        check_scalar(number, "n_groups", Integral, min_val=2, max_val=len(classes) - 1)
        groups = [f"<group {i + 1}>" for i in range(number)]
        index = {name: i for i, name in enumerate(classes)}
        for name in groups:
            if name in index:
                raise TargetError(f"No label may be named like a group, got {shown(name)}.")
        X = check_array(X, accept_sparse="csr", dtype=np.float64)
        codes = np.fromiter(map(index.__getitem__, values), dtype=np.intp, count=len(values))
        check_consistent_length(X, codes)
        means = class_means(X, codes, len(classes))
        found = grouped_classes(means, number, method, check_random_state(random_state))
        above = (found + len(classes)).astype(np.int32)
        below = range(len(classes))
        return cls([*classes, *groups], above, below, artificial_root=True)


def _warn_about(tree: Spelled, root: Root) -> None:
    edges = (tree.parents, tree.children)
    warn_about_levels(tree.names, tree.steps, edges, constant=root is AUTO)
