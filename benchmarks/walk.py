"""How far one call walks through the package: the modules that it enters, and how often they change.

Two calls are traced: ``predict`` of a single row by HierarchicalClassifier, and ``fit`` of
HierarchicalMultiLabelClassifier, both as they are by default. A change is a call of a function in
another module than that of the function called before it; a part is a folder of the package, or a
module outside of all folders. ``--calls`` also lists the functions, each where it is called first.
Nothing is timed, so a busy machine does not matter.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import CodeType
from typing import Any

import sklhier
from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier
from sklhier.datasets import make_hierarchical_classification

PACKAGE = Path(sklhier.__file__).parent


def walks() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the name of each traced call, and the call."""
    X, y, taxonomy = make_hierarchical_classification(
        300, 10, branching=(3, 2, 2), noise=2.0, random_state=0
    )
    tags = [sorted({one, other}) for one, other in zip(y.tolist(), y[::-1].tolist(), strict=True)]
    model = HierarchicalClassifier(taxonomy=taxonomy).fit(X, y)
    several = HierarchicalMultiLabelClassifier(taxonomy=taxonomy)
    yield "predict, one row", lambda: model.predict(X[:1])
    yield "fit, several labels", lambda: several.fit(X, tags)


def called(call: Callable[[], Any]) -> list[tuple[str, str]]:
    """Return the functions of the package that a call runs: (module, qualified name), in order."""
    codes: list[CodeType] = []
    root = f"{PACKAGE}/"

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(root):
            codes.append(frame.f_code)

    call()  # what is imported or computed once is not part of the walk
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return [(_module(code), code.co_qualname) for code in codes]


def _module(code: CodeType) -> str:
    return Path(code.co_filename).relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")


def counts(functions: list[tuple[str, str]]) -> dict[str, int]:
    """Return how many modules and parts are entered, and how often they change."""
    modules = [module for module, _ in functions]
    parts = [module.partition(".")[0] for module in modules]
    return {
        "modules": len(set(modules)),
        "changes of module": sum(before != after for before, after in pairwise(modules)),
        "parts": len(set(parts)),
        "changes of part": sum(before != after for before, after in pairwise(parts)),
        "calls": len(modules),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", action="store_true", help="list the functions, too")
    parser.add_argument("--smoke", action="store_true", help="the same: it takes a second")
    options = parser.parse_args(arguments)
    for name, call in walks():
        functions = called(call)
        print(f"{name}: " + ", ".join(f"{n} {what}" for what, n in counts(functions).items()))
        if options.calls:
            print("".join(f"  {module}: {which}\n" for module, which in dict.fromkeys(functions)))


if __name__ == "__main__":
    main()
