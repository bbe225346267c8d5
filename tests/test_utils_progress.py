"""The line that says how far the fits are."""

import io
import re
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier
from sklhier._utils import parallel, progress
from sklhier.datasets import make_hierarchical_classification


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@dataclass(frozen=True)
class Task:
    name: str
    size: float = 1.0
    in_threads: bool = True

    def ready(self):
        return self

    def for_all(self, n_workers):
        return self if self.name == "shared" else None


def set_stderr(monkeypatch, stream):
    """Set standard error for the module alone; pytest sets that of all modules."""
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))


def names_of(tasks):
    return [task.name for task in tasks]


@pytest.fixture
def plain(monkeypatch):
    """No bars of other packages, and no pause between two drawings."""
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(progress, "_PAUSE", 0.0)
    monkeypatch.setattr(progress, "_LONG_PAUSE", 0.0)


@pytest.fixture
def terminal(monkeypatch, plain):
    """A fake terminal in place of standard error."""
    stream = Terminal()
    set_stderr(monkeypatch, stream)
    monkeypatch.setenv("COLUMNS", "200")
    return stream


def drawn(stream):
    line = r"Fitted ([\d,]+) of ([\d,]+) nodes, ([\d,]+) left, 0:\d\d, last (.*?) *(?=\r|\n)"
    return re.findall(line, stream.getvalue())


def fit(X, y, taxonomy, **parameters):
    return HierarchicalClassifier(
        DecisionTreeClassifier(random_state=0), taxonomy=taxonomy, **parameters
    ).fit(X, y)


@pytest.fixture(scope="module")
def data():
    return make_hierarchical_classification(120, 4, branching=(3, 2), random_state=0)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_terminal_sees_the_node_done_and_left(data, terminal, n_jobs, capsys, monkeypatch):
    monkeypatch.setattr("sklhier._local.fitting._LEAST_ROWS", 0)
    model = fit(*data, verbose=1, n_jobs=n_jobs)
    lines = drawn(terminal)
    counts = [(int(done), int(total), int(left)) for done, total, left, _ in lines]
    assert all(done + left == total == 4 for done, total, left in counts)
    assert counts[-1][0] == 4
    assert {name for *_, name in lines} <= {f"node {name!r}" for name in model.estimators_}
    assert terminal.getvalue().endswith("\r")  # the line is gone when all is done
    assert re.search(r"\r +\r$", terminal.getvalue())
    assert capsys.readouterr().out == ""


def test_every_task_counts_once_alone_or_in_batches(terminal):
    tasks = [Task("shared"), *(Task(f"t{i}", 10.0 - i) for i in range(6))]
    done = parallel.in_parallel(
        lambda batch, _: names_of(batch), tasks, shared=None, least=15.0, n_jobs=2, verbose=1
    )
    assert done == names_of(tasks)
    counts = [int(done) for done, *_ in drawn(terminal)]
    assert counts[0] == 1  # alone
    assert counts[-1] == 7
    assert all(a <= b for a, b in pairwise(counts))


def test_silence_without_a_terminal_unless_asked(data, plain, capsys):
    fit(*data, verbose=1)
    assert capsys.readouterr() == ("", "")
    fit(*data, verbose=2)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"^Fitted 4 of 4 nodes in 0:\d\d$", err, flags=re.MULTILINE)
    assert "4 of 4 nodes, 0 left" in err
    assert "\r" not in err
    fit(*data)
    assert capsys.readouterr() == ("", "")


def test_joblib_speaks_from_three_on(data, plain, capsys):
    fit(*data, verbose=2)
    assert "| elapsed:" not in capsys.readouterr().err
    fit(*data, verbose=10)
    printed = capsys.readouterr()
    assert "| elapsed:" in printed.out + printed.err


def test_no_more_than_ten_drawings_in_a_second(data, monkeypatch):
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: None)
    now = iter(np.arange(0, 1000, 0.03))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    stream = Terminal()
    set_stderr(monkeypatch, stream)
    line = progress._line(100, on_terminal=True)
    for i in range(100):
        line.show(i, "x")
    line.close()
    assert len(drawn(stream)) == 25


def test_the_line_fits_the_terminal(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    line = progress._line(10, on_terminal=True)
    line.show(1, "x" * 100)
    line.show(2, "y")
    line.close()
    assert max(map(len, re.split(r"[\r\n]", terminal.getvalue()))) <= 29


def test_hours(monkeypatch):
    assert [progress._clock(s) for s in (5.9, 65, 3600 * 26 + 61)] == ["0:05", "1:05", "26:01:01"]


def test_results_are_the_same(data, terminal):
    X, y, taxonomy = data
    for parameters in ({}, {"chain": "proba"}, {"strategy": "per_level"}, {"n_jobs": 2}):
        one, two = (fit(X, y, taxonomy, verbose=v, **parameters) for v in (0, 1))
        assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    sets = [{label} for label in y]
    one, two = (
        HierarchicalMultiLabelClassifier(
            LogisticRegression(), taxonomy=taxonomy, verbose=v, random_state=0
        ).fit(X, sets)
        for v in (0, 1)
    )
    assert_array_equal(one.predict_node_proba(X), two.predict_node_proba(X))
    assert "level 2" in terminal.getvalue()


def test_the_line_ends_before_an_error(data, terminal):
    X, y, taxonomy = data
    X = np.where(y[:, None] == y[0], np.inf, X)
    with pytest.raises(ValueError, match="failed at node"):
        fit(X, y, taxonomy, verbose=1)
    assert terminal.getvalue() == "" or terminal.getvalue().endswith("\r")


@pytest.mark.parametrize("package", ["tqdm", "rich"])
def test_bars_of_other_packages(data, package, monkeypatch):
    pytest.importorskip(package)
    found = progress.importlib.util.find_spec
    monkeypatch.setattr(
        progress.importlib.util, "find_spec", lambda name: found(name) if name == package else None
    )
    stream = Terminal()
    set_stderr(monkeypatch, stream)
    line = progress._line(1000, on_terminal=True)
    for i in range(1001):
        line.show(i, "node '[b]/x'")
    line.close()
    assert "1000" in stream.getvalue()
    stream.truncate(0)
    model = fit(*data, verbose=1)
    assert len(model.estimators_) == 4


def test_no_standard_error_at_all(data, monkeypatch):
    set_stderr(monkeypatch, None)
    fit(*data, verbose=2)
