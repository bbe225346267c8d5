"""The order of the gallery: as questions come up. Examples that are not named come last."""

_QUESTIONS = (
    "docstrings", "csv_tree", "several_topics", "dag", "no_tree",
    "better_than_flat", "which_strategy", "upper_levels", "stop_when_unsure", "confidence",
    "displays", "why", "wrong_labels", "rare_classes", "add_class",
    "embeddings", "boosting", "million_rows", "one_row", "from_hiclass",
)  # fmt: skip


def position(file):
    """Return the place of an example, such as ``plot_dag.py``, by which they are sorted."""
    name = file.removeprefix("plot_").removesuffix(".py")
    return (_QUESTIONS.index(name) if name in _QUESTIONS else len(_QUESTIONS), name)
