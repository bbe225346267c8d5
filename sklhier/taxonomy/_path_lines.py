"""Lists of paths, one in each line, as taxonomies of products are published."""

from __future__ import annotations

from dataclasses import dataclass, field

from sklhier._utils.validation import check_choice
from sklhier.exceptions import TaxonomyError
from sklhier.taxonomy._lines import Lines, Source, read_lines

__all__ = ["ListedPaths", "read_path_lines"]

_Path = tuple[str, ...]


@dataclass
class ListedPaths:
    """Nodes in the order of their lines, parents first.

    Attributes
    ----------
    names, steps : list of str
    parents : list of int
        Position of each node's parent, -1 at the top.
    titles : list of (str or None)
    """

    names: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    titles: list[str | None] = field(default_factory=list)

    def add(self, name: str, step: str, parent: int, title: str | None) -> int:
        """Add a node, and return its position."""
        self.names.append(name)
        self.steps.append(step)
        self.parents.append(parent)
        self.titles.append(title)
        return len(self.names) - 1


@dataclass(frozen=True)
class _Line:
    number: int
    id: str | None
    path: _Path


def read_path_lines(
    source: Source, encoding: str, *, sep: str, id_sep: str | None, names: str | None, gaps: str
) -> tuple[Lines, ListedPaths]:
    """Return the source and the nodes that its lines spell out."""
    check_choice("names", names, ("id", "path", None))
    check_choice("gaps", gaps, ("error", "skip", "fill"))
    for name, value in (("sep", sep), ("id_sep", id_sep)):
        if value is not None and not (isinstance(value, str) and value):
            raise TaxonomyError(
                f"`{name}` must be a separator, a non-empty string, got {value!r}."
            )
    if names == "id" and id_sep is None:
        raise TaxonomyError("names='id' needs ids: pass the `id_sep` between id and path.")
    with_ids = "path" if id_sep is None else "id"
    lines = read_lines(source, encoding)
    found = [
        _split(lines, number, line, sep, id_sep)
        for number, line in lines
        if line.strip() and not line.lstrip().startswith("#")
    ]
    _refuse_repeated(lines, found)
    if len(found) > 1 and all(len(line.path) == 1 for line in found):
        raise TaxonomyError(
            f"{lines.name}: no line contains the separator {sep!r}. Pass the `sep` of the file, or "
            "use Taxonomy.flat for classes without parents."
        )
    return lines, _tree(lines, found, sep=sep, by_id=(names or with_ids) == "id", gaps=gaps)


def _split(lines: Lines, number: int, line: str, sep: str, id_sep: str | None) -> _Line:
    number_of_node, path = None, line.strip()
    if id_sep is not None:
        number_of_node, separator, path = line.strip().partition(id_sep)
        number_of_node = number_of_node.strip()
        if not separator or not number_of_node or sep.strip() in number_of_node:
            raise lines.error(
                number,
                f"an id and {id_sep!r} must come before the path, got {line.strip()[:60]!r}. Pass "
                "id_sep=None if there are no ids.",
            )
    steps = tuple(step.strip() for step in path.split(sep))
    if not all(steps):
        raise lines.error(number, f"an empty step in {path[:60]!r}: {sep!r} separates steps.")
    return _Line(number, number_of_node, steps)


def _refuse_repeated(lines: Lines, found: list[_Line]) -> None:
    seen: dict[object, int] = {}
    for line in found:
        for key, what in ((line.path, "path"), (line.id, "id")):
            first = seen.setdefault(key, line.number) if key is not None else line.number
            if first != line.number:
                shown = key if isinstance(key, str) else line.path[-1]
                raise lines.error(line.number, f"the {what} {shown!r} is already on line {first}.")


def _tree(lines: Lines, found: list[_Line], *, sep: str, by_id: bool, gaps: str) -> ListedPaths:
    tree = ListedPaths()
    place: dict[_Path, int] = {}
    # Stable: siblings keep the order of their lines, whatever line a parent has.
    for line in sorted(found, key=lambda line: len(line.path)):
        parent = -1
        for depth in range(1, len(line.path)):
            beginning = line.path[:depth]
            if beginning not in place and by_id and gaps == "error":
                raise lines.error(
                    line.number,
                    f"there is no line for the parent {sep.join(beginning)!r}. Pass gaps='skip', "
                    "or gaps='fill' to name it by its path.",
                )
            if beginning not in place and not (by_id and gaps == "skip"):
                name = sep.join(beginning)
                place[beginning] = tree.add(name, name if by_id else beginning[-1], parent, None)
            parent = place.get(beginning, parent)
        name = sep.join(line.path)
        if by_id:
            assert line.id is not None
            place[line.path] = tree.add(line.id, line.id, parent, line.path[-1])
        else:
            place[line.path] = tree.add(name, line.path[-1], parent, line.id)
    return tree
