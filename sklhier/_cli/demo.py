"""The demonstration: real texts that need no download, some questions."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from sklhier._cli.answers import answer, answers_of
from sklhier._cli.columns import Columns
from sklhier._cli.console import UsageError, say
from sklhier._cli.labels import Labelled
from sklhier._cli.models import classifier_of, new_model, save
from sklhier._cli.pictures import picture
from sklhier._cli.train import check_common, check_decoder
from sklhier._cli.training import Corpus, compare, fitted, split
from sklhier._cli.walks import Walker, shown_path_of
from sklhier.datasets import load_docstrings

__all__ = ["run"]

_QUESTIONS = (
    "solve a sparse linear system",
    "shortest path between two nodes of a graph",
    "draw random samples from a normal distribution",
    "group similar samples into clusters",
    "sort the values of an array",
)
_PATHS = 3
_NEXT = """
Next:
  python -m sklhier train table.csv --text COLUMN --levels TOP NEXT --out model.skops
      the same for your own table (after pip install skops; --out model.joblib needs nothing)
  python -m sklhier --ask "invert a matrix" "read a text file"
      your own questions
  README.md: the quick start in Python; docs/getting_started.rst: the first ten minutes"""


def run(options: Namespace) -> None:
    """Learn the docstrings of the scientific packages, compare, answer questions."""
    form = check_common(options)
    check_decoder(options, has_sets=False)
    if not 0 < options.test < 1:
        raise UsageError(f"--test must be between 0 and 1, got {options.test}.")
    say("Gathering docstrings ...")
    bunch = load_docstrings()
    corpus = Corpus(bunch.data, Labelled(bunch.target, bunch.taxonomy))
    model = new_model(options, Columns(text=("text",)), bunch.taxonomy, bunch.data)
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
        say(f'Saved to {options.out}; query it with: --model {options.out}{pickled} --ask "..."')
    answer(model, options.ask or _QUESTIONS)
    if options.ask is None:
        _look_closer(model, _QUESTIONS)
        say(_NEXT)


def _look_closer(model: Any, questions: Sequence[str]) -> None:
    """Draw what the least sure answer was chosen from, and say where it would stop."""
    classifier, features = classifier_of(model), model[:-1].transform(questions)
    if not hasattr(classifier, "predict_node_proba"):
        return
    row = int(classifier.predict_proba(features).max(axis=1).argmin())
    walker = Walker(classifier.taxonomy_)
    answers = answers_of(model, walker, [questions[row]], _PATHS)
    proba = classifier.predict_node_proba(features[[row]])
    ends = [node for node, _ in answers.top[0]]
    drawn = picture(walker.taxonomy, proba[0], ends, answers.nodes[0])
    say(f"\nThe least sure of these answers, and the {_PATHS} most probable paths:")
    say(f"\n  {questions[row]}\n")
    say("\n".join(f"  {line}" for line in drawn.splitlines()))
    sure = classifier.decode(proba, "threshold")
    (end,) = walker.nodes(walker.taxonomy.to_levels(sure))
    where = shown_path_of(walker.taxonomy, int(end)) if end else "the root: no answer"
    say(f"\ndecoder='threshold' stops before the probability falls below 0.5: at {where}.")
