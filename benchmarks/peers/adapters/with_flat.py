"""A flat linear classifier of scikit-learn over the leaves."""

from harness import Adapter, linear_base, run


class Flat(Adapter):
    package = "scikit-learn"

    def prepare(self):
        self.base = linear_base(self.options)
        self.settings = {"base": repr(self.base)}

    def fit(self):
        self.model = self.base.fit(self.data.X_train, self.data.y_train)

    def predictions(self):
        yield "predict", lambda: self.model.predict(self.data.X_test)

    def leaves(self, answer):
        return answer


if __name__ == "__main__":
    run(Flat)
