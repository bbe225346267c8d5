"""sklhier, a local classifier per parent node; the taxonomy is compiled within fit's time."""

from harness import Adapter, linear_base, run

from sklhier import HierarchicalClassifier, Taxonomy


class Sklhier(Adapter):
    package = "sklhier"

    def prepare(self):
        self.base = linear_base(self.options)
        self.y = self.data.leaf_names[self.data.y_train]
        names, parents = self.data.names, self.data.parents
        self.edges = list(zip(names[parents[1:]].tolist(), names[1:].tolist(), strict=True))
        self.settings = {"base": repr(self.base), "strategy": "per_parent"}

    def fit(self):
        taxonomy = Taxonomy.from_edges(self.edges, root=str(self.data.names[0]))
        self.model = HierarchicalClassifier(self.base, taxonomy=taxonomy).fit(
            self.data.X_train, self.y
        )

    def predictions(self):
        for decoder in ("top_down", "best_path"):
            self.model.set_params(decoder=decoder)
            yield decoder, lambda: self.model.predict(self.data.X_test)

    def leaves(self, answer):
        return self.data.leaves_named(answer)


if __name__ == "__main__":
    run(Sklhier)
