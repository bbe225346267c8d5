"""A flat linear classifier of scikit-learn over the leaves."""

from harness import TOP, Adapter, highest, linear_base, run
from sklearn.multiclass import OneVsRestClassifier


class Flat(Adapter):
    package = "scikit-learn"

    def prepare(self):
        self.base = linear_base(self.options)
        if self.data.several:
            self.base = OneVsRestClassifier(self.base)
        self.settings = {"base": repr(self.base)}

    def fit(self):
        self.model = self.base.fit(self.data.X_train, self.data.y_train)

    def predictions(self):
        if self.data.several:
            yield "ranking", lambda: highest(self.model.decision_function(self.data.X_test), TOP)
        else:
            yield "predict", lambda: self.model.predict(self.data.X_test)

    def leaves(self, answer):
        return answer


if __name__ == "__main__":
    run(Flat)
