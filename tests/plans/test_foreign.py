"""Plans answered by recorded values: which column answers what, joined epochs, and what is refused."""

import csv
import json

import numpy as np
import pytest

from archsieve.benchmarks.digits import DIGITS
from archsieve.errors import DataError, SettingError, UnknownNameError
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.plans.contract import Plan
from archsieve.plans.foreign import served_by
from archsieve.plans.read import load_plan
from archsieve.runs.score_tables import shipped
from archsieve.searchers.contract import Stage
from archsieve.searchers.guided_searcher import Guided
from archsieve.spaces.nasbench201.space import NASBench201, to_naslib
from archsieve.tasks.digits import Digits
from plugins.commands import invoke

DIGITS_PLAN = """
space = { name = "nasbench-macro", stem_width = 8, widths = [8, 16, 32], stages = [2, 2, 2], head_width = 64 }
task = { name = "digits", test_images = 997, validation_fraction = 0.625 }
[[stage]]
label = "ranks"
estimator = { name = "mean_rank", parts = ["nwot", "swap"] }
top = 60
[[stage]]
label = "training"
estimator = { name = "partial_training", horizon = 20 }
drop = [0.5, 0.5, 0.2]
[[stage]]
label = "long"
estimator = { name = "partial_training", horizon = 20, epochs = 20 }
top = 1
[final]
name = "partial_training"
horizon = 20
epochs = 20
split = "test"
"""


@pytest.fixture
def table(tmp_path):
    """Return a file with trainings of the digits of our own, under other names and in another scale."""
    records = DIGITS.load()
    columns = {
        "short": "curve_3",
        "full": "curve_20",
        "exam": "test_acc",
        "e_1": "curve_1",
        "e_2": "curve_2",
        "e_3": "curve_3",
    }
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["codes", *columns])
        values = np.stack([records.columns[c] / 100 for c in columns.values()], axis=1)
        writer.writerows(
            ["".join(map(str, arch)), *row] for arch, row in zip(records.archs, values.tolist(), strict=True)
        )
    return str(path)


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "plan.toml").write_text(DIGITS_PLAN)
    return load_plan(tmp_path / "plan.toml")


ALL = ["training=short:3", "long=full:20", "final=exam:20"]


def test_columns_answer_stages_and_their_epochs_are_joined(plan, table):
    served = served_by(plan, table, ALL)
    ranks, training, long = served.plan.stages
    assert ranks.estimator == plan.stages[0].estimator
    assert (training.label, training.keep) == ("training, short", pytest.approx(0.5 * 0.5 * 0.8))
    assert (training.estimator.column, training.estimator.epochs_behind) == ("short", 3)
    assert (long.label, long.estimator.column, long.top) == ("long", "full", 1)
    assert (served.plan.final.column, served.truth, served.training) == ("exam", "exam", ())
    assert served.benchmark.choosers == {"exam": ("full",)}


def test_a_column_without_epochs_costs_what_the_stage_would(plan, table):
    stages = served_by(plan, table, ["training=short", "long=full", "final=exam"]).plan.stages
    assert [s.estimator.epochs_behind for s in stages[1:]] == [1, 2, 3, 20]
    assert [s.keep for s in stages[1:4]] == [0.5, 0.5, pytest.approx(0.8)]


def test_a_curve_has_a_column_for_each_epoch(plan, table):
    stages = served_by(plan, table, ["training=e_{epoch}", "partial_training=full:20"]).plan.stages
    assert [(type(s.estimator), s.estimator.epochs) for s in stages[1:4]] == [(Replay, e) for e in (1, 2, 3)]
    assert stages[4].estimator.column == "full"


def test_several_columns_of_more_and_more_epochs(plan, table):
    stages = served_by(plan, table, ["training=e_1:1,short:3", "long=full"]).plan.stages
    assert [(s.label, s.keep) for s in stages[1:3]] == [("training, e_1", 0.5), ("training, short", pytest.approx(0.4))]


def test_what_no_column_answers_still_trains_and_is_named(plan, table):
    assert served_by(plan, table, ["long=full"]).training == (
        "training, epoch 1",
        "training, epoch 2",
        "training, epoch 3",
        "final",
    )


def test_parts_of_composites_are_answered(plan, table):
    served = served_by(plan, table, ["nwot=e_1"])
    assert [p.name for p in served.plan.stages[0].estimator.parts] == ["e_1", "swap"]


@pytest.mark.parametrize(
    "features", [("nwot", "swap"), (ZeroCost("nwot"), ZeroCost("swap"))], ids=["names", "estimators"]
)
def test_features_of_a_searcher_are_answered(table, features):
    search = Guided(features=features)
    plan = Plan(DIGITS.space, Digits(), (Stage(Lookup("full"), top=1, search=search, budget=9),))
    first, second = served_by(plan, table, ["nwot=e_1"]).plan.stages[0].search.features
    assert first.name == "e_1"
    assert second == features[1]


def test_look_ups_go_to_the_table_by_their_own_names(table):
    space = DIGITS.space
    plan = Plan(
        space, Digits(), (Stage(Lookup("short", "nasbench-macro-digits", 3), top=5), Stage(Lookup("full"), top=1))
    )
    stages = served_by(plan, table).plan.stages
    assert [s.estimator.file for s in stages] == [table, table]
    assert [s.estimator.epochs_behind for s in stages] == [3, 0]
    assert served_by(plan, "nasbench-macro-digits", ["short=curve_3", "full=curve_20"]).truth == "test_acc"


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        (["long"], SettingError, "KEY=COLUMN"),
        (["long=full:many"], SettingError, "number"),
        (["lonk=full"], UnknownNameError, "'long'"),
        (["long=ful"], UnknownNameError, "'full'"),
        (["training=e_1:1"], SettingError, "training, epoch 2.*more than the 1"),
    ],
)
def test_mistakes_are_sentences(plan, table, columns, error, words):
    with pytest.raises(error, match=words):
        served_by(plan, table, columns)


def test_a_look_up_without_a_column_says_how_to_name_it(table):
    plan = Plan(DIGITS.space, Digits(), (Stage(Lookup("val_acc_12"), top=1),))
    with pytest.raises(UnknownNameError, match="--column val_acc_12=NAME"):
        served_by(plan, table)
    with pytest.raises(UnknownNameError, match=r"no benchmark and no file 'nowhere\.csv'"):
        served_by(plan, "nowhere.csv")
    with pytest.raises(UnknownNameError, match="does not cover the space"):
        served_by(plan, "nasbench201-cifar10")
    two = Plan(DIGITS.space, Digits(), (Stage(Lookup("a"), top=9), Stage(Lookup("b"), top=1)))
    with pytest.raises(SettingError, match="a and b"):
        served_by(two, table, ["lookup=full"])


def test_the_wrong_order_of_edges_is_noticed_without_sizes(tmp_path):
    space = NASBench201()
    whole = [t for t in shipped() if t.card.population == "all" and t.is_about(space, 0)]
    scores = next(t for t in whole if "jacov" in t.card.estimators)
    known = scores.get("jacov", scores.archs[::60])
    codes = [a for a, outcome in known.items() if not np.isnan(outcome.score)]
    path = tmp_path / "cells.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["arch", "acc"])
        writer.writerows((str(to_naslib(a)), known[a].score) for a in codes)
    plan = Plan(space, Digits(), (Stage(Lookup("acc"), top=1),))
    assert served_by(plan, str(path), truth="acc", notation="naslib").truth == "acc"
    with pytest.raises(DataError, match="Try --notation naslib"):
        served_by(plan, str(path), truth="acc", notation="own")


def test_a_search_in_a_file_of_ones_own_from_end_to_end(tmp_path, table, plan):
    folder = tmp_path / "run"
    columns = [word for text in ALL for word in ("--column", text)]
    found = invoke("search", tmp_path / "plan.toml", "--benchmark", table, *columns, "--out", folder)
    assert found.exit_code == 0, found.stderr
    result = json.loads((folder / "result.json").read_text())
    assert (result["truth"]["benchmark"], result["truth"]["column"]) == ("mine.csv", "exam")
    assert result["truth"]["value"] == pytest.approx(result["final_score"])
    assert result["truth"]["best"] < 1  # the file has fractions, the registered benchmark percents
    assert [s["network_epochs"] for s in result["stages"][1:]] == [60 * 3, 12 * 20]
    assert result["random_search"]["chosen_by"] == ["full"]
    again = invoke("audit", folder, "--networks", 5)
    assert again.exit_code == 0, again.stderr
    refused = invoke("search", tmp_path / "plan.toml", "--column", "long=full", "--out", folder)
    assert refused.exit_code == 1
    assert "--benchmark" in refused.stderr


def table_of(path, archs, **columns):
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["arch", *columns])
        writer.writerows(zip(["".join(map(str, a)) for a in archs], *columns.values(), strict=True))
    return str(path)


MINE = list(DIGITS.load().archs[:40])
RISING = np.linspace(50.0, 90.0, len(MINE))


@pytest.mark.parametrize(
    ("title", "column"), [("a, b", "a, b"), ("acc:7", "acc:7"), ("a=b", "a=b"), ("v:2,x", "v:2,x")]
)
def test_titles_may_hold_the_signs_of_an_answer(tmp_path, title, column):
    path = table_of(tmp_path / "t.csv", MINE, **{title: RISING})
    plan = Plan(DIGITS.space, Digits(), (Stage(Lookup("full"), top=1),))
    for text, epochs in ((f"full={title}", 0), (f"full={title}:30", 30)):
        (stage,) = served_by(plan, path, [text]).plan.stages
        assert (stage.estimator.column, stage.estimator.epochs_behind) == (column, epochs)


@pytest.mark.parametrize("title", ["val_error", "Loss", "top-1 err", "test_rmse_3"])
def test_a_column_of_errors_is_used_by_its_negative_alone(tmp_path, title):
    path = table_of(tmp_path / "t.csv", MINE, **{title: 100 - RISING})
    plan = Plan(DIGITS.space, Digits(), (Stage(Lookup("full"), top=1),), final=Lookup("exam"))
    with pytest.raises(SettingError, match=f"lower is better.*'-{title}'"):
        served_by(plan, path, [f"lookup={title}"])
    served = served_by(plan, path, [f"full=-{title}:20", f"exam=-{title}"])
    assert served.truth == f"-{title}"
    assert served.benchmark.load().lookup(f"-{title}", MINE[-1:]).tolist() == [-10.0]


@pytest.mark.parametrize("title", ["terror", "lossless", "neg_loss"])
def test_a_column_is_no_error_by_a_part_of_a_word_or_where_its_values_are_turned(tmp_path, title):
    values = -RISING if title == "neg_loss" else RISING
    path = table_of(tmp_path / "t.csv", MINE, **{title: values})
    plan = Plan(DIGITS.space, Digits(), (Stage(Lookup("full"), top=1),))
    assert served_by(plan, path, [f"full={title}"]).plan.stages[0].estimator.column == title


def test_an_infinite_truth_is_refused(tmp_path):
    path = table_of(tmp_path / "t.csv", MINE, full=[*RISING[:-1], np.inf])
    plan = Plan(DIGITS.space, Digits(), (Stage(Lookup("full"), top=1),), final=Lookup("full"))
    with pytest.raises(DataError, match=r"infinite 'full'.*leave the field empty"):
        served_by(plan, path)


def test_a_wrong_title_of_the_codes_is_not_taken_for_a_missing_column(tmp_path):
    path = table_of(tmp_path / "t.csv", MINE, full=RISING)
    plan = Plan(DIGITS.space, Digits(), (Stage(Lookup("full"), top=1),))
    with pytest.raises(UnknownNameError, match="no column 'Arch'") as raised:
        served_by(plan, path, codes="Arch")
    assert "--column" not in str(raised.value)
    with pytest.raises(UnknownNameError, match=r"Did you mean 'full'\? Name the one to use: --column fulls=NAME\.$"):
        served_by(Plan(DIGITS.space, Digits(), (Stage(Lookup("fulls"), top=1),)), path)


@pytest.mark.parametrize(
    ("title", "values", "says"),
    [
        ("exam", RISING, "Final accuracy in percent, by exam: 90.00"),
        ("exam", RISING / 100, "Final exam, by exam: 0.9"),
        ("exam", -RISING[::-1], "Final exam, by exam: -50"),
        ("exam_error", 100 - RISING, "Final exam_error, by -exam_error: 10 (lower is better)"),
    ],
    ids=["percent", "fractions", "negative", "errors"],
)
def test_final_values_of_a_file_are_called_what_they_are(tmp_path, title, values, says):
    table = table_of(
        tmp_path / "t.csv", DIGITS.load().archs, full=np.resize(RISING, 729), **{title: np.resize(values, 729)}
    )
    (tmp_path / "plan.toml").write_text(
        'space = { name = "nasbench-macro", stem_width = 8, widths = [8, 16, 32], stages = [2, 2, 2], head_width = 64'
        ' }\ntask = { name = "digits", test_images = 997, validation_fraction = 0.625 }\npool = { sample = 60 }\n'
        'stage = [{ estimator = { name = "lookup", column = "full" }, top = 1 }]\n'
        'final = { name = "lookup", column = "exam" }\n'
    )
    named = f"exam={'-' if 'error' in title else ''}{title}"
    found = invoke("search", tmp_path / "plan.toml", "--benchmark", table, "--column", named, "--out", tmp_path / "run")
    assert found.exit_code == 0, found.stderr
    assert f"{says}\n" in found.stdout
