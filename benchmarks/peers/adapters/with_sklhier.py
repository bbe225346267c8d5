"""sklhier, a local classifier per parent node; the taxonomy is compiled within fit's time."""

from harness import TOP, Adapter, highest, linear_base, run

from sklhier import HierarchicalClassifier, HierarchicalMultiLabelClassifier, Taxonomy
from sklhier.decoders import TopLabels


class Sklhier(Adapter):
    package = "sklhier"

    def prepare(self):
        self.base = linear_base(self.options)
        several = self.data.several
        self.y = self.data.y_train if several else self.data.leaf_names[self.data.y_train]
        names, parents = self.data.names, self.data.parents
        self.edges = list(zip(names[parents[1:]].tolist(), names[1:].tolist(), strict=True))
        self.settings = {"base": repr(self.base), "strategy": "per_parent"}

    def fit(self):
        taxonomy = Taxonomy.from_edges(self.edges, root=str(self.data.names[0]))
        if self.data.several:
            # Columns of the indicator are the leaves in their order.
            model = HierarchicalMultiLabelClassifier(
                self.base,
                taxonomy=taxonomy,
                decoder=TopLabels(TOP),
                classes=self.data.leaf_names.tolist(),
            )
        else:
            model = HierarchicalClassifier(self.base, taxonomy=taxonomy)
        self.model = model.fit(self.data.X_train, self.y)
        if "min_weight" in self.options:
            self.model.compress(min_weight=self.options["min_weight"])

    def predictions(self):
        if self.data.several:
            yield "ranking", lambda: self._best(TOP)
            return
        for decoder in ("top_down", "best_path"):
            self.model.set_params(decoder=decoder)
            yield decoder, lambda: self.model.predict(self.data.X_test)

    def _best(self, k):
        self.model.decoder_ = TopLabels(k)
        return self.model.predict(self.data.X_test)

    def leaves(self, answer):
        if not self.data.several:
            return self.data.leaves_named(answer)
        # Sets have no order; the smaller ones tell it, as far as P@1, P@3 and P@5 need it.
        return highest(sum((self._best(k).toarray() for k in (1, 3)), answer.toarray()), TOP)


if __name__ == "__main__":
    run(Sklhier)
