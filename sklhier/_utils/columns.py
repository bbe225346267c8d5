"""Columns of any container: their values as Python objects, their type, and the way back.

pandas, polars and pyarrow are imported only where the user's own object is theirs.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Hashable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from sklhier._utils.typing import Floats, Labels, Objects
from sklhier.exceptions import TargetError, quoted

__all__ = [
    "PACKAGES",
    "ColumnType",
    "array_of",
    "column_of",
    "frame_columns",
    "frame_names",
    "frame_of",
    "is_frame",
    "object_array",
    "package_of",
    "plain_time",
    "table_by_name",
    "type_of",
    "typed_array",
    "values_of",
    "with_room",
]

PACKAGES = ("pandas", "polars", "pyarrow")
# A dtype of numpy, or what tells the type of another package; see `type_of`.
ColumnType: TypeAlias = Any


def package_of(container: object) -> str:
    """Return the package of a container: pandas, polars, pyarrow, numpy, or any other."""
    return type(container).__module__.split(".")[0]


def is_frame(container: object) -> bool:
    """Whether a container is a table of named columns."""
    if len(getattr(container, "shape", ())) != 2:
        return False
    return hasattr(container, "columns") or hasattr(container, "column_names")


def frame_names(frame: Any) -> list[Any]:
    """Return the names of the columns of a frame."""
    return list(frame.column_names if package_of(frame) == "pyarrow" else frame.columns)


def frame_columns(frame: Any) -> list[Any]:
    """Return the columns of a frame by position, since two may have one name."""
    package = package_of(frame)
    if package == "pyarrow":
        return list(frame.columns)
    if package == "polars":
        return list(frame.get_columns())
    if hasattr(frame, "iloc"):
        return [frame.iloc[:, place] for place in range(frame.shape[1])]
    return [frame[name] for name in frame.columns]


# -- values -------------------------------------------------------------------------------


def values_of(column: Any) -> list[Any]:
    """Return the values of a list or a column as Python objects, without changing any of them.

    The column's own conversion is used: by way of a numpy array, integers with a gap would become
    floats.
    """
    if isinstance(column, list):
        return column
    if _is_foreign(column):
        times = _exact_times(column)
        return _values_of_package(column) if times is None else _values_of_array(times)
    if hasattr(column, "dtype") and hasattr(column, "__array__"):
        return _values_of_array(np.asarray(column))
    return list(column)


def _values_of_package(column: Any) -> list[Any]:
    for method in ("to_pylist", "tolist", "to_list"):
        if hasattr(column, method):
            values: list[Any] = getattr(column, method)()
            return values
    return list(column)


def _exact_times(column: Any) -> Any:
    """Return times of polars or arrow as an array, since their Python objects lose nanoseconds."""
    kind = str(getattr(column, "dtype", getattr(column, "type", "")))
    nanoseconds = kind in ("timestamp[ns]", "duration[ns]") or (
        "time_unit='ns'" in kind
        and "time_zone=None" in kind.replace("Duration(", "time_zone=None")
    )
    if not nanoseconds or package_of(column) == "pandas":
        return None
    if package_of(column) == "polars":
        return column.to_numpy()
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _values_of_array(array: Labels) -> list[Any]:
    if array.dtype.kind not in "mM" or array.ndim > 1:
        values: list[Any] = array.tolist()
        return values
    return _plain_times(array)


def _plain_times(times: Labels) -> list[Any]:
    """Return times as objects of `datetime` where these are exact, else as scalars of numpy."""
    unit = np.datetime_data(times.dtype)[0]
    coarse = times
    if unit in ("ns", "ps", "fs", "as"):
        coarse = times.astype(f"{times.dtype.kind}8[us]")
    pairs = zip(coarse.tolist(), (coarse == times).tolist(), times, strict=True)
    # Out of its range, `tolist` gives an integer, which is another label.
    return [
        value if value is None or (exact and not isinstance(value, int)) else scalar
        for value, exact, scalar in pairs
    ]


def plain_time(name: Any) -> Any:
    """Return a time of numpy or pandas as the others are written, anything else unchanged."""
    if isinstance(name, np.datetime64 | np.timedelta64):
        return _plain_times(np.array([name]))[0]
    if type(name).__name__ in ("Timestamp", "Timedelta") and getattr(name, "tzinfo", None) is None:
        return _plain_times(np.array([name.to_numpy()]))[0]
    return name


def object_array(values: Sequence[Any]) -> Objects:
    """Return values, such as tuples, as a 1-D array of objects."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def array_of(values: list[Any]) -> Labels:
    """Return values as a 1-D array of their own type, or of objects where numpy changes some."""
    types = set(map(type, values))
    kinds = {next((f for f in _FAMILIES if issubclass(own, f)), object) for own in types}
    if object in kinds or not (len(kinds) < 2 or kinds == {_INTEGER, _FLOAT}):
        return object_array(values)
    array = np.asarray(values)
    if len(kinds) == 1 and array.dtype.kind in "iuf":
        same = (array.dtype.kind == "f") == (_FLOAT in kinds)
    elif kinds <= {_INTEGER, _FLOAT}:
        same = (array.dtype.kind == "f") == (_FLOAT in kinds) or not values
        same = same and all(a == b or b != b for a, b in zip(array.tolist(), values, strict=True))
    else:
        # Text of a fixed width loses zero bytes at its end.
        same = not (str in kinds and "\0" in "".join(values)) and not (
            bytes in kinds and b"\0" in b"".join(values)
        )
    return array if same else object_array(values)


_BOOL, _INTEGER, _FLOAT, _TIME = (
    (bool, np.bool_), (int, np.integer), (float, np.floating), (np.datetime64,),
)  # fmt: skip
_FAMILIES: tuple[Any, ...] = (_BOOL, _INTEGER, _FLOAT, str, bytes, _TIME, (np.timedelta64,))


def typed_array(column: Any) -> Labels:
    """Return a column or a list of any container as a numpy array, its values unchanged."""
    if isinstance(column, np.ndarray):
        array: Labels = column
    elif _is_foreign(column):
        array = array_of(values_of(column))
        array = array.astype(object) if array.dtype.kind == "U" else array
    elif hasattr(column, "__array__"):
        array = np.asarray(column)
    else:
        array = array_of(list(column))
    # scikit-learn and np.unique refuse numpy's StringDType.
    return array.astype(object) if array.dtype.kind == "T" else array


def _is_foreign(column: Any) -> bool:
    """Whether the values of a column are of a package's own type, not of one of numpy's."""
    own = isinstance(getattr(column, "dtype", None), np.dtype)
    return package_of(column) in PACKAGES and not own


def table_by_name(frame: Any, nodes: Sequence[Hashable], what: str) -> Floats:
    """Return the numbers of a frame with a column for each node, in their order.

    Columns are found by name; those that are numbered stay as they are. The first node, the root,
    may be left out: every sample belongs to it.
    """
    names, columns = frame_names(frame), list(map(typed_array, frame_columns(frame)))
    if names == [*range(len(nodes))]:
        return np.column_stack(columns)
    position = {node: place for place, node in enumerate(nodes)}
    # Only pandas has columns named by other objects than strings.
    texts = {str(node): place for node, place in position.items()}
    found = [position.get(name, texts.get(name, -1)) for name in names]
    absent = sorted({*range(1, len(nodes))} - {*found})
    if absent or -1 in found or len({*found}) < len(found):
        wrong = {
            "unknown": [name for name, place in zip(names, found, strict=True) if place < 0],
            "missing": [nodes[place] for place in absent],
            "twice": [name for name, times in Counter(names).items() if times > 1],
        }
        got = "; ".join(f"{kind}: {quoted(them)}" for kind, them in wrong.items() if them)
        raise ValueError(
            f"The columns of `{what}` must be named by the nodes of the taxonomy, each once, got "
            f"{got}. Pass an array if they are in the order of taxonomy.nodes."
        )
    table = np.ones((len(columns[0]), len(nodes)))
    table[:, found] = np.column_stack(columns)
    return table


# -- types, and the way back --------------------------------------------------------------


def type_of(column: Any) -> ColumnType:
    """Return what tells the type of a column of a package, in words that any file can hold.

    A numpy dtype; ``("category", categories, ordered, type of the categories)``; the bytes of an
    empty table of polars or arrow; the name of any other dtype of pandas. None where the values
    tell it.
    """
    package = package_of(column)
    if package == "pyarrow":
        return _arrow_bytes(column.type)
    if package == "polars":
        return _polars_bytes(column)
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return dtype
    if hasattr(dtype, "categories"):
        categories = dtype.categories
        return ("category", values_of(categories), bool(dtype.ordered), type_of(categories))
    if hasattr(dtype, "pyarrow_dtype"):
        return _arrow_bytes(dtype.pyarrow_dtype)
    return str(dtype)


def _arrow_bytes(kind: Any) -> bytes:
    pyarrow = import_module("pyarrow")
    found: bytes = pyarrow.schema([("x", kind)]).serialize().to_pybytes()
    return found


def _arrow_type(written: bytes) -> Any:
    pyarrow = import_module("pyarrow")
    return import_module("pyarrow.ipc").read_schema(pyarrow.py_buffer(written)).field(0).type


def _polars_bytes(column: Any) -> bytes | None:
    if type(column.dtype).__name__ == "Object" or "Object" in str(column.dtype):
        return None
    buffer = io.BytesIO()
    column.clear().alias("x").to_frame().write_ipc(buffer)
    return buffer.getvalue()


def column_of(values: list[Any], package: str, kind: ColumnType, name: Any = None) -> Any:
    """Return values as a column of a package, of a type as `type_of` tells it.

    None stands for a missing value: a type that has no room for it gets the one that has.
    """
    if package == "polars":
        return _polars_column(values, kind, "" if name is None else name)
    if package == "pyarrow":
        own = None if kind is None else _arrow_type(kind)
        return import_module("pyarrow").array(values, type=own)
    pandas = import_module("pandas")
    own = object if kind is None else _pandas_type(kind, values)
    return pandas.Series(values, dtype=own, name=name)


def _polars_column(values: list[Any], kind: ColumnType, name: str) -> Any:
    polars = import_module("polars")
    if kind is None:
        return polars.Series(name, values)
    dtype = polars.read_ipc(kind).dtypes[0]
    exact = next((v.dtype for v in values if isinstance(v, np.datetime64 | np.timedelta64)), None)
    if exact is not None:  # nanoseconds
        return polars.Series(name, np.array(values, dtype=f"{exact.kind}8[ns]")).cast(dtype)
    # Not strict, for integers may go into a column of floats; but then misfits become null.
    column = polars.Series(name, values, dtype=dtype, strict=False)
    if column.null_count() > values.count(None):
        pairs = zip(values, column.to_list(), strict=True)
        misfit = next(own for own, kept in pairs if kept is None and own is not None)
        raise TargetError(
            f"The answer {misfit!r} does not fit into a column of type {dtype}, as in y in fit. Give "
            "the column a wider type."
        )
    return column


def _pandas_type(kind: ColumnType, values: list[Any]) -> Any:
    pandas = import_module("pandas")
    if isinstance(kind, tuple):
        categories = pandas.Index(kind[1], dtype=_pandas_type(kind[3], kind[1]))
        more = [v for v in dict.fromkeys(values) if v is not None and v not in categories]
        return pandas.CategoricalDtype([*categories, *more] if more else categories, kind[2])
    if isinstance(kind, bytes):
        return pandas.ArrowDtype(_arrow_type(kind))
    return kind


def with_room(kind: ColumnType) -> ColumnType:
    """Return the type of pandas that also holds missing values, for one that has no room for them."""
    if isinstance(kind, np.dtype) and kind.kind in "iu":
        return kind.name.replace("ui", "UI").replace("int", "Int")
    return "boolean" if isinstance(kind, np.dtype) and kind.kind == "b" else kind


def frame_of(columns: Sequence[Any], names: Sequence[Any], package: str) -> Any:
    """Return columns of a package as a frame of it."""
    if package == "pyarrow":
        return import_module("pyarrow").Table.from_arrays(list(columns), names=list(names))
    if package == "polars":
        series = [c.alias(name) for c, name in zip(columns, names, strict=True)]
        return import_module("polars").DataFrame(series)
    frame = import_module("pandas").DataFrame(dict(enumerate(columns)))
    frame.columns = list(names)
    return frame
