"""Tables of the documentation are those of the results beside the benchmarks."""

import runpy
from pathlib import Path

import pytest

TEXTS = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "figures.py"))["texts"]()


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.stem)
def test_tables_are_those_of_the_results(page):
    assert page.read_text(encoding="utf-8") == TEXTS[page]
