"""Tables of the documentation are those of the results beside the benchmarks."""

import json
import runpy
from pathlib import Path

FIGURES = Path(__file__).parents[1] / "benchmarks" / "peers" / "figures.py"


def test_the_tables_of_other_packages_are_those_of_the_results():
    figures = runpy.run_path(str(FIGURES))
    results = json.loads(figures["RESULTS"].read_text(encoding="utf-8"))
    assert figures["PAGE"].read_text(encoding="utf-8") == figures["text"](results)
