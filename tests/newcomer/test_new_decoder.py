"""A decoder of one's own, in one file: registered by name, tuned by a search."""

import numpy as np
from sklearn.model_selection import GridSearchCV

from sklhier import HierarchicalClassifier
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import Decoder, register


@register("sure_steps")
class SureSteps(Decoder):
    """Greedy descent that stops where the next step is a guess."""

    needs_probabilities = True

    def __init__(self, ratio=0.5):
        self.ratio = ratio

    def check(self):
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"`ratio` must be in [0, 1], got {self.ratio!r}.")

    def decode(self, marginals):
        counts, answers = marginals.outcomes.counts, np.zeros(marginals.n_rows, dtype=np.int32)
        rows, proba = np.arange(marginals.n_rows), np.ones(marginals.n_rows)
        while rows.size:
            found = marginals.expand(rows, answers[rows], proba)
            pair = np.repeat(np.arange(len(rows)), np.diff(found.offsets))
            best = np.lexsort((-found.proba, pair))[found.offsets[:-1]]
            rows, proba = rows[found.order], proba[found.order]
            sure = found.proba[best] >= self.ratio * proba
            rows, best = rows[sure], best[sure]
            answers[rows], proba = found.nodes[best], found.proba[best]
            deeper = counts[answers[rows]] > 0
            rows, proba = rows[deeper], proba[deeper]
        return answers


def test_a_search_finds_it():
    X, y, taxonomy = make_hierarchical_classification(
        200, 6, branching=(3, 2), class_sep=0.5, random_state=0
    )
    model = HierarchicalClassifier(taxonomy=taxonomy, decoder="sure_steps")
    grid = {"decoder": ["top_down", "sure_steps", SureSteps(0.9)]}
    search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    by_ratio = GridSearchCV(model.set_params(decoder=SureSteps()), {"decoder__ratio": [0, 0.9]})
    assert by_ratio.fit(X, y).best_params_ == {"decoder__ratio": 0}
    answers = [model.set_params(decoder=SureSteps(r)).fit(X, y).predict(X) for r in (0, 0.9)]
    assert (answers[0] == model.set_params(decoder="top_down").predict(X)).all()
    assert sum(label is None for label in answers[1]) > 0
