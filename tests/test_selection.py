"""The cases of tests that a plain ``pytest`` runs."""

from selection import spread, values


def test_each_value_is_there_before_any_comes_again():
    cases = [{("a", i), ("b", j)} for i in range(5) for j in range(3)]
    chosen = list(spread(cases, 5))
    assert len(set(chosen)) == 5
    assert set().union(*(cases[place] for place in chosen)) == set().union(*cases)
    assert len(set().union(*(cases[place] for place in chosen[:3]))) == 6


def test_all_cases_are_chosen_where_there_are_few():
    assert sorted(spread([{("a", i)} for i in range(3)], 7)) == [0, 1, 2]


def test_names_that_are_given_together_are_one_value():
    class Mark:
        args = ("a, b", [])

    class Case:
        class callspec:  # noqa: N801
            params = {"a": 1, "b": "x", "tree": "flat"}  # noqa: RUF012

        def iter_markers(self, name):
            return [Mark] if name == "parametrize" else []

    assert values(Case()) == {("a,b", (1, "x")), ("tree", "flat")}
