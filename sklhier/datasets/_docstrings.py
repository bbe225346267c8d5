"""A text corpus that needs no download: the docstrings of four installed libraries.

The steps, each a pure function of the one before:

    public modules -> public objects -> labelled texts -> texts in classes that are large enough
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from sklhier._utils.typing import Labels, Objects
from sklhier.taxonomy import Taxonomy

__all__ = ["load_docstrings"]

_PACKAGES = ("networkx", "numpy", "scipy", "sklearn")
_N_LEVELS = 3
# Five, so that a stratified five-fold split finds every class in every fold.
_SMALLEST_MODULE = 5
_SMALLEST_SUBMODULE = 8
# A module with more than this share of its texts outside any submodule is not divided at all.
_LARGEST_REMAINDER = 1 / 3
# In characters: about one sentence.
_SHORTEST_TEXT = 100

# Modules without an underscore that are nevertheless not documented for users: tests, code of
# other projects, second names of another public module, and modules that act when imported.
_SKIPPED_MODULES = frozenset(
    [
        "array_api",
        "array_api_compat",
        "compat",
        "conftest",
        "core",
        "cython_special",
        "distutils",
        "estimator_checks",
        "experimental",
        "externals",
        "f2py",
        "fixes",
        "lapack_lite",
        "matlib",
        "misc",
        "mypy_plugin",
        "setup",
        "testing",
        "tests",
        "testutils",
        "user_array",
    ]
)
# Public only once `sklearn.experimental` was imported: left out, so that the corpus does not
# depend on what the caller imported before.
_EXPERIMENTAL = frozenset({"HalvingGridSearchCV", "HalvingRandomSearchCV", "IterativeImputer"})


class _Entry(NamedTuple):
    """A documented object; `aliases` are all its names, `home` where it is defined."""

    module: str
    name: str
    value: Any
    home: str
    aliases: frozenset[str]


class _Text(NamedTuple):
    """A cleaned text, its path in the taxonomy and the qualified name of its object."""

    text: str
    path: tuple[str, ...]
    name: str


# ---------------------------------------------------------------------------------------------
# Public modules and objects


def _public_modules(name: str) -> Iterator[ModuleType]:
    """Yield the module `name` and its public submodules, parents first, sorted."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        # The submodule serves an optional dependency that is not installed.
        return
    yield module
    children = pkgutil.iter_modules(getattr(module, "__path__", []))
    for child in sorted(info.name for info in children):
        if not child.startswith("_") and child not in _SKIPPED_MODULES:
            yield from _public_modules(f"{name}.{child}")


def _home(value: Any) -> str:
    """Return the name of the module that defines `value`, "" if it is unknown."""
    if isinstance(value, np.ufunc):
        return ""
    function = value if inspect.isclass(value) else inspect.unwrap(value)
    # Libraries overwrite `__module__` to hide private modules; `__globals__` is what it was.
    scope = getattr(function, "__globals__", {})
    return str(scope.get("__name__") or getattr(function, "__module__", None) or "")


def _is_documented(value: object) -> bool:
    """Whether `value` is callable and has a docstring of its own."""
    own_docstring = hasattr(value, "__name__") or "__doc__" in getattr(value, "__dict__", {})
    return callable(value) and own_docstring and isinstance(getattr(value, "__doc__", None), str)


def _exports(module: ModuleType) -> Iterator[tuple[str, Any, str]]:
    """Yield name, object and home of what `module` offers."""
    package = module.__name__.partition(".")[0]
    listed = getattr(module, "__all__", None)
    # `vars`, not `getattr`: deprecated names answer only to the latter, with a warning.
    members = vars(module)
    for name in sorted(set(members if listed is None else listed)):
        value = members.get(name)
        if name.startswith("_") or name in _EXPERIMENTAL or not _is_documented(value):
            continue
        home = _home(value)
        # Without `__all__`, what a module imports for its own use is not an export.
        owner = package if listed is not None else module.__name__
        if f"{home}.".startswith(f"{owner}.") or (listed is not None and not home):
            yield name, value, home


def _public_objects(modules: Iterable[ModuleType]) -> list[_Entry]:
    """Return each public object once, under the shortest module path that exports it."""
    found: dict[int, list[tuple[str, str, Any, str]]] = {}
    for module in modules:
        for name, value, home in _exports(module):
            found.setdefault(id(value), []).append((module.__name__, name, value, home))
    entries = []
    for exports in found.values():
        module_name, name, value, home = min(exports, key=_preference)
        aliases = {export[1] for export in exports} | {str(getattr(value, "__name__", name))}
        entries.append(_Entry(module_name, name, value, home, frozenset(aliases)))
    return sorted(entries, key=lambda entry: (entry.module, entry.name))


def _preference(export: tuple[str, str, object, str]) -> tuple[int, str, bool, str]:
    module_name, name, value, _ = export
    return module_name.count("."), module_name, name != getattr(value, "__name__", name), name


def _methods(entry: _Entry) -> Iterator[_Entry]:
    """Yield the public methods of the class `entry` that its own module defines."""
    if not inspect.isclass(entry.value):
        return
    for name, value in inspect.getmembers_static(entry.value, inspect.isfunction):
        is_own = f"{value.__module__}.".startswith(f"{entry.module}.")
        if is_own and not name.startswith("_") and _is_documented(value):
            qualified = f"{entry.name}.{name}"
            yield _Entry(entry.module, qualified, value, entry.home, frozenset({name}))


# ---------------------------------------------------------------------------------------------
# Labels


def _steps(dotted: str) -> tuple[str, ...]:
    """Split a module path, each step written as a user would recognise it."""
    return tuple(
        step.strip("_").removesuffix("_impl").removesuffix("_py").removesuffix("_alg")
        for step in dotted.split(".")
    )


def _numpy_home(entry: _Entry) -> str:
    """Return the home of an object of numpy's top level, which compiled code does not have."""
    if isinstance(entry.value, np.ufunc):
        return "numpy.core.umath"
    if inspect.isclass(entry.value) and issubclass(entry.value, np.generic):
        return "numpy.core.numerictypes"
    if entry.home in ("", "numpy") or "multiarray" in entry.home:
        return "numpy.core.multiarray"
    return entry.home


def _path(entry: _Entry, branching_modules: frozenset[str]) -> tuple[str, ...]:
    """Return the place of `entry` in the taxonomy: one to three steps, the package first."""
    public = tuple(entry.module.split("."))
    if public == ("numpy",):
        return _steps(_numpy_home(entry))[:_N_LEVELS]
    if public[0] == "networkx":
        # Everything is exported at the top, under module names that users know.
        return _steps(entry.home)[:_N_LEVELS]
    if len(public) == 1:
        return _steps(entry.home)[:2]
    if entry.module in branching_modules and entry.home.startswith(f"{entry.module}."):
        return _steps(entry.home)[:_N_LEVELS]
    return public[:_N_LEVELS]


def _branching_modules(entries: Iterable[_Entry]) -> frozenset[str]:
    """Return the modules with a public submodule that is large enough to be a class.

    What such a module exports itself would be labelled by an inner node. The private module
    that defines it is a better label.
    """
    sizes = Counter(".".join(entry.module.split(".")[:_N_LEVELS]) for entry in entries)
    children = [name for name, size in sizes.items() if size >= _SMALLEST_SUBMODULE]
    return frozenset(name.rpartition(".")[0] for name in children if name.count(".") == 2)


def _merge_small_classes(texts: Sequence[_Text]) -> list[_Text]:
    """Merge small submodules into their module, and drop small modules."""
    sizes = Counter(text.path for text in texts)
    small = {path for path in sizes if len(path) == 3 and sizes[path] < _SMALLEST_SUBMODULE}
    paths = _undivided([text.path[:2] if text.path in small else text.path for text in texts])
    sizes = Counter(paths)
    return [
        text._replace(path=path)
        for text, path in zip(texts, paths, strict=True)
        if len(path) > 1 and sizes[path] >= _SMALLEST_MODULE
    ]


def _undivided(paths: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Cut to two steps the paths of modules whose submodules hold too little of them."""
    modules = [path[:2] for path in paths]
    totals = Counter(modules)
    remainders: Counter[tuple[str, ...]] = Counter(path for path in paths if len(path) == 2)
    whole = {m for m, total in totals.items() if remainders[m] > _LARGEST_REMAINDER * total}
    return [m if m in whole else path for m, path in zip(modules, paths, strict=True)]


# ---------------------------------------------------------------------------------------------
# Texts

_DROPPED_SECTIONS = frozenset({"see also", "references", "example", "examples", "methods"})
_UNDERLINE = re.compile(r"^\s*(-{3,}|={3,}|~{3,})\s*$")
_DROPPED_BLOCK = re.compile(
    r"\s*\.\.\s+(\[|_|\||(versionadded|versionchanged|deprecated|plot|code-block|testcode|seealso|"
    r"index|image|figure|only|autosummary|currentmodule)\s*::?)"
)
_DIRECTIVE = re.compile(r"\s*\.\.\s+[\w-]+::")
_SIGNATURE = re.compile(r"[\w.]+\(.*\)(\s*->.*)?", re.DOTALL)

_Replacement = str | Callable[[re.Match[str]], str]
"""The replacement of a match, as in :func:`re.sub`."""


def _keep_title(match: re.Match[str]) -> str:
    """Return the visible text of a cross-reference; targets name modules."""
    role, content = match.groups()
    title, has_target, _ = content.partition("<")
    if role in ("ref", "doc") and not has_target:
        return ""
    return title.strip().lstrip("~!")


_MARKUP: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (re.compile(r"https?://[^\s>`)]*"), ""),
    (re.compile(r":([\w:+-]+):`([^`]*)`"), _keep_title),
    (re.compile(r"`([^`<]+)<[^`>]*>`_*"), r"\1"),
    (re.compile(r"\[[^\]\s]+\]_"), ""),
    (re.compile(r"`+"), ""),
    # Said by every page of one library and by none of the others.
    (re.compile(r"(?:^|(?<=\.))[^.\n]*\bUser Guide\b[^.\n]*\.?", re.MULTILINE), ""),
    (re.compile(r"\*\*Array API Standard Support\*\*.*", re.DOTALL), ""),
    (re.compile(r"Additional backends implement this function.*", re.DOTALL), ""),
    # Addresses change from one process to the next.
    (re.compile(r"\bat 0x[0-9a-fA-F]+"), ""),
)
_PACKAGE_NAMES = re.compile(
    r"\b(?:\w*(?:numpy|scipy|sklearn|scikits?[-_ ]?learn|networkx)\w*|(?-i:np|nx)\b)",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Split a numpydoc docstring into titled sections; the first has no title."""
    title, body = "", list[str]()
    for line in lines:
        if _UNDERLINE.match(line) and body and body[-1].strip():
            next_title = body.pop().strip()
            yield title, body
            title, body = next_title, []
        else:
            body.append(line)
    yield title, body


def _without_blocks(lines: Iterable[str]) -> Iterator[str]:
    """Leave out doctests with their output, and directives that are not prose."""
    block_indent: int | None = None
    in_doctest = False
    for line in lines:
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if block_indent is not None and (not stripped or indent > block_indent):
            continue
        block_indent = indent if _DROPPED_BLOCK.match(line) else None
        in_doctest = ">>>" in line or (in_doctest and bool(stripped))
        if block_indent is None and not in_doctest:
            yield _DIRECTIVE.sub("", line)


def _paragraphs(docstring: str) -> Iterator[str]:
    """Yield the paragraphs of prose and of parameter descriptions, each on one line."""
    for position, (title, body) in enumerate(_sections(docstring.splitlines())):
        if title.lower() in _DROPPED_SECTIONS:
            continue
        paragraphs = re.split(r"\n\s*\n", "\n".join(_without_blocks(body)).strip())
        while position == 0 and paragraphs and _SIGNATURE.fullmatch(paragraphs[0].strip()):
            paragraphs.pop(0)
        yield from (" ".join(paragraph.split()) for paragraph in paragraphs)


def _without_module_path(module_names: frozenset[str], match: re.Match[str]) -> str:
    """Return a dotted name without the modules in front."""
    steps = match.group().split(".")
    while steps and steps[0] in module_names:
        steps.pop(0)
    return ".".join(steps)


def _clean_text(docstring: str, own_names: Iterable[str], module_names: frozenset[str]) -> str:
    """Return the prose of `docstring` without what would give its label away."""
    text = "\n".join(_paragraphs(docstring))
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    text = _DOTTED.sub(lambda match: _without_module_path(module_names, match), text)
    text = _PACKAGE_NAMES.sub("", text)
    for name in own_names:
        text = re.sub(rf"\b{re.escape(name)}\b", "", text, flags=re.IGNORECASE)
    return "\n".join(" ".join(line.split()) for line in text.split("\n") if line.strip())


# ---------------------------------------------------------------------------------------------
# The corpus


def _labelled_texts(
    entries: Iterable[_Entry], branching_modules: frozenset[str], module_names: frozenset[str]
) -> list[_Text]:
    """Clean and label the docstrings of `entries`, leaving out the shortest."""
    texts = []
    for entry in entries:
        docstring = inspect.cleandoc(entry.value.__doc__)
        text = _clean_text(docstring, entry.aliases, module_names)
        if len(text) >= _SHORTEST_TEXT:
            path = _path(entry, branching_modules)
            texts.append(_Text(text, path, f"{entry.module}.{entry.name}"))
    return texts


def _without_duplicates(texts: Iterable[_Text]) -> list[_Text]:
    """Keep the first of equal texts: copies would sit on both sides of a train-test split."""
    first: dict[str, _Text] = {}
    for text in texts:
        first.setdefault(text.text, text)
    return list(first.values())


def _gather() -> tuple[list[_Entry], frozenset[str]]:
    """Return all public objects, and the names that lead to them in dotted paths."""
    with warnings.catch_warnings():
        # Importing deprecated submodules warns; that is no concern of the caller.
        warnings.simplefilter("ignore")
        modules = [module for package in _PACKAGES for module in _public_modules(package)]
        entries = _public_objects(modules)
    steps = {step for module in modules for step in module.__name__.split(".")}
    return entries, frozenset(steps | {"np", "nx", "sp", "xp"})


@cache
def _corpus() -> tuple[_Text, ...]:
    """Gather the corpus, sorted by path and name."""
    if sys.flags.optimize > 1:
        raise RuntimeError(
            "Docstrings are not available: Python was started with -OO, which removes them. "
            "Start it without -OO, or with -O."
        )
    entries, module_names = _gather()
    branching_modules = _branching_modules(entries)
    texts = _without_duplicates(_labelled_texts(entries, branching_modules, module_names))
    sizes = Counter(text.path[:2] for text in texts)
    methods = [
        method
        for entry in entries
        if sizes[_path(entry, branching_modules)[:2]] < _SMALLEST_MODULE
        for method in _methods(entry)
    ]
    texts += _labelled_texts(methods, branching_modules, module_names)
    texts = _merge_small_classes(_without_duplicates(texts))
    return tuple(sorted(texts, key=lambda text: (text.path, text.name)))


_DESCRIPTION = """\
Docstrings of scientific Python libraries
-----------------------------------------

What the public functions and classes of {versions}
say about themselves, as installed. The task is to find where an object lives from its text.

:Number of texts: {n_texts}
:Number of classes: {n_classes}
:Levels: package, module, submodule
:Classes that are inner nodes: {n_inner}, with {n_inner_texts} texts

An object is counted once, at the shortest public module path that exports it. Names that would
give the answer away are removed: the object's own, those of the packages, module paths, links,
signatures, code examples, references and "See Also" sections. Numbers vary with the versions
installed; nothing is downloaded.
"""


def _describe(target: Labels, taxonomy: Taxonomy) -> str:
    """Return the text for the field ``DESCR``."""
    versions = [f"{name} {importlib.import_module(name).__version__}" for name in _PACKAGES]
    inner = ~np.isin(target, np.asarray(taxonomy.leaves))
    return _DESCRIPTION.format(
        versions=f"{', '.join(versions[:-1])} and {versions[-1]}",
        n_texts=len(target),
        n_classes=len(np.unique(target)),
        n_inner=len(np.unique(target[inner])),
        n_inner_texts=int(inner.sum()),
    )


def _frame(data: list[str], target: Labels, levels: Objects, names: list[str]) -> Any:
    """Return the corpus as a pandas DataFrame."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "load_docstrings(as_frame=True) needs pandas, which is not installed. Install it, or "
            "leave as_frame=False for a list of texts and an array of labels."
        ) from error
    columns = {f"level_{depth + 1}": column for depth, column in enumerate(levels.T)}
    return pd.DataFrame({"text": data, "target": target, **columns, "name": names})


def load_docstrings(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load docstrings of networkx, numpy, scipy and scikit-learn, labelled by module.

    Real texts with a real taxonomy (package, module, submodule) and without a download: they are
    gathered from the installed libraries, in a few seconds at the first call and from memory
    afterwards. There are about 4,000 texts in 150 classes, depending on the installed versions.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return `data` and `target` as pandas Series and add `frame`.

    Returns
    -------
    data : Bunch
        With the fields

        data : list of str, length n_samples, or Series
            The texts, sorted by label and by name. Shuffle before splitting them.
        target : ndarray of str, shape (n_samples,), or Series
            Labels such as ``"scipy/sparse/linalg"``, with two or three steps.
        levels : ndarray of object, shape (n_samples, 3)
            The same labels, a column for each level; None after the last step.
        names : list of str, length n_samples
            Qualified name of each object, such as ``"scipy.sparse.linalg.spsolve"``.
        target_names : list of str
            The distinct labels, sorted.
        taxonomy : Taxonomy
            The tree of all labels.
        frame : DataFrame, shape (n_samples, 6)
            Columns ``text``, ``target``, ``level_1`` to ``level_3`` and ``name``. Only if
            `as_frame` is True.
        DESCR : str
            A description.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    ImportError
        If `as_frame` is True and pandas is not installed.
    RuntimeError
        If Python was started with ``-OO``, which removes docstrings.

    Notes
    -----
    **Objects.** Functions, classes and other documented callables that a public module exports.
    Private, vendored and test modules are left out. Modules with too few of them to form a class
    contribute the public methods of their classes as well.

    **Labels.** The shortest public module path that exports the object, so that re-exports are
    counted once. Where that leaves objects beside submodules (``scipy.stats`` has
    ``scipy.stats.qmc``), the private module that defines an object becomes its submodule, without
    underscores: ``scipy/stats/morestats``. For networkx, which exports everything at the top, and
    for numpy's top level the defining module is the label: ``networkx/algorithms/flow``,
    ``numpy/lib/function_base``.

    **Small classes.** A submodule with fewer than 8 texts is merged into its module. A module left
    with more than a third of its texts outside any submodule is not divided. A module with fewer
    than 5 texts could only be merged into its package, which says too little, and is dropped. So
    some labels are inner nodes of the taxonomy (about one text in twelve); ``numpy.isin(target,
    taxonomy.leaves)`` marks the others.

    **Texts.** Summary, description, parameters, returns and notes, without the object's own
    name, names of the four packages, module paths, signatures, links, citations, code examples
    and version notes. Of equal texts one is kept; texts under 100 characters are left out.

    Examples
    --------
    >>> from sklhier.datasets import load_docstrings
    >>> corpus = load_docstrings()
    >>> len(corpus.data) == len(corpus.target) == len(corpus.names)
    True
    >>> corpus.taxonomy.path("scipy/sparse/linalg")
    ('scipy', 'scipy/sparse', 'scipy/sparse/linalg')
    """
    corpus = _corpus()
    data = [text.text for text in corpus]
    names = [text.name for text in corpus]
    target, taxonomy = Taxonomy.from_paths(["/".join(text.path) for text in corpus])
    levels = taxonomy.to_levels(target)
    frame = _frame(data, target, levels, names) if as_frame else None
    X, y = (data, target) if frame is None else (frame["text"], frame["target"])
    if return_X_y:
        return X, y
    return Bunch(
        data=X,
        target=y,
        frame=frame,
        levels=levels,
        names=names,
        target_names=sorted(set(target.tolist())),
        taxonomy=taxonomy,
        DESCR=_describe(target, taxonomy),
    )
