"""A Pipeline whose transformers also see the rows that describe nodes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import _num_samples, check_consistent_length

from sklhier._classifiers.node_rows import rows_and_names
from sklhier._utils.rows import framed, stacked, take_rows
from sklhier.exceptions import IncompatiblePartsError

__all__ = ["NodeRowsPipeline"]


class NodeRowsPipeline(Pipeline):
    """A Pipeline that also learns from rows that describe nodes, such as names of classes.

    ``fit`` fits the transformers to X and these rows together, so that a vectorizer knows the words
    of both, and passes the transformed rows to the last step as its parameter `node_rows`. Otherwise
    it works like :class:`~sklearn.pipeline.Pipeline`; in searches and cross-validation every
    training part has all the rows.

    Parameters
    ----------
    steps : list of (str, estimator)
        Transformers that learn without y, and a :class:`~sklhier.HierarchicalClassifier` or
        :class:`~sklhier.HierarchicalMultiLabelClassifier`.
    node_rows : mapping or (rows, names), default=None
        A mapping from names of nodes to one or more rows, or a pair of rows and the name of the node
        of each. Rows have the format of X for the first step: texts, or rows of a table.
    transform_input : list of str, default=None
        As in a Pipeline.
    memory : str or joblib.Memory, default=None
        Where fitted transformers are cached.
    verbose : bool, default=False
        As in a Pipeline.

    Raises
    ------
    IncompatiblePartsError
        In ``fit``, if the last step has no parameter `node_rows`, or for fit parameters of other
        steps.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklhier import HierarchicalClassifier, NodeRowsPipeline, Taxonomy
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["ray", "eel"]})
    >>> texts, y = ["an owl hoots", "a ray swims", "an eel swims"], ["owl", "ray", "eel"]
    >>> classifier = HierarchicalClassifier(LogisticRegression(C=10), taxonomy=taxonomy)
    >>> steps = [("tfidf", TfidfVectorizer()), ("classifier", classifier)]
    >>> titles = {"bird": "birds with wings", "wren": "wren, a bird that sings"}
    >>> model = NodeRowsPipeline(steps, node_rows=titles).fit(texts, y)
    >>> model.predict(["it has wings and sings"])
    array(['wren'], dtype='<U4')
    """

    steps: list[tuple[str, Any]]

    def __init__(
        self,
        steps: Any,
        *,
        node_rows: Any = None,
        transform_input: Any = None,
        memory: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(steps, transform_input=transform_input, memory=memory, verbose=verbose)
        self.node_rows = node_rows

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit all steps, the transformers to both X and the rows that describe nodes.

        Parameters
        ----------
        X : array-like, sparse matrix, DataFrame or list, length n_samples
            Samples, as the first step takes them.
        y : array-like, default=None
            Labels, as the last step takes them.
        **params : dict
            Fit parameters of the last step: ``<name>__<parameter>``, or those that it requests where
            metadata routing is enabled.

        Returns
        -------
        self : NodeRowsPipeline
            The fitted Pipeline.
        """
        rows, names = ([], []) if self.node_rows is None else rows_and_names(self.node_rows)
        if not names:
            super().fit(X, y, **params)
            return self
        name, last = self.steps[-1]
        if "node_rows" not in getattr(last, "get_params", dict)():
            raise IncompatiblePartsError.needs(
                "NodeRowsPipeline",
                "a last step with the parameter node_rows",
                f"{type(last).__name__} has none",
                "Use HierarchicalClassifier or HierarchicalMultiLabelClassifier.",
            )
        own = self._params_of(name, params)
        check_consistent_length(rows, names)
        n_samples = _num_samples(X)
        if len(self.steps) > 1:
            before = Pipeline(self.steps[:-1], memory=self.memory, verbose=self.verbose)
            both = before.fit_transform(stacked(X, framed(rows, X)))
            self.steps = [
                *before.steps,
                self.steps[-1],
            ]  # a memory has replaced them by fitted ones
            X = take_rows(both, np.arange(n_samples))
            rows = take_rows(both, np.arange(n_samples, n_samples + len(names)))
        last.set_params(node_rows=(rows, names)).fit(X, y, **own)
        return self

    def _params_of(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the fit parameters of the last step; refuse those of others."""
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **params)
            others = [
                key
                for step, _ in self.steps[:-1]
                for method in ("fit", "transform", "fit_transform")
                for key in routed[step].get(method, {})
            ]
            own = dict(routed[name]["fit"])
        else:
            prefix = f"{name}__"
            others = [key for key in params if not key.startswith(prefix)]
            own = {key.removeprefix(prefix): value for key, value in params.items()}
        if others:
            raise IncompatiblePartsError.needs(
                f"The fit parameter {others[0]!r}",
                "entries for the rows that describe nodes",
                "it has none",
                f"Pass parameters to the last step alone, as {name}__<parameter>.",
            )
        return own
