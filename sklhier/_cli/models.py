"""Models: made of parts that are chosen by name, saved whole, loaded with care."""

from __future__ import annotations

import importlib.util
import pickle
import struct
import zipfile
import zlib
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import Any

import joblib
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier._cli.columns import Columns
from sklhier._cli.console import CommandError, UsageError, listed
from sklhier._cli.files import replacing
from sklhier._utils.digests import kept_digests, n_known
from sklhier.persistence import trusted_types
from sklhier.strategies import PerParent

__all__ = [
    "DECODERS",
    "ESTIMATORS",
    "SET_DECODERS",
    "STRATEGIES",
    "check_format",
    "classifier_of",
    "columns_of",
    "gives_sets",
    "keep_rows",
    "load",
    "missing_columns",
    "n_kept",
    "new_model",
    "save",
    "told_features",
]

ESTIMATORS: dict[str, Callable[[int], Any]] = {
    "sgd": lambda seed: SGDClassifier(loss="log_loss", alpha=1e-5, random_state=seed),
    "linear": lambda _: None,  # the default of the classifiers
    "linear_svc": lambda seed: LinearSVC(random_state=seed),
    "forest": lambda seed: RandomForestClassifier(random_state=seed),
    "extra_trees": lambda seed: ExtraTreesClassifier(random_state=seed),
}
# Characters of a text, on average, up to which pieces of words are features: on held-out training
# rows they gained with 20 to 50, lost with 330 and take three times the time.
_SHORT = 150
STRATEGIES = ("per_parent", "per_node", "per_level", "ensemble", "flat", "auto")
DECODERS = ("best_path", "top_down", "level_weighted", "hierarchical_f", "threshold", "climbing")
SET_DECODERS = ("threshold", "expected_f1", "maximum_closure")
# What base estimators above hold beside types that skops knows.
_OF_BASES = {"sklearn.tree._tree.Tree"}
_PICKLES = (".joblib", ".pkl", ".pickle")
# What reading a file that is no model, or a damaged one, may raise.
_NO_MODEL = (
    AttributeError, EOFError, ImportError, KeyError, IndexError, MemoryError, OSError, OverflowError,
    AssertionError, RuntimeError, TypeError, ValueError, pickle.UnpicklingError, struct.error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
# Attributes of the Pipeline: the columns of the table, and digests of its rows.
_SAVED_AS, _ROWS = "command_", "command_rows_"


def new_model(options: Namespace, columns: Columns, taxonomy: Taxonomy, X: Any) -> Pipeline:
    """Return a model that is to be fitted to samples such as X."""
    classifier = _classifier(options, taxonomy, has_sets=columns.label_sep is not None)
    words = _words(X if columns.has_text_alone else X[:, 0] if columns.text else ())
    if columns.has_text_alone:
        model = make_pipeline(words, classifier)
    else:
        model = make_pipeline(_features(columns, words), classifier)
    setattr(model, _SAVED_AS, columns.to_saved())
    return model


def _words(texts: Sequence[str]) -> Any:
    """Return what makes numbers of texts: words and pairs of words, of short texts pieces as well."""
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    if sum(map(len, texts)) > _SHORT * len(texts):
        return words
    pieces = TfidfVectorizer(sublinear_tf=True, ngram_range=(3, 4), analyzer="char_wb")
    return make_union(words, pieces)


def told_features(model: Pipeline) -> str:
    """Return what the features of a model are, as text."""
    first = model[0]
    if not isinstance(first, ColumnTransformer):
        return _told_words(first)
    words = [_told_words(part) for name, part, _ in first.transformers if name == "text"]
    return ", ".join([*words, "columns"])


def _told_words(words: Any) -> str:
    is_union = isinstance(words, FeatureUnion)
    return "words, pairs and pieces of words" if is_union else "words and pairs of words"


def _features(columns: Columns, words: Any) -> ColumnTransformer:
    """Return what makes numbers of a table as :func:`~sklhier._cli.columns.features` gives it."""
    parts: list[tuple[str, Any, Any]] = [("text", words, 0)] if columns.text else []
    start = len(parts)
    if columns.numeric:
        fill = SimpleImputer(strategy="median", keep_empty_features=True)
        where = list(range(start, start + len(columns.numeric)))
        parts.append(("numeric", make_pipeline(fill, StandardScaler()), where))
        start += len(where)
    if columns.categorical:
        where = list(range(start, start + len(columns.categorical)))
        parts.append(("categorical", OneHotEncoder(handle_unknown="ignore"), where))
    return ColumnTransformer(parts, sparse_threshold=1.0 if columns.text else 0.3)


def _classifier(options: Namespace, taxonomy: Taxonomy, *, has_sets: bool) -> Any:
    common = {
        "estimator": ESTIMATORS[options.estimator](options.seed),
        "taxonomy": taxonomy,
        "n_jobs": options.jobs,
        "verbose": options.verbose,
    }
    strategy = options.strategy
    if has_sets:
        decoder = options.decoder or "threshold"
        return HierarchicalMultiLabelClassifier(strategy=strategy, decoder=decoder, **common)
    if strategy == "per_parent":
        strategy = PerParent(stop="learn")
    decoder = options.decoder or "best_path"
    return HierarchicalClassifier(strategy=strategy, decoder=decoder, **common)


def classifier_of(model: Any) -> Any:
    """Return the classifier at the end of a model."""
    return model[-1]


def columns_of(model: Pipeline) -> Columns | None:
    """Return the columns that a model was trained on; None if the command did not save it."""
    saved = getattr(model, _SAVED_AS, None)
    return None if saved is None else Columns.from_saved(saved)


def keep_rows(model: Pipeline, X: Any) -> None:
    """Let a model know again the rows that it was fitted to."""
    setattr(model, _ROWS, kept_digests(_as_texts(X)))


def n_kept(model: Pipeline, X: Any) -> int:
    """Return about how many rows a model was fitted to; 0 if the command did not save it."""
    return n_known(_as_texts(X), getattr(model, _ROWS, None))


def _as_texts(X: Any) -> list[str]:
    return X if isinstance(X, list) else ["\x1f".join(map(str, row)) for row in X.tolist()]


def gives_sets(model: Any) -> bool:
    """Whether a model answers with several labels."""
    return not hasattr(classifier_of(model), "predict_levels")


# -- files --------------------------------------------------------------------------------


def check_format(path: str, form: str | None) -> str:
    """Return the format in which a model is saved: that of `form`, or of the end of the name."""
    form = form or ("joblib" if PurePath(path).suffix.lower() in _PICKLES else "skops")
    if form == "skops" and importlib.util.find_spec("skops") is None:
        raise UsageError(
            f"Saving {path} needs skops, which is not installed: pip install skops. Or add "
            "--format joblib: a pickle, which can run any code when it is loaded."
        )
    return form


def save(model: Pipeline, path: str, form: str) -> None:
    """Save a model; an older file of that name is replaced when the new one is whole."""
    with replacing(path) as part:
        if form == "skops":
            from skops import io

            io.dump(model, part, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
        else:
            joblib.dump(model, part, compress=3)


def load(options: Namespace) -> Any:
    """Load the model that ``--model`` names.

    Raises
    ------
    CommandError
        If the file holds no fitted classifier of this package, or holds what is not trusted.
    """
    path = options.model
    start = _first_bytes(path)
    loader = _load_skops if start.startswith(b"PK") else _load_pickle
    try:
        model = loader(path, options)
    except _NO_MODEL as error:
        text = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise CommandError(
            f"{path} is damaged or not a model: {text}. Train it again with `train --out`."
        ) from error
    if hasattr(model, "taxonomy_"):
        model = make_pipeline("passthrough", model)
    if not isinstance(model, Pipeline) or not hasattr(model[-1], "taxonomy_"):
        raise CommandError(
            f"{path} holds a {type(model).__name__}; a fitted classifier of sklhier is needed, "
            "alone or at the end of a Pipeline."
        )
    return model


def _first_bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as opened:
            start = opened.read(4)
    except OSError as error:
        raise CommandError(
            f"The model {path} cannot be read: {error.strerror or error}. Save one with "
            "`train --out`."
        ) from error
    if not start:
        raise CommandError(f"The model {path} is empty. Train it again with `train --out`.")
    return start


def _load_skops(path: str, options: Namespace) -> Any:
    if importlib.util.find_spec("skops") is None:
        raise CommandError(f"Loading {path} needs skops: pip install skops.")
    from skops import io

    known = {*trusted_types(), *_OF_BASES, *(options.trust or ())}
    found = io.get_untrusted_types(file=path)
    unknown = sorted(set(found) - known)
    if unknown:
        raise CommandError(
            f"{path} holds types that are not known to be safe: {listed(unknown, 5)}. If you trust "
            f"the source of the file: --trust {' '.join(unknown[:5])}"
        )
    return io.load(path, trusted=found)


def _load_pickle(path: str, options: Namespace) -> Any:
    if not options.allow_pickle:
        raise CommandError(
            f"{path} is not a skops file. It may be a pickle, as written by joblib, and loading a "
            "pickle can run any code. If you trust its source, add --allow-pickle."
        )
    return joblib.load(path)


def missing_columns(columns: Columns | None) -> Sequence[str]:
    """Return the features beside texts that a question in words does not give."""
    return () if columns is None else (*columns.numeric, *columns.categorical)
