"""Tables and calls for the tests of the command."""

import csv
import io

import numpy as np

from sklhier._cli import main
from sklhier.datasets import make_hierarchical_text

TEXT_COLUMNS = ("--text", "text", "--levels", "topic", "subtopic")


def run(capsys, *arguments):
    """Return status, output and errors of a call."""
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def records(text, delimiter=","):
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def write_table(path, n_rows=240):
    """Write a CSV file with two levels, some paths shorter than others, one row without."""
    texts, y, taxonomy = make_hierarchical_text(
        n_rows, branching=(3, 2), mean_length=20, inner_node_labels=0.1, output="text",
        random_state=0,
    )  # fmt: skip
    levels = taxonomy.to_levels(y)
    rows = [f'{text},"{top}",{low or ""}' for text, (top, low) in zip(texts, levels, strict=True)]
    path.write_text("\n".join(["text,topic,subtopic", *rows, 'no topic,"",']), encoding="utf-8")
    return path


def shop_rows():
    """Return the header and rows of a table with text, numbers and categories."""
    rng = np.random.default_rng(0)
    classes = {("Épicerie", "Café"): 5.0, ("Épicerie", "Thé"): 3.0, ("Hygiène", "Savon"): 50.0}
    rows = []
    for number in range(90):
        path = list(classes)[number % 3]
        price = classes[path] + rng.uniform()
        rows.append(
            [str(number), f"article {path[1][0]}{path[1]}", f"{price:.2f}", path[0][0], *path]
        )
    return ["id", "name", "price", "kind", "rayon", "sous-rayon"], rows


def shop_text(delimiter=","):
    header, rows = shop_rows()
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    return stream.getvalue()
