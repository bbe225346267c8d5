"""The demonstration: real texts that need no download, some questions."""

from __future__ import annotations

from argparse import Namespace

from sklhier._cli.answers import answer
from sklhier._cli.columns import Columns
from sklhier._cli.console import UsageError, say
from sklhier._cli.labels import Labelled
from sklhier._cli.models import new_model, save
from sklhier._cli.train import check_common, check_decoder
from sklhier._cli.training import Corpus, compare, fitted, split
from sklhier.datasets import load_docstrings

__all__ = ["run"]

_QUESTIONS = (
    "solve a sparse linear system",
    "shortest path between two nodes of a graph",
    "draw random numbers from a normal distribution",
    "group similar samples into clusters",
)


def run(options: Namespace) -> None:
    """Learn the docstrings of the scientific packages, compare, answer questions."""
    form = check_common(options)
    check_decoder(options, has_sets=False)
    if not 0 < options.test < 1:
        raise UsageError(f"--test must be between 0 and 1, got {options.test}.")
    say("Gathering docstrings ...")
    bunch = load_docstrings()
    corpus = Corpus(bunch.data, Labelled(bunch.target, bunch.taxonomy))
    model = new_model(options, Columns(text=("text",)), bunch.taxonomy)
    say(
        "Docstrings of numpy, scipy, scikit-learn and networkx: "
        f"{len(corpus):,} texts, {corpus.extent}"
    )
    if options.ask is None:
        compare(corpus, model, split(corpus, options.test, options.seed), with_flat=True)
    model = fitted(corpus, model)
    if options.out:
        save(model, options.out, form)
        pickled = " --allow-pickle" if form == "joblib" else ""
        say(f'Saved to {options.out}; ask it by: --model {options.out}{pickled} --ask "..."')
    answer(model, options.ask or _QUESTIONS)
