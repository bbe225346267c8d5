"""What the README shows runs as it stands."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_quick_start_runs_and_answers_what_it_says():
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    shown = re.search(r"# array\((.*)\)$", code, flags=re.MULTILINE)
    names = {}
    exec(code, names)
    assert names["search"].predict(["an eel glides by"]).tolist() == ["fish/eel"]
    assert shown.group(1) == "['fish/eel'], dtype='<U9'"


def test_the_first_two_shell_blocks_are_one_line_each():
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)[:2]
    assert [block.count("\n") for block in blocks] == [1, 1]
    assert "python -m sklhier" in blocks[0]
    assert "pytest" in blocks[1]


def test_it_holds_on_a_package_index():
    # There is no file beside it: links are whole addresses, or lead to its own headings.
    targets = re.findall(r"\]\(([^)\s]+)", README) + re.findall(r'(?:src|href)="([^"]+)"', README)
    assert all(target.startswith(("https://", "#")) for target in targets), targets
    cells = re.findall(r"(?<=\|)[^|\n]*(?=\|)", README)
    assert max(map(len, cells)) <= 200
