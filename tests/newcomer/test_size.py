"""What a newcomer writes is short and opens nothing private."""

import re
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.glob("test_new_*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_one_short_file_of_public_names(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert not re.search(r"sklhier[\w.]*\._", text)
    assert "@register(" in text


def test_there_is_one_for_each_part():
    assert len(FILES) == 4
