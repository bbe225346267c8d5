"""Tables that the command reads: encodings, packed and damaged files, pipes, bad rows."""

import bz2
import csv
import gzip
import importlib
import io
import lzma
import re
import sys

import pytest
from cli_helpers import records, run, shop_rows, shop_text
from hypothesis import given
from hypothesis import strategies as st

from sklhier._cli.console import CommandError
from sklhier._cli.tables import BadRows, Source, _frame_table, open_table

COLUMNS = ("--text", "name", "--levels", "rayon", "sous-rayon")
QUICK = ("--test", "0", "--ask", "article CCafé")
SKIP = ("--skip-bad-rows",)


def read(path, **options):
    """Return header, rows with their lines, and bad rows of a file."""
    bad = BadRows("table")
    with open_table(Source(str(path), **options), bad) as table:
        rows = [(row.line, row.cells) for row in table.rows]
    return table.header, rows, bad.reasons


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


@pytest.mark.parametrize(
    ("encoding", "options"),
    [
        ("utf-8", ()),
        ("utf-8-sig", ()),
        ("utf-8-sig", ("--encoding", "utf8")),
        ("utf-16", ()),
        ("utf-16", ("--encoding", "utf-16")),
        ("utf-32", ()),
        ("utf-16-le", ("--encoding", "utf-16-le")),
        ("cp1252", ("--encoding", "cp1252")),
        ("latin-1", ("--encoding", "latin-1")),
    ],
)
def test_encodings(path, capsys, encoding, options):
    path.write_bytes(shop_text().encode(encoding))
    status, out, err = run(capsys, "train", path, *COLUMNS, *options, *QUICK)
    assert (status, err) == (0, "")
    assert "-> Épicerie (" in out


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (shop_text().encode("cp1252"), r"line 2 is not utf-8: byte 0xe9.*Try --encoding cp1252"),
        (b"a,b\n1,2\n3,\x81\n", r"line 3 .*byte 0x81.*Try --encoding latin-1,"),
        (shop_text().encode("utf-16-le"), r"looks like UTF-16: add --encoding utf-16-le"),
        (shop_text().encode("utf-16-be"), r"looks like UTF-16: add --encoding utf-16-be"),
        (b"\xff\xfea", r"cannot|not utf-16"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_another_encoding_is_advised(path, capsys, data, advice, packed):
    path.write_bytes(gzip.compress(data) if packed else data)
    status, out, err = run(capsys, "train", path, *COLUMNS)
    assert (status, out) == (1, "")
    assert re.search(advice, err), err
    assert len(err) < 500


def test_a_wrong_encoding_that_was_asked_for(path, capsys):
    path.write_text(shop_text(), encoding="utf-8")
    status, _, err = run(capsys, "train", path, *COLUMNS, "--encoding", "ascii")
    assert (status, "line 2 is not ascii" in err) == (1, True)
    status, _, err = run(capsys, "train", path, *COLUMNS, "--encoding", "utf-16")
    assert (status, "utf-16" in err) == (1, True)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_files_whole_and_damaged(path, capsys, pack):
    data = pack(shop_text().encode())
    path.write_bytes(data)  # whatever its name is
    assert run(capsys, "train", path, *COLUMNS, *QUICK)[0] == 0
    middle = len(data) // 2
    for damaged in (data[:-12], data[:middle], data[:20] + b"xxxxxxxx" + data[28:]):
        path.write_bytes(damaged)
        status, _, err = run(capsys, "train", path, *COLUMNS, *QUICK)
        assert status == 1
        assert re.search("is damaged|cannot be read", err), err


def test_an_archive_is_no_table(path, capsys):
    path.write_bytes(b"PK\x03\x04rest")
    status, _, err = run(capsys, "train", path, *COLUMNS)
    assert (status, "is a zip archive" in err) == (1, True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_as_input(capsys, monkeypatch, encoding, packed):
    data = shop_text().encode(encoding)
    data = gzip.compress(data) if packed else data
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    options = ("--encoding", encoding) if encoding == "cp1252" else ()
    status, out, err = run(capsys, "train", "-", *COLUMNS, *options, *QUICK)
    assert (status, err) == (0, "")
    assert "-> Épicerie (" in out


def test_a_pipe_with_another_encoding_and_none_at_all(capsys, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(shop_text().encode("cp1252")))
    monkeypatch.setattr("sys.stdin", stdin)
    status, _, err = run(capsys, "train", "-", *COLUMNS)
    assert (status, "standard input is not utf-8: byte 0xe9" in err) == (1, True)
    monkeypatch.setattr("sys.stdin", None)
    status, _, err = run(capsys, "train", "-", *COLUMNS)
    assert (status, "Standard input is closed" in err) == (1, True)
    status, _, err = run(capsys, "train", "-")
    assert (status, "train needs features" in err) == (2, True)


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiters(path, delimiter):
    path.write_text(shop_text(delimiter), "utf-8")
    header, rows, bad = read(path)
    assert (header, [cells for _, cells in rows], bad) == (*shop_rows(), [])


def test_a_delimiter_that_does_not_show(path):
    path.write_text('"a;b,c,d";e\n1;2\n')
    assert read(path)[0] == ["a;b,c,d", "e"]
    path.write_text("a:b\n1:2\n")
    assert read(path, delimiter=":")[1] == [(2, ["1", "2"])]


def test_lines_are_counted_as_in_the_file(path):
    path.write_bytes(b'"a\nb",c\r\n\r\n"x\r\ny\nz",1\rbad\n\n,2,3\nlast,4')
    header, rows, bad = read(path)
    assert header == ["a\nb", "c"]
    assert rows == [(4, ["x\r\ny\nz", "1"]), (10, ["last", "4"])]
    assert bad == [(7, "1 field instead of 2"), (9, "3 fields instead of 2")]


CELLS = st.text(st.sampled_from('ab,;"\n \té'), max_size=5)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=8), st.sampled_from("\n\r"))
def test_any_table_comes_back_with_its_lines(rows, newline):
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerow(["x", "y"])
    expected, bad, line = [], [], 2
    for row in rows:
        writer.writerow(row)
        swallowed = any("\n" in cell and "\t" in cell for cell in row)
        (bad if swallowed or len(row) != 2 else expected).append((line, row))
        line += 1 + sum(cell.count("\n") for cell in row)
    problems = BadRows("table")
    raw = io.BytesIO(stream.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(raw))
        with open_table(Source("-", delimiter=","), problems) as table:
            assert [(row.line, row.cells) for row in table.rows] == expected
    assert [at for at, _ in problems.reasons] == [at for at, _ in bad]


# -- bad rows -----------------------------------------------------------------------------


def bad_shop(path, n_bad=3):
    header, rows = shop_rows()
    rows[0][1] = "two\nlines"
    for i in range(n_bad):
        rows[10 + 2 * i] = ["short"]
    rows[40][4] = ""  # a gap
    rows[41][2] = "dear"
    rows[42][4:] = ["", ""]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    path.write_text(stream.getvalue(), "utf-8")
    return path


def test_all_bad_rows_are_named_in_order(path, capsys):
    bad_shop(path)
    columns = (*COLUMNS, "--numeric", "price")
    status, _, err = run(capsys, "train", path, *columns)
    assert status == 1
    assert "has 5 bad rows:" in err
    assert [int(line) for line in re.findall(r"^  line (\d+):", err, flags=re.MULTILINE)] == [
        13, 15, 17, 43, 44,
    ]  # fmt: skip
    assert "line 43: the path '', 'Thé' has an empty step" in err
    assert "line 44: 'price' is no number: 'dear'" in err
    assert "--skip-bad-rows" in err
    status, out, err = run(capsys, "train", path, *columns, *SKIP, "--test", "0.2", "--no-flat")
    assert status == 0
    assert "left out 5 bad rows:" in err
    assert "84 rows, " in out
    assert "without a 'rayon': 1 row of 85" in out


def test_the_first_ten_and_the_number_of_all(path, capsys):
    bad_shop(path, n_bad=14)
    status, _, err = run(capsys, "train", path, *COLUMNS)
    assert status == 1
    assert "has 15 bad rows:" in err
    assert len(re.findall("^  line", err, flags=re.MULTILINE)) == 10
    assert "  ... and 5 more\n" in err


def test_bad_rows_of_predictions(path, tmp_path, capsys):
    pytest.importorskip("skops")
    good, model, out_path = tmp_path / "good.csv", tmp_path / "m.skops", tmp_path / "out.csv"
    good.write_text(shop_text(), "utf-8")
    assert run(capsys, "train", good, *COLUMNS, "--test", "0", "--out", model)[0] == 0
    out_path.write_text("old")
    arguments = ("predict", bad_shop(path), "--model", model, "--id", "id", "--out", out_path)
    status, _, err = run(capsys, *arguments)
    assert (status, "has 3 bad rows:\n  line 13: 1 field" in err) == (1, True)
    assert out_path.read_text() == "old"
    status, _, err = run(capsys, *arguments, *SKIP)
    assert (status, "left out 3 bad rows" in err) == (0, True)
    ids = [int(row["id"]) for row in records(out_path.read_text("utf-8"))]
    assert ids == [i for i in range(90) if i not in (10, 12, 14)]


def test_twin_names_of_columns(path, capsys):
    path.write_text("name,name,rayon,sous-rayon\na,b,c,d\n")
    status, _, err = run(capsys, "train", path, *COLUMNS)
    assert (status, "has 2 columns 'name': rename them" in err) == (2, True)


# -- other libraries ----------------------------------------------------------------------


def frame_cells():
    return {
        "name": ["a", None, "c"],
        "count": [9007199254740993, None, 1],
        "price": [1.5, float("nan"), 2.0],
        "known": [True, False, None],
    }


EXPECTED = [
    (2, ["a", "9007199254740993", "1.5", "True"]),
    (3, ["", "", "", "False"]),
    (4, ["c", "1", "2", ""]),
]


@pytest.mark.parametrize("library", ["polars", "pandas"])
@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_files_of_data_frames_are_the_same_by_either_library(
    tmp_path, monkeypatch, library, suffix
):
    pl = pytest.importorskip("polars")
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / f"t{suffix}"
    frame = pl.DataFrame(frame_cells())
    frame.write_parquet(path) if suffix == ".parquet" else frame.write_ipc(path)
    found = importlib.import_module

    def only(name):
        if name in ("polars", "pandas") and name != library:
            raise ImportError(f"no {name}", name=name)
        return found(name)

    monkeypatch.setattr("sklhier._cli.tables.importlib.import_module", only)
    table = _frame_table(Source(str(path)))
    assert table.header == ["name", "count", "price", "known"]
    assert [(row.line, row.cells) for row in table.rows] == EXPECTED


def test_parquet_and_csv_give_the_same_answers(tmp_path, capsys):
    pl = pytest.importorskip("polars")
    pytest.importorskip("skops")
    header, rows = shop_rows()
    csv_path, parquet = tmp_path / "t.csv", tmp_path / "t.parquet"
    csv_path.write_text(shop_text(), "utf-8")
    frame = pl.DataFrame(rows, schema=header, orient="row")
    frame.with_columns(pl.col("price").cast(pl.Float64)).write_parquet(parquet)
    answers = []
    for path in (csv_path, parquet):
        model = tmp_path / "m.skops"
        status, *_ = run(
            capsys, "train", path, *COLUMNS, "--numeric", "price", "--test", "0", "--out", model
        )
        assert status == 0
        answers += [run(capsys, "predict", p, "--model", model)[1] for p in (csv_path, parquet)]
    assert len(set(answers)) == 1


def test_without_a_library_or_a_right_file(tmp_path, capsys, monkeypatch):
    path = tmp_path / "t.parquet"
    status, _, err = run(capsys, "train", path, *COLUMNS)
    assert (status, "cannot be read: No such file" in err) == (1, True)
    path.write_text("no parquet")
    for library in ("polars", "pandas"):
        if importlib.util.find_spec(library) is None:
            continue
        status, _, err = run(capsys, "train", path, *COLUMNS)
        assert (status, "cannot be read by" in err) == (1, True)
        break

    def none(name):
        raise ImportError(name=name)

    monkeypatch.setattr("sklhier._cli.tables.importlib.import_module", none)
    with pytest.raises(
        CommandError, match="needs polars or pandas; not installed: polars, pandas"
    ):
        _frame_table(Source(str(path)))


def test_csv_needs_no_library(tmp_path, capsys, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text(shop_text(), "utf-8")
    monkeypatch.setattr("sklhier._cli.tables.importlib", None)
    assert run(capsys, "train", path, *COLUMNS, *QUICK)[0] == 0
