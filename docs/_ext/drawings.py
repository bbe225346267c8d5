"""Draw the strategies, the decoders and the decisions between them, as SVG, at each build.

Answers in the drawings of decoders are those of the library. ``python docs/_ext/drawings.py FOLDER``
writes all drawings, as PNG if a second argument says ``png``.
"""

import io
import sys
import textwrap
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.decoders import (
    Beam,
    BestPath,
    Climbing,
    CostMatrix,
    Darts,
    ExpectedF1,
    HierarchicalF,
    InformationThreshold,
    LevelWeighted,
    MaximumClosure,
    SetThreshold,
    Threshold,
    TopDown,
    TopLabels,
)

BRANCHES = {"science": ["mars", "medicine", "moon"], "sport": ["chess", "tennis"]}
LEAVES = [leaf for leaves in BRANCHES.values() for leaf in leaves]
PLACES = {"root": (2.3, 2.0), "science": (1.0, 1.0), "sport": (3.55, 1.0)}
PLACES |= {leaf: (float(x), 0.0) for x, leaf in enumerate(LEAVES)}
PARENTS = {child: top for top, children in BRANCHES.items() for child in children}
PARENTS |= dict.fromkeys(BRANCHES, "root")
# One path for each sample: children sum to their parent.
PROBA = dict(science=0.55, sport=0.45, mars=0.2, medicine=0.15, moon=0.2, chess=0.4, tennis=0.05)
# Several labels for each sample: children are at most as probable as their parent.
MEMBER = dict(science=0.9, sport=0.45, mars=0.7, medicine=0.15, moon=0.5, chess=0.4, tennis=0.1)

INK, PALE, LINE = "#222222", "#f2f2f2", "#9a9a9a"
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, "#777777")


def _axes(width, height, x, y):
    """Return bare axes that fill a figure, with these limits."""
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=x, ylim=y)
    ax.axis("off")
    return ax


def _box(ax, nodes, colour, dashed=False, pad=(0.42, 0.24), number=None):
    """Frame nodes: the outcomes of one model."""
    xs, ys = zip(*(PLACES[node] for node in nodes), strict=True)
    left, right = min(xs) - pad[0], max(xs) + pad[0]
    low, high = min(ys) - pad[1], max(ys) + pad[1]
    ax.add_patch(
        FancyBboxPatch(
            (left, low), right - left, high - low, boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=colour + "22", edgecolor=colour, linewidth=1.6,
            linestyle="--" if dashed else "-", zorder=1,
        )
    )  # fmt: skip
    if number is not None:
        ax.text(
            left + 0.02, high - 0.01, str(number), fontsize=7.5, color="white", ha="center",
            va="center", zorder=5,
            bbox={"boxstyle": "circle,pad=0.18", "facecolor": colour, "edgecolor": "white"},
        )  # fmt: skip


def _tree(ax, taken=(), numbers=None, root="all", size=8):
    """Draw the taxonomy; nodes that are `taken`, and the edges to them, stand out."""
    for child, parent in PARENTS.items():
        (x0, y0), (x1, y1) = PLACES[parent], PLACES[child]
        strong = child in taken
        ax.plot(
            [x0, x1], [y0, y1], color=RED if strong else LINE, linewidth=2.4 if strong else 1,
            zorder=0.5 if not strong else 0.8,
        )  # fmt: skip
    for node, (x, y) in PLACES.items():
        strong = node in taken
        name = root if node == "root" else node
        text = name if numbers is None or node == "root" else f"{name}\n{numbers[node]:.2f}"
        ax.text(
            x, y, text, ha="center", va="center", fontsize=size, color="white" if strong else INK,
            zorder=3, linespacing=1.15,
            bbox={
                "boxstyle": "round,pad=0.25", "facecolor": RED if strong else "white",
                "edgecolor": RED if strong else LINE, "linewidth": 1,
            },
        )  # fmt: skip


def _panel():
    return _axes(3.7, 2.2, (-0.62, 4.62), (-0.42, 2.32))


# -- strategies ---------------------------------------------------------------------------


def per_parent():
    ax = _panel()
    for number, (nodes, colour) in enumerate(
        zip([[*BRANCHES], *BRANCHES.values()], COLOURS, strict=False), 1
    ):
        _box(ax, nodes, colour, number=number)
    _tree(ax)
    return ax.figure


def per_level():
    ax = _panel()
    _box(ax, [*BRANCHES], BLUE, number=1)
    _box(ax, LEAVES, ORANGE, number=2)
    _tree(ax)
    return ax.figure


def per_node():
    ax = _panel()
    for number, (node, colour) in enumerate(zip(PARENTS, COLOURS, strict=True), 1):
        _box(ax, [node], colour, number=number)
    _tree(ax)
    return ax.figure


def flat():
    ax = _panel()
    _box(ax, LEAVES, BLUE, number=1)
    _tree(ax)
    return ax.figure


def _small_tree(ax, left, boxes, colour, text):
    """Draw the taxonomy as dots, with frames, from `left` on."""
    scale = 0.36
    spots = {node: (left + scale * x, 0.75 + 0.55 * y) for node, (x, y) in PLACES.items()}
    for child, parent in PARENTS.items():
        ax.plot(*zip(spots[parent], spots[child], strict=True), color=LINE, linewidth=1)
    for nodes in boxes:
        xs, ys = zip(*(spots[node] for node in nodes), strict=True)
        ax.add_patch(
            FancyBboxPatch(
                (min(xs) - 0.1, min(ys) - 0.13), max(xs) - min(xs) + 0.2, 0.26,
                boxstyle="round,pad=0,rounding_size=0.08", facecolor=colour + "22",
                edgecolor=colour, linewidth=1.4,
            )
        )  # fmt: skip
    ax.plot(*zip(*spots.values(), strict=True), "o", color=INK, markersize=4)
    ax.text(left + 2 * scale, 0.32, text, ha="center", va="center", fontsize=8.5, color=colour)


def ensemble():
    ax = _axes(3.7, 2.2, (0, 4), (0, 2.35))
    _small_tree(ax, 0.2, [[*BRANCHES], *BRANCHES.values()], BLUE, "per parent")
    _small_tree(ax, 2.3, [[*BRANCHES], LEAVES], ORANGE, "per level")
    ax.text(1.97, 1.2, "+", ha="center", va="center", fontsize=20, color=INK)
    ax.text(2, 2.13, "mean of the probabilities", ha="center", fontsize=9, color=INK)
    return ax.figure


def auto():
    ax = _axes(3.7, 2.2, (-1.3, 2.3), (-1.1, 4.35))
    names = ["per_parent", "per_level", "flat", "per_node"]
    for row, (name, score) in enumerate(zip(names, [1.5, 1.85, 1.65, 1.4], strict=True)):
        best = name == "per_level"
        ax.barh(3 - row, score, color=BLUE if best else "#c9c9c9", height=0.62)
        ax.text(-0.08, 3 - row, name, ha="right", va="center", fontsize=8.5, color=INK)
        if best:
            ax.text(score + 0.06, 3 - row, "taken", va="center", fontsize=8.5, color=BLUE)
    ax.text(-1.25, 3.85, "score on held-out rows", fontsize=9, color=INK)
    ax.text(-1.25, -0.95, "then fitted to all rows", fontsize=9, color=INK)
    return ax.figure


def multihead():
    ax = _panel()
    _box(ax, [*PARENTS], BLUE, number=1)
    _tree(ax)
    ax.text(-0.55, 2.0, "one model,\na head for each node", va="center", fontsize=8, color=BLUE)
    return ax.figure


STRATEGIES = [per_parent, per_level, per_node, flat, ensemble, auto, multihead]

# -- decoders -----------------------------------------------------------------------------

TAXONOMY = Taxonomy.from_dict(BRANCHES)


def _table(numbers):
    """Return one row of node probabilities, the root first."""
    return np.array([[1.0, *(numbers[node] for node in TAXONOMY.nodes[1:])]])


def _costs():
    """Return costs 0, 4 and 10 for the class, its branch and the rest; a human costs 3."""
    costs = {
        action: {
            label: 0 if label == action else 4 if PARENTS[label] == PARENTS[action] else 10
            for label in LEAVES
        }
        for action in LEAVES
    }
    return costs | {None: dict.fromkeys(LEAVES, 3)}


def _answers(answer):
    """Return the nodes of an answer and of the paths to them."""
    ends = [] if answer is None else [answer] if isinstance(answer, str) else list(answer)
    return {node for end in ends for node in (end, PARENTS[end])} - {"root"}


def _decoded(ax, answer, numbers, note):
    taken = _answers(answer)
    _tree(ax, taken, numbers, root="no answer" if not taken else "all")
    if not taken:
        ax.texts[0].set(color="white")
        ax.texts[0].get_bbox_patch().set(facecolor=RED, edgecolor=RED)
    if note:
        ax.text(4.55, 2.2, note, ha="right", va="top", fontsize=8, color=BLUE, linespacing=1.3)
    return ax.figure


def _path_decoder(decoder, note=""):
    def draw():
        model = HierarchicalClassifier(taxonomy=TAXONOMY).fit(np.eye(5), LEAVES)
        return _decoded(_panel(), model.decode(_table(PROBA), decoder)[0], PROBA, note)

    return draw


def _set_decoder(decoder, note=""):
    def draw():
        model = HierarchicalMultiLabelClassifier(taxonomy=TAXONOMY)
        model.fit(np.eye(5), [[leaf] for leaf in LEAVES])
        return _decoded(_panel(), model.decode(_table(MEMBER), decoder)[0], MEMBER, note)

    return draw


def conformal():
    """The deepest node of the best path above a threshold that held-out rows have set."""
    return _decoded(
        _panel(), "sport", PROBA, "best path down to 0.43:\nlearnt, so that 95 %\nhold"
    )


def risk_control():
    answer = [node for node, value in MEMBER.items() if value >= 0.4]
    return _decoded(_panel(), answer, MEMBER, "all from 0.40: learnt,\nso that 10 % are missed")


DECODERS = {
    "best_path": _path_decoder(BestPath(), "largest at the end"),
    "top_down": _path_decoder(TopDown(), "largest at each step"),
    "beam": _path_decoder(Beam(width=2), "best of 2 at each level"),
    "level_weighted": _path_decoder(LevelWeighted([4, 1]), "first level counts 4,\nsecond 1"),
    "hierarchical_f": _path_decoder(HierarchicalF(answer="set"), 'answer="set"'),
    "cost_matrix": _path_decoder(CostMatrix(_costs()), "a human costs 3,\nmistakes 4 or 10"),
    "threshold": _path_decoder(Threshold(0.5), "above 0.50"),
    "information_threshold": _path_decoder(
        InformationThreshold(0.42), "above 0.42,\nmost specific"
    ),
    "climbing": _path_decoder(Climbing(0.42), "up the best path\nto 0.42"),
    "darts": _path_decoder(Darts(accuracy_reward=0.5), "gain of being specific\nagainst risk"),
    "conformal": conformal,
}
SET_DECODERS = {
    "set_threshold": _set_decoder(SetThreshold(0.5), "above 0.50"),
    "expected_f1": _set_decoder(ExpectedF1(), "best expected F1"),
    "maximum_closure": _set_decoder(MaximumClosure(), "each right node +1,\neach wrong one -1"),
    "top_labels": _set_decoder(TopLabels(2), "the 2 most probable"),
    "risk_control": risk_control,
}

# -- decisions ----------------------------------------------------------------------------


def _decision(rows, last):
    """Draw questions below each other, with the answer of a yes to the right of each.

    As wide as the screen of a phone, with type that is not made smaller there.
    """
    height = len(rows) + 1
    ax = _axes(3.75, 0.86 * height, (0, 10), (-0.5, height - 0.5))
    question = {"boxstyle": "round,pad=0.5", "facecolor": PALE, "edgecolor": LINE}
    answer = {"boxstyle": "round,pad=0.5", "facecolor": BLUE, "edgecolor": BLUE}
    arrow = {"arrowstyle": "-|>", "mutation_scale": 10, "color": LINE, "linewidth": 1.4}
    centred = {"ha": "center", "va": "center", "fontsize": 9}
    for row, (text, take) in enumerate(rows):
        y = height - 1 - row
        # Arrows first: boxes cover their ends.
        ax.add_patch(FancyArrowPatch((2.55, y), (6.1, y), **arrow))
        ax.add_patch(FancyArrowPatch((2.55, y), (2.55, y - 0.64), **arrow))
        ax.text(2.55, y, textwrap.fill(text, 22), color=INK, bbox=question, **centred)
        ax.text(8, y, take, color="white", bbox=answer, **centred)
        ax.text(5.55, y + 0.07, "yes", ha="center", fontsize=8, color=INK)
        ax.text(2.7, y - 0.53, "no", fontsize=8, color=INK)
    ax.text(2.55, 0, textwrap.fill(last, 22), color="white", bbox=answer, **centred)
    return ax.figure


def which_classifier():
    return _decision(
        [
            ("Several labels for a sample, or several parents of a class?",
             "Hierarchical-\nMultiLabel-\nClassifier"),
            ("Dense vectors, as embeddings, or hidden layers wanted?", "MultiHead-\nClassifier"),
        ],
        "HierarchicalClassifier",
    )  # fmt: skip


def which_strategy():
    return _decision(
        [
            ("You do not know, and can wait?", '"auto"'),
            ("Dense X and a linear base?", '"flat"'),
            (
                "Sparse texts, few classes with many texts each?",
                'compare "flat"\nwith "per_level"',
            ),
            ("Other sparse texts?", '"per_parent"'),
            ("Forests or boosting on tables?", 'compare "flat"\nwith "per_level"'),
        ],
        'compare "per_parent" with "flat"',
    )


def which_decoder():
    return _decision(
        [
            ("May an answer stop early, at a guaranteed error rate?", '"conformal"'),
            ("May it stop early where the model is unsure?", '"threshold"'),
            ("Is it known what each mistake costs?", "CostMatrix(costs)"),
            ("Do upper levels count more?", '"level_weighted"'),
            ("Are you judged by hierarchical F?", '"hierarchical_f"'),
        ],
        '"best_path", the default',
    )


# -- landing page -------------------------------------------------------------------------


def landing():
    """A text on its way down the tree, with the probabilities of the code below; for phones, too."""
    ax = _axes(4.8, 3.7, (-0.62, 4.62), (-0.95, 3.35))
    numbers = dict(
        science=0.96, sport=0.04, mars=0.88, medicine=0.04, moon=0.03, chess=0.02, tennis=0.02
    )
    _tree(ax, _answers("mars"), numbers, root="your classes", size=10)
    ax.text(
        2.3, 3.05, "“a rover drives through red dust”", ha="center", va="center", fontsize=11,
        color=INK,
        bbox={"boxstyle": "round,pad=0.6", "facecolor": PALE, "edgecolor": LINE},
    )  # fmt: skip
    ax.add_patch(
        FancyArrowPatch((2.3, 2.82), (2.3, 2.12), arrowstyle="-|>", mutation_scale=14, color=INK)
    )
    ax.text(2.0, -0.72, "science / mars  0.88", ha="center", fontsize=12, color=RED, weight="bold")
    return ax.figure


DRAWINGS = (
    {f"strategy_{draw.__name__}": draw for draw in STRATEGIES}
    | {f"decoder_{name}": draw for name, draw in (DECODERS | SET_DECODERS).items()}
    | {draw.__name__: draw for draw in (which_classifier, which_strategy, which_decoder, landing)}
)


def written(draw, kind="svg"):
    """Return a drawing as the bytes of a file, the same at each call."""
    with mpl.rc_context({"svg.hashsalt": "sklhier", "font.family": "DejaVu Sans"}):
        file = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else None
        draw().savefig(file, format=kind, facecolor="white", metadata=metadata, dpi=110)
    return file.getvalue()


def write_all(folder, kind="svg"):
    """Write all drawings that are not there or have changed."""
    folder.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        file, content = folder / f"{name}.{kind}", written(draw, kind)
        if not file.exists() or file.read_bytes() != content:
            file.write_bytes(content)


def setup(app):
    """Write the drawings before the pages that show them are read."""
    app.connect("builder-inited", lambda app: write_all(Path(app.srcdir) / "drawings"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    write_all(Path(sys.argv[1]), *sys.argv[2:])
