"""HiClass, a local classifier per parent node."""

import numpy as np
from harness import Adapter, linear_base, run
from hiclass import LocalClassifierPerParentNode


class HiClass(Adapter):
    package = "hiclass"

    def prepare(self):
        self.base = linear_base(self.options)
        names = self.data.names[self.data.paths]
        # A leaf above the last level: nothing below it.
        again = self.data.paths[:, 1:] == self.data.paths[:, :-1]
        names[:, 1:][again] = ""
        self.levels = names[self.data.y_train]
        self.settings = {"base": repr(self.base), "strategy": "per parent node"}

    def fit(self):
        self.model = LocalClassifierPerParentNode(self.base).fit(self.data.X_train, self.levels)

    def predictions(self):
        yield "top-down", lambda: self.model.predict(self.data.X_test)

    def leaves(self, answer):
        last = (np.asarray(answer) != "").sum(axis=1) - 1
        return self.data.leaves_named(np.asarray(answer)[np.arange(len(last)), last])


if __name__ == "__main__":
    run(HiClass)
