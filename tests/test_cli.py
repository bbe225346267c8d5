"""The command, as a user types it."""

import gzip
import re
import subprocess
import sys

import numpy as np
import pytest

from sklhier._cli import main
from sklhier.datasets import make_hierarchical_text


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A CSV file with two levels, some paths shorter than others."""
    texts, y, taxonomy = make_hierarchical_text(
        240, branching=(3, 2), mean_length=20, inner_node_labels=0.1, output="text", random_state=0
    )
    path = tmp_path_factory.mktemp("cli") / "table.csv"
    levels = taxonomy.to_levels(y)
    rows = [f'{text},"{top}",{low or ""}' for text, (top, low) in zip(texts, levels, strict=True)]
    path.write_text("\n".join(["text,topic,subtopic", *rows, 'no topic,"",']), encoding="utf-8")
    return path


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_a_file_from_learning_to_a_saved_model(table, tmp_path, capsys):
    model = tmp_path / "model.joblib"
    status, out, err = run(
        capsys, table, "--text", "text", "--levels", "topic", "subtopic", "--out", model
    )
    assert (status, err) == (0, "")
    assert "Left out, without a 'topic': 1 row of 241." in out
    assert "240 texts" in out
    for line in ("accuracy at level 1", "accuracy at level 2", "hierarchical F1", "flat"):
        assert line in out
    status, out, err = run(capsys, "--model", model, "--ask", "w1 w2 w3", "w4")
    assert (status, err) == (0, "")
    assert out.count("->") == 2


@pytest.mark.parametrize("form", ["tsv", "csv.gz", "semicolon"])
def test_other_files(table, tmp_path, capsys, form):
    content = table.read_text("utf-8")
    if form == "csv.gz":
        path = tmp_path / "table.csv.gz"
        path.write_bytes(gzip.compress(content.encode()))
    else:
        path = tmp_path / f"table.{form}"
        path.write_text(content.replace(",", "\t" if form == "tsv" else ";"), encoding="utf-8")
    status, out, _ = run(
        capsys, path, "--text", "text", "--levels", "topic", "subtopic", "--ask", "w1"
    )
    assert status == 0
    assert "->" in out


def test_errors_say_what_to_do(table, tmp_path, capsys):
    empty, header, one, broken, quote = (tmp_path / f"{i}.csv" for i in range(5))
    empty.write_text("")
    header.write_text("text,topic\n")
    one.write_text("text,topic\nan owl,x\na wren,x\n")
    broken.write_text("text,topic\na,x\nb\n")
    quote.write_text('text\ttopic\n"an owl\tx\na wren\ty\n')
    columns = ("--text", "text", "--levels", "topic")
    for arguments, message in (
        ((table, "--text", "txt", "--levels", "topic"), "no column 'txt'.*Did you mean 'text'"),
        ((table,), "name its columns.*'text', 'topic', 'subtopic'"),
        ((empty, *columns), "is empty"),
        ((header, *columns), "is empty"),
        ((one, *columns), "have the label 'x': there is nothing to tell apart"),
        ((broken, *columns), "Row 2 .* has 1 fields, the header has 2"),
        ((quote, *columns), "add --no-quotes"),
        ((tmp_path / "nowhere.csv", *columns), "cannot be read: No such file"),
        (columns, "give the file, too"),
        (("--model", "nowhere", "--ask", "x"), "no model nowhere"),
        (("--model", "nowhere"), "needs a question"),
        ((table, *columns, "--test-size", "2"), "between 0 and 1"),
        ((one, "--text", "text", "--levels", "text", "--test-size", "0.5"), "single class"),
        ((one, "--text", "topic", "--levels", "text"), "holds no words"),
    ):
        status, _, err = run(capsys, *arguments)
        assert status == 2
        assert err.startswith("sklhier: ")
        assert re.search(message, err), err
    status, out, _ = run(capsys, quote, *columns, "--no-quotes", "--ask", "wren")
    assert status == 0
    assert "-> " in out


@pytest.mark.slow
def test_the_main_job_as_a_command():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "sklhier", "--ask", "solve a sparse linear system"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "scipy" in done.stdout
    assert "sparse" in done.stdout
    assert not done.stderr


@pytest.mark.slow
def test_the_main_job_reports_beside_the_flat_baseline(capsys):
    status, out, err = run(capsys)
    assert (status, err) == (0, "")
    by_name = {
        line[:30].strip(): [float(value) for value in line[30:].split()]
        for line in out.splitlines()
        if line.startswith(("accuracy", "hierarchical F1"))
    }
    assert by_name["accuracy at level 1"][0] > 0.9
    assert by_name["hierarchical F1"][0] > 0.85
    assert np.diff([by_name[f"accuracy at level {k}"][0] for k in (1, 2, 3)]).max() < 0
    assert "solve a sparse linear system" in out
