"""Parts that can be chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Part", "Registry", "register_in"]


class Part(Protocol):
    """An object with parameters that can be checked."""

    def check(self) -> None:
        """Raise a ValueError if a parameter is outside its range."""


P = TypeVar("P", bound=Part)


class Registry(Generic[P]):
    """Classes of one kind of part, by the names under which users choose them.

    Parameters
    ----------
    parameter : str
        Name of the constructor parameter that takes such a part.
    interface : type
        The class that all parts of the kind derive from.
    """

    def __init__(self, parameter: str, interface: type[P]) -> None:
        self._parameter = parameter
        self.interface = interface
        self._by_name: dict[str, Callable[[], P]] = {}

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._by_name)

    def register(self, name: str) -> Callable[[type[P]], type[P]]:
        """Return a class decorator that enters a class under a name.

        Raises
        ------
        ValueError
            If another class has the name. The same class may be defined again, as in a notebook.
        """

        def enter(part: type[P]) -> type[P]:
            known = self._by_name.get(name, part)
            if getattr(known, "__qualname__", None) != part.__qualname__:
                raise ValueError(
                    f"`name` must be a new name for a {self.interface.__name__}, got {name!r}, "
                    f"which is already used for {known!r}."
                )
            self._by_name[name] = part
            return part

        return enter

    def resolve(self, part: object) -> P:
        """Return the part of a name, or the part itself, its parameters checked.

        Raises
        ------
        ValueError
            For an unknown name or object, or a parameter outside its range.
        """
        if isinstance(part, str) and part in self._by_name:
            part = self._by_name[part]()
        if not isinstance(part, self.interface):
            raise ValueError(
                f"`{self._parameter}` must be a {self.interface.__name__} object or one of "
                f"{self.names()}, got {part!r}."
            )
        part.check()
        return part


def register_in(
    registries: Iterable[Registry[Any]], name: str
) -> Callable[[type[Any]], type[Any]]:
    """Return a class decorator that enters a class wherever it has the interface."""

    def enter(part: type[Any]) -> type[Any]:
        for registry in registries:
            if issubclass(part, registry.interface):
                registry.register(name)(part)
        return part

    return enter
