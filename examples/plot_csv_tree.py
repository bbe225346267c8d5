"""
My tree is in a CSV file: how do I use it?
==========================================

The taxonomy is a table of codes and titles, with a mistake in it. Read it, find the mistake, and
train on labels that are codes.
"""

# %%
# Read it
# -------
#
# A table with a code, the code above it and a title is of the kind ``"parents"``. ``from_csv``
# takes a file name or lines. For other tables and formats see
# :doc:`/user_guide/reading_taxonomies`.

from sklhier import Taxonomy

lines = """
code,part_of,title
01,,Garden
02,,Kitchen
03,,Office
011,01,Tools
012,01,Seeds
013,01,seeds
021,02,Knives
022,02,Pans
023,02,Kettles
0221,022,Frying pans
0222,022,Woks
031,03,Paper
032,03,Pens
0321,032,Ball pens
0322,032,Fountain pens
""".strip().splitlines()
taxonomy = Taxonomy.from_csv(lines, "parents", columns=["code", "part_of"], titles="title")
print(taxonomy)

# %%
# Look for mistakes
# -----------------
#
# ``lint`` finds names that look alike, single children, reversed edges and more. Here names are
# codes, so we look for repeated titles ourselves:

print(taxonomy.lint())
titles = [taxonomy.title_of(code).lower() for code in taxonomy.leaves]
print({title for title in titles if titles.count(title) > 1})

# %%
# There are two ``Seeds``. Remove one:

taxonomy = taxonomy.prune(["013"])
taxonomy.leaves

# %%
# Train
# -----
#
# Labels are codes at any depth: the pans for a hotel are filed under ``022``.

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import sklhier
from sklhier import HierarchicalClassifier

texts = """
a steel spade with a long handle; 011 | rake with wooden handle; 011 | tomato seeds; 012
seeds of wild flowers; 012 | bread knife with wooden handle; 021 | small knife of steel; 021
iron frying pan; 0221 | frying pan with lid; 0221 | wok of steel with lid; 0222 | large wok; 0222
pans for a hotel; 022 | electric kettle; 023 | whistling kettle; 023 | white paper; 031
paper in colours; 031 | blue ball pen; 0321 | ten ball pens; 0321
fountain pen with ink; 0322 | fountain pen of gold; 0322
"""
rows = [row.split(";") for line in texts.strip().splitlines() for row in line.split("|")]
texts, codes = [text.strip() for text, _ in rows], [code.strip() for _, code in rows]
model = make_pipeline(
    TfidfVectorizer(), HierarchicalClassifier(LogisticRegression(C=30), taxonomy=taxonomy)
)
model.fit(texts, codes)
questions = ["a wok with a wooden handle", "gold pen", "flower seeds"]
for question, code in zip(questions, model.predict(questions), strict=True):
    print(f"{question}: {' > '.join(taxonomy.title_of(step) for step in taxonomy.path(code))}")

# %%
# The tree with probabilities
# ---------------------------
#
# Codes, titles, and the probability of each node for the first question.

import matplotlib.pyplot as plt

proba = sklhier.predict_node_proba(model, questions[:1])[0]


def below(node):
    """Return the nodes below a node, each before its own children."""
    return [code for child in taxonomy.children(node) for code in (child, *below(child))]


order = below(taxonomy.nodes[0])
fig, ax = plt.subplots(figsize=(7, 5), layout="constrained")
best = taxonomy.path(model.predict(questions[:1])[0])
for row, node in enumerate(order):
    share = proba[taxonomy.id(node)]
    colour = "#D55E00" if node in best else "#0072B2"
    text = f"{node} {taxonomy.title_of(node)}"
    ax.text(0.05 * len(taxonomy.path(node)), row, text, va="center", color=colour, fontsize=12)
    ax.barh(row, 0.4 * share, left=0.55, color=colour, height=0.6)
    ax.text(0.56 + 0.4 * share, row, f"{share:.2f}", va="center", color=colour, fontsize=11)
ax.set(xlim=(0, 1.05), ylim=(len(order) - 0.4, -0.6), title=f"“{questions[0]}”")
ax.axis("off")
plt.show()
