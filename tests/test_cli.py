"""The command, as a user types it, called in this process."""

import gzip
import json
import os
import pickle
import re
import shlex
from argparse import Namespace
from pathlib import Path

import joblib
import numpy as np
import pytest
from cli_helpers import TEXT_COLUMNS, records, run, shop_rows, shop_text, write_table
from generators import trees
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline

from sklhier import HierarchicalClassifier, Taxonomy
from sklhier._cli import files, models, options, report, walks
from sklhier._cli.columns import Columns, number_of
from sklhier._cli.pictures import picture
from sklhier.datasets import make_hierarchical_classification
from sklhier.decoders import Threshold
from sklhier.metrics import hierarchical_classification_report

SHOP = ("--text", "name", "--numeric", "price", "--categorical", "kind")
SHOP_LEVELS = ("--levels", "rayon", "sous-rayon")
QUICK = ("--test", "0")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("cli") / "table.csv")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "shop.csv"
    path.write_text(shop_text(), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    for name, forest in (
        ("forest", RandomForestClassifier),
        ("extra_trees", ExtraTreesClassifier),
    ):
        monkeypatch.setitem(
            models.ESTIMATORS, name, lambda seed, forest=forest: forest(4, random_state=seed)
        )


def trained(capsys, table, model, *arguments):
    status, _, err = run(capsys, "train", table, *arguments, *QUICK, "--out", model)
    assert (status, err) == (0, "")
    return model


@pytest.fixture
def shop_model(shop, tmp_path, capsys):
    pytest.importorskip("skops")
    return trained(capsys, shop, tmp_path / "shop.skops", *SHOP, *SHOP_LEVELS)


# -- train --------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("command", [("train",), ()])
def test_a_file_from_learning_to_a_saved_model(table, tmp_path, capsys, command):
    pytest.importorskip("skops")
    model = tmp_path / "model.skops"
    status, out, err = run(capsys, *command, table, *TEXT_COLUMNS, "--out", model)
    assert (status, err) == (0, "")
    assert "Left out, without a 'topic': 1 row of 241." in out
    assert "240 rows" in out
    for line in ("accuracy at level 1", "accuracy at level 2", "hierarchical F1", "flat"):
        assert line in out
    assert f"predict FILE --model {model}" in out
    status, out, err = run(capsys, "--model", model, "--ask", "w1 w2 w3", "w4")
    assert (status, err) == (0, "")
    assert out.count("->") == 2
    assert os.listdir(tmp_path) == ["model.skops"]


def test_without_a_place_to_save_it_says_so(shop, capsys):
    status, out, _ = run(capsys, "train", shop, *SHOP, *SHOP_LEVELS, "--no-flat")
    assert status == 0
    assert "Nothing is saved" in out
    assert "flat" not in out


def test_a_file_to_test_on(shop, tmp_path, capsys):
    other = tmp_path / "other.csv"
    header, rows = shop_rows()
    new = ["x", "article BBois", "9.0", "B", "Bois", "Chêne"]
    other.write_text("\n".join(",".join(row) for row in [header, *rows[:10], new]), "utf-8")
    status, out, err = run(capsys, "train", shop, *SHOP, *SHOP_LEVELS, "--test", other)
    assert (status, err) == (0, "")
    assert "Learning from 90, testing on the other 11." in out
    assert "1 class only in the test part" in out


def test_seeds_and_workers(shop, capsys, tmp_path):
    files = []
    for seed, jobs in ((1, 1), (1, 2), (2, 1)):
        path = tmp_path / f"{seed}{jobs}.joblib"
        trained(
            capsys, shop, path, *SHOP, *SHOP_LEVELS, "--seed", seed, "--jobs", jobs,
            "--estimator", "forest",
        )  # fmt: skip
        model = joblib.load(path)
        files.append([m.estimators_[0].random_state for m in model[-1].estimators_.values()])
    assert files[0] == files[1] != files[2]


@pytest.mark.few(4)
@pytest.mark.parametrize("strategy", models.STRATEGIES)
def test_every_strategy(shop, capsys, strategy):
    status, out, err = run(
        capsys, "train", shop, *SHOP, *SHOP_LEVELS, "--strategy", strategy, "--test", "0.3"
    )
    assert (status, err) == (0, "")
    assert ("flat" in out.split("accuracy")[0]) == (strategy != "flat")
    assert re.search(r"accuracy of the whole path +1\.000", out)


@pytest.mark.few(4)
@pytest.mark.parametrize("estimator", models.ESTIMATORS)
def test_every_base_is_saved_and_loaded(shop, tmp_path, capsys, estimator):
    pytest.importorskip("skops")
    model = trained(
        capsys, shop, tmp_path / "m.skops", *SHOP, *SHOP_LEVELS, "--estimator", estimator
    )
    status, out, err = run(capsys, "predict", shop, "--model", model, "--top-k", "1")
    assert status == 0
    has_proba = estimator != "linear_svc"
    assert ("proba_rayon" in out) == has_proba
    assert ("no probabilities" in err) == (not has_proba)
    _, rows = shop_rows()
    assert [r["predicted_sous-rayon"] for r in records(out)] == [row[-1] for row in rows]


@pytest.mark.parametrize("more", [(), ("--numeric", "size")])
@pytest.mark.parametrize(("length", "has_pieces"), [(150, True), (151, False)])
def test_short_texts_have_pieces_of_words(tmp_path, capsys, length, has_pieces, more):
    """On average, over all texts, whatever the longest of them."""
    path = tmp_path / "texts.csv"
    rows = [f"x/a,{'owl ' * 50:.{length - 51}}.,1", f"y/b,{'eel ' * 60:.{length + 49}}.,2"] * 5
    path.write_text("\n".join(["label,text,size", *rows]), "utf-8")
    args = (path, "--text", "text", "--label", "label", *more, "--test", "0.4")
    status, out, err = run(capsys, "train", *args, "--out", tmp_path / "m.joblib")
    assert (status, err) == (0, "")
    words = "words, pairs and pieces of words" if has_pieces else "words and pairs of words"
    assert f"Features, {words}{', columns' if more else ''}: " in out
    first = joblib.load(tmp_path / "m.joblib")[0]
    vectorizer = first.named_transformers_["text"] if more else first
    assert isinstance(vectorizer, FeatureUnion) == has_pieces
    status, out, _ = run(
        capsys, "predict", path, "--model", tmp_path / "m.joblib", "--allow-pickle"
    )
    assert status == 0
    assert [row["predicted_path"] for row in records(out)] == ["x/a", "y/b"] * 5


def test_columns_alone_are_no_words(shop, capsys):
    columns = ("--numeric", "price", "--categorical", "kind")
    _, out, _ = run(capsys, "train", shop, *columns, *SHOP_LEVELS)
    assert "Features, columns: " in out


@pytest.mark.few(5)
@pytest.mark.parametrize("decoder", models.DECODERS)
def test_every_decoder(shop, capsys, decoder):
    status, _, _ = run(
        capsys, "train", shop, *SHOP, *SHOP_LEVELS, "--decoder", decoder, "--no-flat"
    )
    assert status == 0


@pytest.mark.few(2)
@pytest.mark.parametrize("decoder", models.SET_DECODERS)
@pytest.mark.filterwarnings("ignore")
def test_several_labels(tmp_path, capsys, decoder):
    pytest.importorskip("skops")
    table = tmp_path / "sets.csv"
    rows = ["owl hoots,bird > owl", "eel swims,fish > eel", "owl eel,bird > owl; fish > eel", "x,"]
    table.write_text("\n".join(["t,l", *rows * 10]), "utf-8")
    model = tmp_path / "m.skops"
    status, out, _ = run(
        capsys, "train", table, "--text", "t", "--label", "l", "--sep", ">", "--label-sep", ";",
        "--decoder", decoder, "--out", model,
    )  # fmt: skip
    assert status == 0
    assert "hierarchical F1" in out
    assert "without a 'l': 10 rows of 40" in out
    status, out, _ = run(capsys, "predict", table, "--model", model, "--top-k", "2")
    first = records(out)[:3]
    assert first[0]["predicted_labels"].split(";")[0] == "bird>owl"
    assert set(first[2]["predicted_labels"].split(";")) == {"bird>owl", "fish>eel"}
    proba = [float(p) for p in first[2]["proba_labels"].split(";")]
    assert proba == sorted(proba, reverse=True)
    assert first[1]["top_1"] == "fish>eel"
    assert float(first[1]["proba_top_1"]) >= float(first[1]["proba_top_2"])
    status, out, _ = run(capsys, "--model", model, "--ask", "owl")
    assert "-> bird / owl (" in out
    status, out, _ = run(capsys, "report", table, "--model", model)
    assert (status, "samples average" in out) == (0, True)


def test_paths_in_one_column(tmp_path, capsys):
    pytest.importorskip("skops")
    table = tmp_path / "paths.tsv"
    rows = ["owl hoots\tbird/owl", "wren sings\tbird / wren", "eel\tfish"]
    table.write_text("\n".join(["t\tl", *rows * 9]), "utf-8")
    model = trained(capsys, table, tmp_path / "m.skops", "--text", "t", "--label", "l")
    status, out, _ = run(capsys, "predict", table, "--model", model)
    assert [r["predicted_path"] for r in records(out)][:3] == ["bird/owl", "bird/wren", "fish"]
    assert records(out)[2]["proba_level_2"] == ""
    status, out, _ = run(capsys, "predict", table, "--model", model, "--form", "levels")
    assert records(out)[1]["predicted_level_2"] == "wren"
    status, out, err = run(
        capsys, "train", table, "--text", "t", "--label", "l", "--sep", ">", "--test", "0.5"
    )
    assert status == 0
    assert "no label of 'l' holds '>'" in err


@pytest.mark.few(3)
@pytest.mark.parametrize("form", ["parents.csv", "levels.csv", "nodes.json", "nested.json"])
def test_a_taxonomy_from_a_file(tmp_path, capsys, form):
    pytest.importorskip("skops")
    known, table = tmp_path / form, tmp_path / "t.csv"
    known.write_text(
        {
            "parents.csv": "node,parent\nbird,\nfish,\nowl,bird\nwren,bird\neel,fish\n",
            "levels.csv": "a,b\nbird,owl\nbird,wren\nfish,eel\n",
            "nodes.json": json.dumps(
                {"nodes": [{"name": n, "parents": [p] if p else []} for n, p in (
                    ("bird", ""), ("fish", ""), ("owl", "bird"), ("wren", "bird"), ("eel", "fish")
                )]}
            ),
            "nested.json": '{"bird": {"owl": {}, "wren": {}}, "fish": ["eel"]}',
        }[form]
    )  # fmt: skip
    rows = ["hoots,bird,owl,owl", "sings,bird,wren,wren", "swims,fish,eel,eel"]
    table.write_text("\n".join(["t,a,b,name", *rows * 5, "zz,bird,ow,ow"]))
    arguments = ["train", table, "--text", "t", "--taxonomy", known, *QUICK]
    for labels in (("--levels", "a", "b"), ("--label", "name")):
        if form == "levels.csv" and labels[0] == "--label":
            continue  # there nodes are named by their paths
        status, _, err = run(capsys, *arguments, *labels)
        assert status == 1
        assert re.search(r"line 17: .*'ow'.* Did you mean 'owl'", err)
        model = tmp_path / "m.skops"
        status, out, err = run(capsys, *arguments, *labels, "--skip-bad-rows", "--out", model)
        assert status == 0
        assert "left out 1 bad row" in err
        status, out, _ = run(capsys, "--model", model, "--ask", "sings")
        assert "-> bird (" in out
        assert "/ wren (" in out


# -- predict ------------------------------------------------------------------------------


def test_columns_of_answers(shop, shop_model, capsys):
    status, out, err = run(
        capsys, "predict", shop, "--model", shop_model, "--id", "id", "price", "--top-k", "5"
    )
    assert (status, err) == (0, "")
    rows = records(out)
    assert list(rows[0]) == [
        "id", "price", "predicted_rayon", "predicted_sous-rayon", "proba_rayon",
        "proba_sous-rayon",
        *(f"{kind}_{k}" for k in range(1, 6) for kind in ("top", "proba_top")),
    ]  # fmt: skip
    _, known = shop_rows()
    assert [[r["id"], r["price"]] for r in rows] == [[row[0], row[2]] for row in known]
    assert [r["predicted_rayon"] for r in rows] == [row[4] for row in known]
    for row in rows:
        assert row["top_1"] == f"{row['predicted_rayon']} / {row['predicted_sous-rayon']}"
        assert float(row["proba_rayon"]) >= float(row["proba_sous-rayon"])
        top = [float(row[f"proba_top_{k}"]) for k in (1, 2, 3)]
        assert sum(top) == pytest.approx(1, abs=1e-5)
        assert row["top_4"] == row["proba_top_4"] == ""


def test_the_model_is_what_the_library_says(shop, shop_model, capsys):
    from skops import io

    from sklhier.persistence import trusted_types

    model = io.load(shop_model, trusted=trusted_types())
    _, rows = shop_rows()
    X = np.array([[row[1], float(row[2]), row[3]] for row in rows], dtype=object)
    assert model.predict(X).tolist() == [f"{row[4]} / {row[5]}" for row in rows]
    assert model[-1].verbose == 0
    _, out, _ = run(capsys, "predict", shop, "--model", shop_model)
    proba = model[-1].predict_node_proba(model[:-1].transform(X))
    tops = model[-1].taxonomy_.ids([row[4] for row in rows])
    shown = [float(row["proba_rayon"]) for row in records(out)]
    np.testing.assert_allclose(shown, proba[np.arange(90), tops], atol=1e-5)


@pytest.mark.few(4)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.jsonl", "a.jsonl.gz"])
def test_forms_of_output(shop, shop_model, tmp_path, capsys, name):
    path = tmp_path / name
    status, out, err = run(
        capsys, "predict", shop, "--model", shop_model, "--keep", "--out", path, "--form", "path"
    )
    assert (status, out) == (0, "")
    assert "90 rows written to" in err
    data = path.read_bytes()
    text = (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8")
    if ".jsonl" in name:
        rows = [json.loads(line) for line in text.splitlines()]
        assert isinstance(rows[0]["proba_rayon"], float)
    else:
        rows = records(text, "\t" if ".tsv" in name else ",")
    assert [row["predicted_path"] for row in rows[:2]] == ["Épicerie / Café", "Épicerie / Thé"]
    assert rows[3]["price"] == shop_rows()[1][3][2]


def test_chunks_do_not_matter(shop, shop_model, capsys, monkeypatch):
    whole = run(capsys, "predict", shop, "--model", shop_model, "--top-k", "2")
    monkeypatch.setattr("sklhier._cli.predict._CHUNK", 7)
    assert run(capsys, "predict", shop, "--model", shop_model, "--top-k", "2") == whole


def test_other_names_of_columns(shop_model, tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("a,b,c\narticle SSavon,51,H\n", "utf-8")
    status, _, err = run(capsys, "predict", table, "--model", shop_model)
    assert status == 2
    assert "no column 'name': there are 'a', 'b', 'c'" in err
    renamed = ("--text", "a", "--numeric", "b", "--categorical", "c")
    status, out, _ = run(capsys, "predict", table, "--model", shop_model, *renamed)
    assert records(out)[0]["predicted_sous-rayon"] == "Savon"
    status, _, err = run(capsys, "predict", table, "--model", shop_model, "--numeric", "a", "b")
    assert (status, "--numeric must name 1 column" in err) == (2, True)


def test_a_model_of_ones_own(tmp_path, capsys):
    texts, paths = ["an owl", "a wren", "an eel"] * 5, ["bird/owl", "bird/wren", "fish/eel"] * 5
    y, taxonomy = Taxonomy.from_paths(paths)
    model = make_pipeline(
        TfidfVectorizer(), HierarchicalClassifier(LogisticRegression(C=100), taxonomy=taxonomy)
    )
    pickled, table = tmp_path / "own.pkl", tmp_path / "t.csv"
    joblib.dump(model.fit(texts, y), pickled)
    table.write_text("t,l\nthe wren,bird/wren\nthe eel,fish/eel\n")
    status, _, err = run(capsys, "predict", table, "--model", pickled)
    assert (status, "add --allow-pickle" in err) == (1, True)
    loaded = ("--model", pickled, "--allow-pickle")
    status, _, err = run(capsys, "predict", table, *loaded)
    assert (status, "name its column of texts with --text" in err) == (2, True)
    status, out, _ = run(capsys, "predict", table, *loaded, "--text", "t")
    assert [r["predicted_path"] for r in records(out)] == ["bird/wren", "fish/eel"]
    for labels in (["--label", "l"], ["--label", "l", "--sep", "/"]):
        status, out, _ = run(capsys, "report", table, *loaded, "--text", "t", *labels)
        assert (status, "accuracy at level 2                1.000" in out) == (0, True)


def test_a_bare_classifier_and_no_answer(tmp_path, capsys):
    texts = ["an owl", "a wren", "an eel"] * 5
    y, taxonomy = Taxonomy.from_paths(["bird/owl", "bird/wren", "fish/eel"] * 5)
    base = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model = HierarchicalClassifier(base, taxonomy=taxonomy, decoder=Threshold(0.9)).fit(texts, y)
    pickled = tmp_path / "own.joblib"
    joblib.dump(model, pickled)
    status, out, _ = run(capsys, "--model", pickled, "--allow-pickle", "--ask", "zebra")
    assert (status, "-> no answer is probable enough\n    or bird / owl (" in out) == (0, True)
    table = tmp_path / "t.csv"
    table.write_text("t\nowl\nnothing known\n")
    status, out, _ = run(
        capsys, "predict", table, "--model", pickled, "--allow-pickle", "--text", "t",
        "--form", "levels",
    )  # fmt: skip
    assert status == 0
    assert [row["predicted_level_1"] for row in records(out)] == ["", ""]
    assert [row["proba_level_1"] for row in records(out)] == ["", ""]


def test_an_unsure_answer_shows_others(table, tmp_path, capsys):
    pytest.importorskip("skops")
    model = trained(capsys, table, tmp_path / "m.skops", *TEXT_COLUMNS)
    _, out, _ = run(capsys, "predict", "--model", model, "--ask", "nothing known")
    assert out.count("->") == 1
    assert 1 <= out.count("    or ") <= 2
    _, out, _ = run(capsys, "predict", table, "--model", model, "--id", "text")
    sure = max(records(out), key=lambda row: float(row["proba_subtopic"] or 0))
    assert float(sure["proba_subtopic"]) > 0.5
    _, out, _ = run(capsys, "predict", "--model", model, "--ask", sure["text"])
    assert "    or " not in out


def test_questions_need_a_model_of_texts(shop_model, capsys):
    status, _, err = run(capsys, "--model", shop_model, "--ask", "x")
    assert (status, "also needs the columns 'price', 'kind'" in err) == (1, True)


# -- report and taxonomy ------------------------------------------------------------------


def test_reports_agree(shop, shop_model, tmp_path, capsys):
    arguments = ("report", shop, "--model", shop_model)
    status, out, err = run(capsys, *arguments)
    assert status == 0
    assert "about 90 rows of 90 are among those that the model was fitted to" in err
    assert re.search(r"accuracy at level 2 +1\.000", out)
    assert re.search(r"^  Savon +1\.000", out, flags=re.MULTILINE)
    status, out, _ = run(capsys, *arguments, "--form", "json")
    found = json.loads(out)
    assert found["rows"] == 90
    assert found["scores"]["hierarchical F1"] == found["averages"]["micro"]["f1"] == 1
    assert found["nodes"]["Hygiène / Savon"]["support"] == 30
    path = tmp_path / "r.csv"
    status, out, _ = run(capsys, *arguments, "--form", "csv", "--out", path, "--max-depth", "1")
    rows = records(path.read_text("utf-8"))
    assert [r["name"] for r in rows if r["kind"] == "node"] == ["Hygiène", "Épicerie"]
    assert [r["accuracy"] for r in rows if r["kind"] == "level"] == ["1", "1"]
    assert next(r for r in rows if r["name"] == "micro")["support"] == "180"


@pytest.mark.parametrize("columns", [("--text", "name"), SHOP])
def test_a_report_tells_rows_of_the_fit(shop, tmp_path, capsys, columns):
    """Where they are more than a twentieth: short texts come again."""
    model = trained(capsys, shop, tmp_path / "m.joblib", *columns, *SHOP_LEVELS)
    header, rows = shop_rows()
    new = [[*row[:1], f"{row[1]} nouveau", *row[2:]] for row in rows[:19]]
    for n_known in (0, 1, 2):
        path = tmp_path / "t.csv"
        table = [header, *new, *rows[:n_known]]
        path.write_text("\n".join(",".join(row) for row in table), "utf-8")
        status, _, err = run(capsys, "report", path, "--model", model, "--allow-pickle")
        assert status == 0
        told = f"about {n_known} rows of 21 are among those that the model was fitted to"
        assert (told in err) == (n_known == 2)
        assert bool(err) == (n_known == 2)
    other = joblib.load(model)
    del other.command_rows_  # as of earlier versions
    joblib.dump(other, model)
    assert run(capsys, "report", path, "--model", model, "--allow-pickle")[2] == ""


def test_csv_reports_show_titles_and_stops():
    taxonomy = Taxonomy.from_dict({"bird": ["owl"], "fish": ["eel"]}, titles={"owl": "Strix"})
    found = hierarchical_classification_report(
        ["owl", "owl"], ["owl", "bird"], taxonomy=taxonomy, output="dict"
    )
    rows = {row["name"]: row for row in records(report._as_csv(taxonomy, found))}
    assert (rows["owl"]["title"], rows["owl"]["stopped"]) == ("Strix", "1")
    assert rows["level 2"]["coverage"] == "0.5"


def test_reports_on_other_columns_and_unknown_labels(shop_model, tmp_path, capsys):
    table = tmp_path / "t.csv"
    rows = ["article CCafé,5.5,É,Épicerie / Café", "x,5,É,Épicerie/Sel", "y,5,É,"]
    table.write_text("\n".join(["name,price,kind,path", *rows]), "utf-8")
    arguments = ("report", table, "--model", shop_model, "--label", "path")
    status, _, err = run(capsys, *arguments)
    assert status == 1
    assert "line 3: the taxonomy has no 'Sel' below 'Épicerie'" in err
    status, out, err = run(capsys, *arguments, "--skip-bad-rows")
    assert (status, "1 row\n" in out) == (0, True)
    assert "without a 'path': 1 row" in err


def test_a_taxonomy_printed_and_converted(shop, shop_model, tmp_path, capsys):
    status, drawn, err = run(capsys, "taxonomy", shop_model)
    assert (status, err) == (0, "")
    assert "Tree of 5 nodes, 3 of them leaves" in drawn
    assert "level 2: 3 nodes, 3 leaves" in drawn
    assert "├── Café" in drawn
    for name in ("t.csv", "t.json"):
        path = tmp_path / name
        assert run(capsys, "taxonomy", shop_model, "--out", path) == (0, "", "")
        assert run(capsys, "taxonomy", path)[1] == drawn
        again = tmp_path / f"again_{name}"
        run(capsys, "taxonomy", path, "--out", again)
        assert again.read_bytes() == path.read_bytes()
    status, out, _ = run(capsys, "taxonomy", shop_model, "--json")
    assert json.loads(out)["levels"][1] == {"level": 2, "nodes": 3, "leaves": 3}
    assert json.loads(out) == json.loads((tmp_path / "t.json").read_text("utf-8"))
    assert run(capsys, "taxonomy", shop, *SHOP_LEVELS)[1] == drawn
    status, out, _ = run(capsys, "taxonomy", shop_model, "--lines", "3")
    assert "..." in out


def test_a_taxonomy_is_looked_through(tmp_path, capsys):
    path = tmp_path / "t.json"
    Taxonomy.from_dict({"a": ["x", "X "], "b": ["z"]}, titles={"a": "Alpha"}).to_json(path)
    status, out, _ = run(capsys, "taxonomy", path, "--lint")
    assert status == 0
    assert "'x', 'X '" in out
    status, out, _ = run(capsys, "taxonomy", path)
    assert "a Alpha" in out


def test_titles_are_shown_with_names():
    tree = Taxonomy.from_paths(["a/x", "b/y"], titles={"a": "Alpha"})[1]
    node = tree.id("a/x")
    assert walks.shown_path_of(tree, node) == "a Alpha / x"


def test_a_taxonomy_with_two_parents_and_one_with_a_root(tmp_path, capsys):
    path = tmp_path / "dag.csv"
    path.write_text("child,parent\nc,a\nc,b\na,\nb,\n")
    status, out, _ = run(capsys, "taxonomy", path)
    assert (status, "DAG of 3 nodes, 1 of them leaves" in out) == (0, True)
    run(capsys, "taxonomy", path, "--out", tmp_path / "dag.json")
    assert run(capsys, "taxonomy", tmp_path / "dag.json")[1] == out
    rooted = tmp_path / "rooted.csv"
    rooted.write_text("parent,child\nall,a\nall,b\n")
    status, out, _ = run(capsys, "taxonomy", rooted)
    assert "\nall\n├── a" in out
    assert "level 1: 2 nodes" in out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "node,parent\na,b\nb,a\n", "cycle"),
        ("a.csv", "node,parent\n,b\n", "has no name"),
        ("a.csv", "parent,x\na,b\n", "needs one of 'child'"),
        ("a.json", "{", "Expecting"),
        ("a.json", "[1]", "must hold an object"),
        ("a.json", '{"nodes": [1]}', "with a 'name'"),
        ("a.json", '{"a": {"a": {}}}', "is at the top and under 'a'"),
        ("a.json", "[" * 100_000, "nested too deeply"),
    ],
)
def test_taxonomies_that_are_none(tmp_path, capsys, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    status, out, err = run(capsys, "taxonomy", path)
    assert (status, out) == (1, "")
    assert message in err


# -- errors -------------------------------------------------------------------------------


def test_errors_say_what_to_do(table, tmp_path, capsys):
    empty, header, one, broken, quote = (tmp_path / f"{i}.csv" for i in range(5))
    empty.write_text("")
    header.write_text("text,topic\n")
    one.write_text("text,topic\nan owl,x\na wren,x\n")
    broken.write_text("text,topic\na,x\nb\n")
    quote.write_text('text\ttopic\n"an owl\tx\na wren\ty\n')
    columns = ("--text", "text", "--levels", "topic")
    for arguments, expected, message in (
        ((table, "--text", "txt", "--levels", "topic"), 2, "no column 'txt'.*Did you mean 'text'"),
        ((table,), 2, "train needs features.*'text', 'topic', 'subtopic'"),
        ((empty, *columns), 1, "is empty"),
        ((header, *columns), 1, "no row with a label"),
        ((one, *columns), 1, "have the label 'x', so there is nothing to learn"),
        ((broken, *columns), 1, "1 bad row.*line 3: 1 field instead of 2"),
        ((quote, *columns), 1, "line 2: .*add --no-quotes"),
        ((tmp_path / "nowhere.csv", *columns), 1, "cannot be read: No such file"),
        ((tmp_path, *columns), 1, "cannot be read: Is a directory"),
        (columns, 2, "required: FILE .put FILE first"),
        (("trian", *columns), 2, "no command or file 'trian'. Did you mean 'train'"),
        (("--model", "nowhere", "--ask", "x"), 1, "model nowhere cannot be read"),
        (("--model", "nowhere"), 2, "a table, or questions"),
        ((table, *columns, "--test-size", "2"), 2, "between 0 and 1"),
        ((one, "--text", "text", "--levels", "topic", "--jobs", "0"), 2, "--jobs must"),
        ((one, *columns, "--seed", "-1"), 2, "--seed must"),
        ((one, "--text", "text", "--levels", "text"), 2, "must have one role, got 'text' twice"),
        ((one, "--text", "topic", "--levels", "text"), 1, "holds no words"),
        ((one, *columns, "--sep", "/"), 2, "go with --label"),
        ((one, "--text", "text", "--label", "topic", "--sep", ""), 2, "at least one character"),
        ((one, *columns, "--decoder", "best_pat"), 2, "Did you mean 'best_path'"),
        ((one, *columns, "--decoder", "maximum_closure"), 2, "where a row has one label"),
        ((one, *columns, "--out", "-"), 2, "not written to standard output"),
        ((one, *columns, "--encoding", "latin-l"), 2, "text encoding.*'latin-l'"),
        ((one, *columns, "--encoding", "hex"), 2, "text encoding"),
        (("predict", one, "--model", one, "--top-k", "-1"), 2, "--top-k must be at least 0"),
        (("predict", one, "--model", one, "--out", tmp_path / "x.xls"), 2, "must end in .csv"),
        (("taxonomy", one, "--lines", "0"), 2, "--lines must be at least 1"),
        (("taxonomy", one, "--out", tmp_path / "x.txt"), 2, "must end in .csv or .json"),
        (("report", one, "--model", one, "--max-depth", "-1"), 2, "--max-depth must"),
        (("--decoder", "x"), 2, "--decoder must"),
        (("--test", "1"), 2, "between 0 and 1"),
    ):
        status, _, err = run(capsys, *arguments)
        assert re.search(message, err, flags=re.DOTALL), err
        assert status == expected, err
        assert "Traceback" not in err
    status, out, _ = run(capsys, quote, *columns, "--no-quotes", "--ask", "wren")
    assert status == 0
    assert "-> " in out


@pytest.mark.filterwarnings("ignore")
def test_a_part_with_one_class_or_few_rows(tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("text,topic\nan owl,x\na wren,y\n")
    columns = ("--text", "text", "--levels", "topic")
    status, _, err = run(capsys, "train", table, *columns, "--test", "0.5")
    assert (status, "single class" in err) == (1, True)
    status, _, err = run(capsys, "train", table, *columns, "--test", "0.1e-3")
    assert status == 1
    assert "Traceback" not in err


def test_outputs_are_checked_before_the_training(shop, tmp_path, capsys, monkeypatch):
    def never(*_):
        raise AssertionError("the table is read")

    monkeypatch.setattr("sklhier._cli.train._read", never)
    arguments = ("train", shop, *SHOP, *SHOP_LEVELS, "--out")
    link, hard = tmp_path / "link.csv", tmp_path / "hard.csv"
    link.symlink_to(shop)
    os.link(shop, hard)
    relative = os.path.relpath(shop)
    before = shop.read_bytes()
    for out in (shop, link, hard, relative, shop.parent / "." / shop.name):
        status, _, err = run(capsys, *arguments, out)
        assert (status, "another file than the input" in err) == (2, True)
    assert shop.read_bytes() == before
    status, _, err = run(capsys, *arguments, tmp_path / "no" / "m.skops")
    assert (status, "there is no folder" in err) == (2, True)
    status, _, err = run(capsys, *arguments, tmp_path)
    assert (status, "got the folder" in err) == (2, True)
    status, _, err = run(capsys, *arguments, "/proc/m.skops")
    assert (status, "cannot be written to" in err) == (2, True)
    test = tmp_path / "test.csv"
    test.write_text("x")
    status, _, err = run(capsys, *arguments, test, "--test", test)
    assert (status, "another file than the input" in err) == (2, True)
    monkeypatch.setattr(os, "access", lambda *_: False)
    status, _, err = run(capsys, *arguments, test)
    assert (status, "may not be written" in err) == (2, True)


def test_a_run_that_is_stopped_while_it_tries_its_folder_leaves_nothing(
    shop, tmp_path, capsys, monkeypatch
):
    touch = Path.touch

    def stopped(path):
        touch(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "touch", stopped)
    out = tmp_path / "made"
    out.mkdir()
    arguments = ("train", shop, *SHOP, *SHOP_LEVELS, "--out", out / "m.joblib")
    assert run(capsys, *arguments)[0] == 130
    assert list(out.iterdir()) == []


def test_without_skops(shop, tmp_path, capsys, monkeypatch):
    model = tmp_path / "m.skops"
    model.write_bytes(b"PK\x03\x04")
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: None)
    status, _, err = run(capsys, "train", shop, *SHOP, *SHOP_LEVELS, "--out", model)
    assert (status, "pip install skops" in err, "--format joblib" in err) == (2, True, True)
    status, _, err = run(capsys, "predict", shop, "--model", model)
    assert (status, "needs skops: pip install skops" in err) == (1, True)
    status, _, err = run(
        capsys, "train", shop, *SHOP, *SHOP_LEVELS, *QUICK, "--format", "joblib", "--out",
        tmp_path / "m.any",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert hasattr(joblib.load(tmp_path / "m.any"), "predict")


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("never",))


def test_files_that_are_no_models(shop, shop_model, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad"
    whole = shop_model.read_bytes()
    pickled = pickle.dumps([1, 2])
    cases = [
        (b"", "is empty"),
        (whole[: len(whole) // 2], "is damaged or not a model"),
        (whole[:20], "is damaged or not a model"),
        (pickle.dumps(Evil()), "add --allow-pickle"),
        (shop.read_bytes(), "add --allow-pickle"),
    ]
    for data, message in cases:
        path.write_bytes(data)
        status, out, err = run(capsys, "predict", shop, "--model", path)
        assert (status, out) == (1, "")
        assert message in err
    for data in (
        pickled,
        pickled[:5],
        pickled[:-2],
        shop.read_bytes(),
        b"\x80\x04nonsense",
        b"\0",
    ):
        path.write_bytes(data)
        status, _, err = run(capsys, "predict", shop, "--model", path, "--allow-pickle")
        assert status == 1
        assert re.search("holds a list|not a model", err), err
    status, _, err = run(capsys, "predict", shop, "--model", tmp_path)
    assert (status, "cannot be read: Is a directory" in err) == (1, True)
    assert not (tmp_path / "never").exists()


def test_types_that_are_not_trusted(tmp_path, capsys):
    io = pytest.importorskip("skops.io")
    X, y, taxonomy = make_hierarchical_classification(60, 4, branching=(2, 2), random_state=0)
    model = HierarchicalClassifier(taxonomy=taxonomy).fit(X, y)
    model.extra_ = Namespace(a=1)
    path = tmp_path / "m.skops"
    io.dump(model, path)
    status, _, err = run(capsys, "taxonomy", path)
    assert (status, "--trust argparse.Namespace" in err) == (1, True)
    status, out, _ = run(capsys, "taxonomy", path, "--trust", "argparse.Namespace")
    assert (status, "4 of them leaves" in out) == (0, True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_run_leaves_the_old_file(shop, shop_model, capsys, monkeypatch, error):
    io = pytest.importorskip("skops.io")
    before = shop_model.read_bytes()

    def dump(model, path, **_):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(io, "dump", dump)
    status, _, err = run(capsys, "train", shop, *SHOP, *SHOP_LEVELS, *QUICK, "--out", shop_model)
    if error is KeyboardInterrupt:
        assert (status, err) == (130, "sklhier: interrupted.\n")
    else:
        assert (status, "cannot be written: No space left" in err) == (1, True)
    assert shop_model.read_bytes() == before
    assert os.listdir(shop_model.parent) == [shop_model.name]


def test_a_link_stays_a_link_and_a_mode_stays(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    with files.replacing(str(link)) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_debug_shows_where_an_error_comes_from(tmp_path, capsys):
    with pytest.raises(Exception, match="cannot be read"):
        run(capsys, "taxonomy", tmp_path / "nothing.csv", "--debug")


def test_names_of_answers_that_the_table_has(shop_model, tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("name,price,kind,proba_rayon\nx,1,É,2\n", "utf-8")
    status, out, err = run(capsys, "predict", table, "--model", shop_model, "--keep")
    assert (status, "with the names of answers: 'proba_rayon'" in err) == (2, True)
    assert out == ""
    status, out, _ = run(capsys, "predict", table, "--model", shop_model)
    assert status == 0


def test_warnings_are_notes(shop, capsys, monkeypatch, recwarn):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(
            options.taxonomies,
            "_drawn",
            lambda *_: warnings.warn("mind the gap", stacklevel=1) or "",
        )
        status, _, err = run(capsys, "taxonomy", shop, *SHOP_LEVELS)
    assert (status, err) == (0, "sklhier: note: mind the gap\n")


def test_help_and_version(capsys):
    for arguments in (["--help"], *([name, "--help"] for name in options._PARTS)):
        status, out, _ = run(capsys, *arguments)
        assert status == 0
        assert "Exit status: 0 success" in out
    assert run(capsys, "--version")[1].startswith("sklhier ")
    status, _, err = run(capsys, "train", "x.csv", "--estimator", "magic")
    assert (status, "invalid choice" in err) == (2, True)


def test_numbers():
    assert number_of("1e3") == 1000
    for missing in ("", " ", "NA", "n/a", "NaN", "-", "null"):
        assert np.isnan(number_of(missing))
    for wrong in ("1,5", "x", "inf", "-Infinity", "1 2"):
        assert number_of(wrong) is None


def test_columns_survive_saving():
    columns = Columns(("a", "b"), (), ("c",), (), "l", ">", ";")
    assert Columns.from_saved(json.loads(json.dumps(columns.to_saved()))) == columns


# -- the demonstration --------------------------------------------------------------------


@pytest.fixture
def docstrings(monkeypatch):
    """Four texts in place of four thousand."""
    texts = ["linear algebra solve", "random draw numbers", "graph path nodes"] * 8
    y, taxonomy = Taxonomy.from_levels([["sp", "linalg"], ["np", "random"], ["nx", "path"]] * 8)
    bunch = Namespace(data=texts, target=y, taxonomy=taxonomy)
    monkeypatch.setattr("sklhier._cli.demo.load_docstrings", lambda: bunch)


def test_the_demonstration_in_small(docstrings, tmp_path, capsys):
    pytest.importorskip("skops")
    status, out, err = run(capsys)
    assert (status, err) == (0, "")
    assert "accuracy at level 2" in out
    drawn, _, after = out.partition("most probable paths")[2].partition("decoder='threshold'")
    assert out.count("->") == 5
    assert drawn.count("<- answer") == 1
    assert after
    model = tmp_path / "demo.skops"
    status, out, _ = run(capsys, "--ask", "solve", "--out", model)
    assert (status, "accuracy" in out) == (0, False)
    assert "-> sp (" in out
    status, out, _ = run(capsys, "predict", "--model", model, "--ask", "solve")
    assert "-> sp (" in out


@given(trees(), st.integers(0, 10**6))
def test_a_picture_shows_each_path_once(taxonomy, seed):
    rng = np.random.default_rng(seed)
    proba = rng.random(taxonomy.n_nodes)
    ends = rng.integers(1, taxonomy.n_nodes, size=3).tolist()
    lines = picture(taxonomy, proba, ends, ends[0]).splitlines()
    shown = np.flatnonzero(taxonomy.ancestors_of(np.array(ends, dtype=np.int32)).sum(axis=0))
    names = [line.split()[0] for line in lines]
    assert sorted(names) == sorted(str(taxonomy.step_names[node]) for node in shown if node)
    for line in lines:
        value, bar = re.search(r" (\d\.\d\d) (#*|\|)(  <- answer)?$", line).group(1, 2)
        assert abs(len(bar.strip("|")) - 24 * float(value)) <= 0.7
    assert sum("<- answer" in line for line in lines) == 1


@pytest.mark.slow
def test_the_main_job_reports_beside_the_flat_baseline(capsys):
    status, out, err = run(capsys)
    assert (status, err) == (0, "")
    by_name = {
        line[:30].strip(): [float(value) for value in line[30:].split()]
        for line in out.splitlines()
        if line.startswith(("accuracy", "hierarchical F1"))
    }
    assert by_name["accuracy at level 1"][0] > 0.9
    assert by_name["hierarchical F1"][0] > 0.85
    assert np.diff([by_name[f"accuracy at level {k}"][0] for k in (1, 2, 3)]).max() < 0
    assert "solve a sparse linear system" in out


# -- the pages that show it ---------------------------------------------------------------

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/getting_started.rst", "docs/user_guide/command.rst", "docs/api.rst"]


@pytest.mark.parametrize("page", PAGES)
def test_commands_on_the_pages_can_be_read(page):
    text = (ROOT / page).read_text("utf-8").replace("\\\n", " ")
    commands = re.findall(r"python -m sklhier\b([^`\n|]*)", text)
    assert commands
    for command in commands:
        if "[" not in command and "--help" not in command:
            options.parsed(shlex.split(command.partition(">")[0]))


def test_every_option_is_on_its_page():
    page = (ROOT / "docs/user_guide/command.rst").read_text("utf-8")
    for part in options._PARTS.values():
        for action in part()._actions:
            for name in action.option_strings[-1:]:
                assert f"``{name}``" in page or name in ("--help", "--version", "--test-size"), (
                    name
                )
