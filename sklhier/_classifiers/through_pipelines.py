"""Predictions beyond scikit-learn's, of a classifier at the end of Pipelines and searches."""

from __future__ import annotations

from typing import Any

from sklhier._utils.pipelines import call_classifier, classifier_and_samples, classifier_within
from sklhier._utils.typing import Floats, Labels, Objects

__all__ = [
    "decode",
    "predict_frame",
    "predict_levels",
    "predict_node_proba",
    "predict_set",
    "predict_top_k",
]


def predict_frame(
    model: Any,
    X: Any,
    top_k: int = 1,
    *,
    groups: Any = None,
    allowed: Any = None,
    output: str = "pandas",
) -> Any:
    """Answers and their probabilities as a table.

    Parameters
    ----------
    model : estimator
        A fitted classifier of this package, or a Pipeline or search that ends in one. The steps
        before it transform X.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples, as the Pipeline takes them.
    top_k : int, default=1
        Rows for each sample.
    groups : array-like, shape (n_samples,), default=None
        Groups of the samples, of a classifier for one path with the decoder ``Conformal``.
    allowed : list of labels, list of lists of labels, or table, default=None
        Allowed answers.
    output : {"pandas", "polars", "arrays"}, default="pandas"
        The kind of table.

    Returns
    -------
    table : pandas.DataFrame, polars.DataFrame or dict of str to ndarray
        As returned by :meth:`HierarchicalClassifier.predict_frame` or
        :meth:`HierarchicalMultiLabelClassifier.predict_frame`. The column ``row`` has the index of
        X as passed to this function.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    ValueError
        For an unsupported estimator, such as ``CalibratedClassifierCV``; and errors of the method
        itself.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> import sklhier
    >>> y, taxonomy = sklhier.Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])
    >>> model = make_pipeline(TfidfVectorizer(), sklhier.HierarchicalClassifier(taxonomy=taxonomy))
    >>> model = model.fit(["cat food", "dog food", "car tyres"], y)
    >>> table = sklhier.predict_frame(model, ["food for my dog"], output="arrays")
    >>> table["label"], table["stop"]
    (array(['pet/dog'], dtype='<U7'), array(['leaf'], dtype=object))
    """
    classifier, inside = classifier_and_samples(model, X)
    answered = classifier._answered(inside, top_k, groups, allowed, output)
    return classifier._frame(answered, X, output)


def predict_node_proba(
    model: Any, X: Any, *, dtype: Any = None, out: Any = None, allowed: Any = None
) -> Floats:
    """Probability of every node of the taxonomy.

    Parameters
    ----------
    model : estimator
        A fitted classifier of this package, or a Pipeline or search that ends in one.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples, as the Pipeline takes them.
    dtype, out, allowed
        As in :meth:`HierarchicalClassifier.predict_node_proba`.

    Returns
    -------
    node_proba : ndarray of float64 or float32, shape (n_samples, n_nodes)
        Columns as in ``taxonomy_.nodes`` of the classifier.

    Raises
    ------
    NotFittedError, ValueError
        As :func:`predict_frame`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> import sklhier
    >>> y, taxonomy = sklhier.Taxonomy.from_paths(["a/x", "a/y", "b"])
    >>> classifier = sklhier.HierarchicalClassifier(taxonomy=taxonomy)
    >>> model = make_pipeline(StandardScaler(), classifier).fit(np.eye(3), y)
    >>> sklhier.predict_node_proba(model, np.eye(3)).shape
    (3, 5)
    """
    params = {"dtype": dtype, "out": out, "allowed": allowed}
    proba: Floats = call_classifier(model, "predict_node_proba", X, **params)
    return proba


def predict_top_k(model: Any, X: Any, k: int = 5, *, allowed: Any = None) -> tuple[Labels, Floats]:
    """Most probable answers, the best first.

    Parameters
    ----------
    model : estimator
        A fitted classifier of this package for one path, or a Pipeline or search that ends in one.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples, as the Pipeline takes them.
    k, allowed
        As in :meth:`HierarchicalClassifier.predict_top_k`.

    Returns
    -------
    labels : ndarray, shape (n_samples, k)
    proba : ndarray of float64, shape (n_samples, k)

    Raises
    ------
    NotFittedError, ValueError
        As :func:`predict_frame`.
    AttributeError
        If the classifier predicts sets of labels: use :func:`predict_frame` with `top_k`.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> import sklhier
    >>> y, taxonomy = sklhier.Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])
    >>> model = make_pipeline(TfidfVectorizer(), sklhier.HierarchicalClassifier(taxonomy=taxonomy))
    >>> model = model.fit(["cat food", "dog food", "car tyres"], y)
    >>> labels, proba = sklhier.predict_top_k(model, ["new tyres for a dog"], k=2)
    >>> labels, proba.round(1)
    (array([['car', 'pet/dog']], dtype='<U7'), array([[0.7, 0.3]]))
    """
    found: tuple[Labels, Floats] = call_classifier(model, "predict_top_k", X, k=k, allowed=allowed)
    return found


def predict_levels(model: Any, X: Any, groups: Any = None, *, allowed: Any = None) -> Objects:
    """Paths, one column for each level.

    Parameters
    ----------
    model : estimator
        A fitted classifier of this package for one path, or a Pipeline or search that ends in one.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples, as the Pipeline takes them.
    groups, allowed
        As in :meth:`HierarchicalClassifier.predict_levels`.

    Returns
    -------
    levels : ndarray of object, shape (n_samples, n_levels)
        Steps from the first level down, padded with None.

    Raises
    ------
    NotFittedError, ValueError
        As :func:`predict_frame`.
    AttributeError
        If the classifier predicts sets of labels.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> import sklhier
    >>> y, taxonomy = sklhier.Taxonomy.from_paths(["pet/cat", "pet/dog", "car"])
    >>> model = make_pipeline(TfidfVectorizer(), sklhier.HierarchicalClassifier(taxonomy=taxonomy))
    >>> model = model.fit(["cat food", "dog food", "car tyres"], y)
    >>> sklhier.predict_levels(model, ["food for my dog", "car for sale"])
    array([['pet', 'dog'],
           ['car', None]], dtype=object)
    """
    params = {"groups": groups, "allowed": allowed}
    levels: Objects = call_classifier(model, "predict_levels", X, **params)
    return levels


def predict_set(model: Any, X: Any, **params: Any) -> Any:
    """Prediction sets that contain the true label at a confidence level.

    Parameters
    ----------
    model : estimator
        A fitted classifier of this package that has ``predict_set``, or a Pipeline or search that
        ends in one.
    X : array-like, sparse matrix, DataFrame or list, length n_samples
        Samples, as the Pipeline takes them.
    **params
        Parameters of the method.

    Returns
    -------
    sets : object
        As the method returns them.

    Raises
    ------
    NotFittedError, ValueError
        As :func:`predict_frame`.
    AttributeError
        If the classifier has no such method.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> import sklhier
    >>> from sklhier.datasets import make_hierarchical_classification
    >>> X, y, taxonomy = make_hierarchical_classification(300, noise=2.0, random_state=0)
    >>> classifier = sklhier.HierarchicalClassifier(taxonomy=taxonomy, decoder="conformal")
    >>> model = make_pipeline(StandardScaler(), classifier).fit(X[:200], y[:200])
    >>> sets = sklhier.predict_set(model, X[200:], confidence_level=0.9)
    >>> bool(np.mean([label in found for label, found in zip(y[200:], sets)]) > 0.8)
    True
    """
    return call_classifier(model, "predict_set", X, **params)


def decode(model: Any, node_proba: Any, decoder: Any = None, *, allowed: Any = None) -> Any:
    """Labels from node probabilities, without calling the models again.

    Parameters
    ----------
    model : estimator
        A fitted classifier of this package, or a Pipeline or search that ends in one.
    node_proba : array-like of float, shape (n_samples, n_nodes)
        As returned by :func:`predict_node_proba`; no step transforms it.
    decoder, allowed
        As in :meth:`HierarchicalClassifier.decode`.

    Returns
    -------
    y : ndarray, shape (n_samples,), or in the format of the training labels
        Labels.

    Raises
    ------
    NotFittedError, ValueError
        As :func:`predict_frame`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> import sklhier
    >>> y, taxonomy = sklhier.Taxonomy.from_paths(["a/x", "a/y", "b"])
    >>> classifier = sklhier.HierarchicalClassifier(taxonomy=taxonomy)
    >>> model = make_pipeline(StandardScaler(), classifier).fit(np.eye(3), y)
    >>> node_proba = [[1.0, 0.9, 0.1, 0.5, 0.4]]  # of the root, a, b, a/x and a/y
    >>> sklhier.decode(model, node_proba), sklhier.decode(model, node_proba, "threshold")
    (array(['a/x'], dtype='<U3'), array(['a'], dtype=object))
    """
    return classifier_within(model).decode(node_proba, decoder, allowed=allowed)
