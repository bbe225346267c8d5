"""A strategy of one's own, in one file: registered by name, found by a search."""

import numpy as np
from sklearn.model_selection import GridSearchCV

from sklhier import HierarchicalClassifier
from sklhier.datasets import make_hierarchical_classification
from sklhier.strategies import (
    AnswerMarginals,
    Kind,
    LocalProblem,
    ModelKey,
    Outcomes,
    Strategy,
    register,
)


@register("two_stages")
class TwoStages(Strategy):
    """First the node of level 1, then a class below it."""

    def outcomes(self, taxonomy, class_ids):
        return Outcomes.of(taxonomy, class_ids, stops=True)

    def plan(self, taxonomy, outcomes, nodes):
        tops = taxonomy.path_ids(nodes)[:, 0]
        for key, members, is_below in self._problems(taxonomy, outcomes):
            rows = np.flatnonzero(is_below(tops))
            targets = tops[rows] if key.number == 0 else nodes[rows]
            yield LocalProblem(key, members, rows, np.searchsorted(members, targets))

    def marginals(self, taxonomy, outcomes, scores):
        (root, tops, _), *others = self._problems(taxonomy, outcomes)
        of_tops = scores.proba(root, tops)
        parts = [of_tops[:, [i]] * scores.proba(key, m) for i, (key, m, _) in enumerate(others)]
        answers = np.concatenate([members for _, members, _ in others])
        return AnswerMarginals(taxonomy, outcomes, answers, np.hstack(parts))

    def columns_per_row(self, taxonomy, outcomes, *, all_nodes):
        return 2 * taxonomy.n_nodes

    def _problems(self, taxonomy, outcomes):
        tops, classes = outcomes.of_node(0), np.sort(outcomes.classes)
        yield ModelKey(Kind.PARENT, 0), tops, np.ones_like
        for top in tops.tolist():
            below = classes[taxonomy.path_ids(classes)[:, 0] == top]
            yield ModelKey(Kind.PARENT, top), below, lambda tops, top=top: tops == top


def test_a_search_finds_it():
    X, y, taxonomy = make_hierarchical_classification(200, 6, branching=(3, 2, 2), random_state=0)
    model = HierarchicalClassifier(taxonomy=taxonomy)
    search = GridSearchCV(model, {"strategy": ["flat", "two_stages"]}, cv=3, error_score="raise")
    assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()
    fitted = model.set_params(strategy="two_stages").fit(X, y)
    assert list(fitted.estimators_) == [taxonomy.nodes[0], "n1", "n2", "n3"]
    assert np.allclose(fitted.predict_proba(X).sum(axis=1), 1)
