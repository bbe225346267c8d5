"""The options of the command and its four parts."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import NoReturn

from sklhier import __version__
from sklhier._cli import demo, predict, report, taxonomies, train
from sklhier._cli.console import UsageError, did_you_mean
from sklhier._cli.models import DECODERS, ESTIMATORS, SET_DECODERS, STRATEGIES

__all__ = ["parsed"]

_PROG = "python -m sklhier"
_WHAT = {
    "train": "learn from a table, compare with a flat model, save a model",
    "predict": "classify the rows of a table, or typed texts, with a saved model",
    "report": "measure a saved model on a table with labels",
    "taxonomy": "print or convert the taxonomy of a model or a file",
}
_STATUS = "Exit status: 0 success, 1 unusable data or files, 2 wrong options."


class _Parser(ArgumentParser):
    """A parser that says where an option with several values has swallowed the file."""

    def __init__(self, prog: str, description: str, epilog: str = _STATUS) -> None:
        super().__init__(prog=prog, description=description, epilog=epilog, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        if "required: FILE" in message:
            message += " (put FILE first: an option with several values takes all that follow)"
        super().error(message)


def parsed(arguments: Sequence[str]) -> Namespace:
    """Return the options, with ``run``, what is to be done.

    Without the name of a part, options are those of the demonstration; with a file or columns
    those of ``train``, with ``--model`` those of ``predict``, as in earlier versions.
    """
    if arguments and arguments[0] in _PARTS:
        return _PARTS[arguments[0]]().parse_args(arguments[1:])
    parser = _demo_parser()
    options, rest = parser.parse_known_args(arguments)
    if not rest:
        return options
    first = arguments[0]
    hint = did_you_mean(first, list(_PARTS))
    if hint and not first.startswith("-") and not os.path.exists(first):
        raise UsageError(f"There is no command or file {first!r}.{hint}")
    is_question = any(word.split("=")[0] == "--model" for word in rest)
    return _PARTS["predict" if is_question else "train"]().parse_args(arguments)


def _common(parser: ArgumentParser, run: Callable[[Namespace], None]) -> None:
    parser.set_defaults(run=run)
    parser.add_argument("--version", action="version", version=f"sklhier {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _demo_parser() -> ArgumentParser:
    parts = ", ".join(f"{name} ({what})" for name, what in _WHAT.items())
    parser = _Parser(
        _PROG,
        "Demonstration: learn the docstrings of the installed numpy, scipy, scikit-learn and "
        "networkx, compare with a flat classifier, classify questions. For your own tables there "
        f"are the commands {parts}: `{_PROG} train --help`.",
    )
    _common(parser, demo.run)
    parser.add_argument("--ask", nargs="+", metavar="TEXT", help="texts to classify")
    parser.add_argument(
        "--test", "--test-size", type=float, default=0.2, metavar="SHARE",
        help="share of the texts to test on (default: 0.2)",
    )  # fmt: skip
    _saving(parser)
    _learning(parser)
    parser.set_defaults(file=None)
    return parser


def _train_parser() -> ArgumentParser:
    parser = _Parser(f"{_PROG} train", _sentence("train"))
    _common(parser, train.run)
    parser.add_argument("file", metavar="FILE", help=_FILE_HELP)
    _features(parser)
    _labels(parser)
    parser.add_argument("--taxonomy", metavar="FILE", help="table of parents or levels, or JSON")
    _reading(parser)
    parser.add_argument(
        "--test", "--test-size", default="0.2", metavar="SHARE|FILE",
        help="share of the rows to test on, or a file with test rows; 0: no test (default: 0.2)",
    )  # fmt: skip
    parser.add_argument("--no-flat", action="store_true", help="do not compare with a flat model")
    parser.add_argument(
        "--ask", nargs="+", metavar="TEXT", help="texts to classify, without a test"
    )
    _saving(parser)
    _learning(parser)
    return parser


def _predict_parser() -> ArgumentParser:
    parser = _Parser(f"{_PROG} predict", _sentence("predict"))
    _common(parser, predict.run)
    parser.add_argument("file", nargs="?", metavar="FILE", help=_FILE_HELP)
    _loading(parser)
    parser.add_argument("--ask", nargs="+", metavar="TEXT", help="texts to classify")
    parser.add_argument(
        "--out", metavar="FILE", help=".csv, .tsv or .jsonl, .gz too (default: standard output)"
    )
    parser.add_argument(
        "--form", choices=("levels", "path"), help="a column for each level, or one path"
    )
    parser.add_argument(
        "--top-k", type=int, default=0, metavar="K", help="add the K most probable answers"
    )
    parser.add_argument("--id", nargs="+", metavar="COLUMN", help="columns to copy")
    parser.add_argument("--keep", action="store_true", help="copy all columns")
    _features(parser)
    _reading(parser)
    return parser


def _report_parser() -> ArgumentParser:
    parser = _Parser(f"{_PROG} report", _sentence("report"))
    _common(parser, report.run)
    parser.add_argument("file", metavar="FILE", help=_FILE_HELP)
    _loading(parser)
    parser.add_argument("--form", choices=("text", "csv", "json"), default="text")
    parser.add_argument("--out", metavar="FILE", help="default: standard output")
    parser.add_argument("--max-depth", type=int, metavar="LEVEL", help="deepest level listed")
    _features(parser)
    _labels(parser)
    _reading(parser)
    return parser


def _taxonomy_parser() -> ArgumentParser:
    parser = _Parser(f"{_PROG} taxonomy", _sentence("taxonomy"))
    _common(parser, taxonomies.run)
    parser.add_argument(
        "file", metavar="FILE",
        help="a model; a table with columns node and parent, or one for each level; JSON; or any "
        "table with --levels or --label",
    )  # fmt: skip
    parser.add_argument(
        "--lines", type=int, default=60, metavar="N", help="largest number of lines to draw"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--lint", action="store_true", help="list possible mistakes, such as similar names"
    )
    parser.add_argument("--out", metavar="FILE", help="convert to .csv or .json")
    _trust(parser)
    _labels(parser)
    _reading(parser)
    return parser


_FILE_HELP = (
    "CSV or TSV (also gzip, bzip2, xz); Parquet and others with polars or pandas; - for a pipe"
)
_PARTS: dict[str, Callable[[], ArgumentParser]] = {
    "train": _train_parser,
    "predict": _predict_parser,
    "report": _report_parser,
    "taxonomy": _taxonomy_parser,
}


def _sentence(part: str) -> str:
    return f"{_WHAT[part][0].upper()}{_WHAT[part][1:]}."


def _features(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("columns of features")
    for kind, what in (
        ("text", "texts"), ("numeric", "numbers; blank cells are missing"),
        ("categorical", "categories"),
    ):  # fmt: skip
        group.add_argument(f"--{kind}", nargs="+", metavar="COLUMN", help=what)


def _labels(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("columns of labels")
    group.add_argument("--levels", nargs="+", metavar="COLUMN", help="levels, from the top")
    group.add_argument("--label", metavar="COLUMN", help="whole paths, or names of nodes")
    group.add_argument("--sep", help="separator of the steps of a path (default: /)")
    group.add_argument("--label-sep", metavar="SEP", help="separator of several labels of a row")


def _reading(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("reading of tables")
    group.add_argument("--encoding", help="default: UTF-8, or as the byte order mark says")
    group.add_argument("--delimiter", type=_delimiter, metavar="CHARACTER")
    group.add_argument("--no-quotes", action="store_true", help="quotation marks are just text")
    group.add_argument(
        "--skip-bad-rows", action="store_true", help="skip them instead of stopping"
    )


def _delimiter(text: str) -> str:
    return "\t" if text in ("\\t", "tab") else text


def _learning(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("learning")
    group.add_argument("--estimator", choices=sorted(ESTIMATORS), default="linear")
    group.add_argument("--strategy", choices=STRATEGIES, default="per_parent")
    names = ", ".join(dict.fromkeys([*DECODERS, *SET_DECODERS]))
    group.add_argument("--decoder", metavar="NAME", help=names)
    group.add_argument("--jobs", type=int, metavar="N", help="nodes fitted at the same time")
    group.add_argument("--seed", type=int, default=0)
    group.add_argument(
        "--progress", dest="verbose", action="store_const", const=2, default=1,
        help="show progress even if standard error is not a terminal",
    )  # fmt: skip
    group.add_argument("--no-progress", dest="verbose", action="store_const", const=0)


def _saving(parser: ArgumentParser) -> None:
    parser.add_argument("--out", metavar="MODEL", help="save the model, fitted to all rows")
    parser.add_argument(
        "--format",
        choices=("skops", "joblib"),
        help="default: skops, unless MODEL ends in .joblib",
    )


def _loading(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--model", required=True, metavar="MODEL", help="model saved by train --out"
    )
    _trust(parser)


def _trust(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--allow-pickle", action="store_true", help="load a pickle, which can run any code"
    )
    parser.add_argument(
        "--trust", nargs="+", metavar="TYPE", help="types to trust in a skops file"
    )
