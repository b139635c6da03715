"""A task whose metric is an error: a person reads positive values everywhere, and stored scores keep their sign."""

import csv
import json
import shutil
import sqlite3

import pytest

from archsieve.report.verdict import place_and_cost, verdict
from archsieve.runs.folder import write_json
from archsieve.tasks.contract import Measure, measure_of
from plugins.commands import invoke
from plugins.pages import Elements

pytest_plugins = ["plugins.fixtures"]

FILE = """
from dataclasses import dataclass
import torch
from torch import nn
from archsieve import SPACES, TASKS, SearchSpace

class MeanAbsoluteError:
    def __init__(self):
        self.total, self.items = 0.0, 0
    def update(self, outputs, targets):
        self.total += float((outputs - targets).abs().sum())
        self.items += len(targets)
    def compute(self):
        return self.total / self.items

@TASKS.register("sums")
@dataclass(frozen=True)
class Sums:
    items: int = 32
    name = "sums"
    input_shape = (2,)
    num_outputs = 1
    higher_is_better = False
    metric_name = "mean absolute error"
    def count(self, split):
        return self.items
    def batches(self, split, *, batch_size, rng=None, augment=False, device="cpu"):
        inputs = torch.linspace(-1, 1, 2 * self.items).reshape(-1, 2)
        for part in inputs.split(batch_size):
            yield part, part.sum(1, keepdim=True)
    def loss(self, outputs, targets):
        return ((outputs - targets) ** 2).mean()
    def metric(self):
        return MeanAbsoluteError()

@SPACES.register("slopes")
@dataclass(frozen=True)
class Slopes(SearchSpace):
    choices = (2, 2)
    default_task = "sums"
    def build(self, arch, task):
        return nn.Sequential(nn.Linear(2, 1 + arch[0]), nn.Linear(1 + arch[0], 1 + arch[1]), nn.Linear(1 + arch[1], 1))
"""
PLAN = """
space = "slopes"
task = "sums"
{final}
[[stage]]
estimator = "params"
top = 3
[[stage]]
estimator = {{ name = "partial_training", epochs = 1, horizon = 2 }}
top = 1
"""
FINAL = 'final = { name = "partial_training", epochs = 2, horizon = 2, split = "test" }'


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    path = tmp_path_factory.mktemp("regression") / "sums_file.py"
    path.write_text(FILE)
    return path


def searched(plugin, name, final):
    """Run the plan and return its folder and what the command printed."""
    plan = plugin.with_name(f"{name}.toml")
    plan.write_text(PLAN.format(final=final))
    folder = plugin.with_name(name)
    found = invoke("search", plan, "--plugin", plugin, "--out", folder)
    assert found.exit_code == 0, found.stderr
    return folder, found.stdout


@pytest.fixture(scope="module")
def run(plugin):
    return searched(plugin, "run", FINAL)


def stored(folder):
    """Return the final score and the scores of the last stage, as the store has them."""
    with sqlite3.connect(folder / "results.sqlite") as store:
        rows = store.execute("SELECT name, score FROM results WHERE name LIKE 'partial%'").fetchall()
    last = [score for name, score in rows if name == "partial_training[1]"]
    return next(score for name, score in rows if name == "partial_training[2, test]"), last


def test_a_search_and_its_report_print_errors_without_a_sign(run, plugin):
    folder, printed = run
    final, last = stored(folder)
    assert final < 0  # inside, higher is better
    assert max(last) < 0
    told = [
        f"In the last stage, partial_training[1]: mean absolute error {-max(last):.4g} (lower is better)",
        f"Final mean absolute error, by partial_training[2, test]: {-final:.4g} (lower is better)",
    ]
    assert [line for line in printed.splitlines() if "mean absolute error" in line] == told
    report = invoke("report", folder).stdout
    assert [line for line in report.splitlines() if "stage, " in line or "Final" in line] == told
    assert f"{-max(last):.6g}" in report
    assert "-0." not in printed + report
    assert report.endswith(
        "Scores of partial_training[1], partial_training[2, test]: mean absolute error (lower is better). Of the other "
        "scores, higher is better.\n"
    )


def test_its_json_names_metric_and_direction_and_keeps_scores(run):
    folder, _ = run
    result = json.loads((folder / "result.json").read_text())
    final, last = stored(folder)
    assert (result["metric"], result["higher_is_better"]) == ("mean absolute error", False)
    assert (result["best_score"], result["best_score_kind"], result["final_score"]) == (max(last), "metric", final)
    assert [stage["estimator"] for stage in result["stages"]] == ["params", "partial_training[1]"]


def test_an_audit_prints_errors_without_a_sign(run, plugin):
    folder, _ = run
    again = folder.with_name("audited run")  # a name that a shell must quote
    shutil.copytree(folder, again)
    found = invoke("audit", again, "--networks", "2", "--plugin", plugin)
    assert found.exit_code == 0, found.stderr
    content = json.loads((again / "audit.json").read_text())
    assert content["winner_score"] < 0
    assert (content["metric"], content["higher_is_better"]) == ("mean absolute error", False)
    assert f"has {-content['winner_score']:.6g} (lower is better)." in found.stdout
    for better in content["better"]:
        assert f"{better['architecture']} has {-better['score']:.6g} (lower is better)" in found.stdout
    assert "has -" not in found.stdout
    page = again.parent / "audited.html"
    assert invoke("report", again, "--html", page).exit_code == 0
    assert f"has {-content['winner_score']:.6g} (lower is better)" in Elements(page.read_text()).text
    before = {name: value for name, value in content.items() if name not in ("metric", "higher_is_better")}
    write_json(again / "audit.json", before)  # of an earlier version
    assert "Audited: " in invoke("report", again).stdout


def test_hints_name_the_folder_as_a_shell_takes_it(run, plugin, tmp_path):
    folder = tmp_path / "a run"
    found = invoke("search", plugin.with_name("run.toml"), "--plugin", plugin, "--out", folder)
    named = f"'{folder}' --plugin {plugin}"
    assert f"`archsieve audit {named} --networks 12`" in found.stdout
    assert f"`archsieve audit {named} --networks 12`" in invoke("report", folder).stdout
    page = tmp_path / "page.html"
    assert invoke("report", folder, "--html", page).exit_code == 0
    text = Elements(page.read_text()).text
    assert f"archsieve audit {named} --networks 12" in text
    assert f"archsieve export {named} --to winner" in text
    assert f"archsieve verify {named} computes" in text
    assert "RUN" not in found.stdout + text


def test_its_tables_have_a_column_of_values(run, tmp_path, monkeypatch):
    monkeypatch.setattr("archsieve.report.draw.DPI", 20)
    folder, _ = run
    rows = list(csv.DictReader(invoke("report", folder, "--csv").stdout.splitlines()))
    for row in rows:
        value = row["mean absolute error (lower is better)"]
        assert value == (repr(-float(row["score"])) if row["estimator"].startswith("partial") else "")
    assert invoke("report", folder, "--files", tmp_path).exit_code == 0
    best = {row["estimator"]: row for row in csv.DictReader((tmp_path / "estimators.csv").read_text().splitlines())}
    assert float(best["partial_training[1]"]["best_value"]) == -max(stored(folder)[1])
    assert best["params"]["best_value"] == best["params"]["best_score"]
    assert "mean absolute error (lower is better)" in (tmp_path / "scores-2.svg").read_text()


def test_its_page_has_no_negative_error(run, tmp_path):
    folder, _ = run
    assert invoke("report", folder, "--html", tmp_path / "page.html").exit_code == 0
    page = Elements((tmp_path / "page.html").read_text())
    final = stored(folder)[0]
    said = f"The search found a network for Sums with a mean absolute error of {-final:.4g} (lower is better)."
    assert said in page.text
    assert f"Final score {-final:.4g}" in " ".join(page.text.split())
    assert f"{final:.4g}" not in page.text
    assert ">mean absolute error (lower is better)<" in (tmp_path / "page.html").read_text()


def test_without_a_final_score_the_last_stage_says_how_good_the_winner_is(plugin):
    folder, printed = searched(plugin, "short", "")
    result = json.loads((folder / "result.json").read_text())
    error = f"{-result['best_score']:.4g} (lower is better)"
    assert f"In the last stage, partial_training[1]: mean absolute error {error}\n" in printed
    assert f"with a mean absolute error of {error} in the last stage." in verdict(result, "sums")


def test_score_prints_a_positive_error_and_its_json_the_score(plugin):
    options = ("slopes", "01", "--proxy", "params", "--proxy", "partial_training", "--plugin", plugin)
    (row,) = json.loads(invoke("score", *options, "--json").stdout)
    printed = invoke("score", *options)
    assert row["partial_training[1]"] < 0
    assert printed.stdout.splitlines()[1].split() == ["01", str(row["params"]), f"{-row['partial_training[1]']:.6g}"]
    assert "Values of partial_training[1]: mean absolute error (lower is better).\n" in printed.stderr


def test_train_prints_the_error_and_its_direction(plugin, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'epochs = 1\nbatch_size = 8\nlearning_rate = 0.1\n[space]\nname = "slopes"\n[task]\nname = "sums"\n'
    )
    command = ("train", "slopes", "01", "--recipe", recipe, "--plugin", plugin, "--out", tmp_path / "run")
    found = invoke(*command)
    assert found.exit_code == 0, found.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["test"] > 0
    assert result["higher_is_better"] is False
    assert f"\nTest mean absolute error: {result['test']:.4g} (lower is better)\n" in found.stdout
    assert f"test {result['test']:.4g}, " in found.stderr


def test_a_measure_by_hand():
    assert measure_of(object()) == Measure("score", True)
    percent = Measure("mean IoU in percent")
    assert (percent.text(41.2345), percent.value(-1.0), percent.title) == ("41.23", -1.0, "mean IoU in percent")
    perplexity = Measure("perplexity", higher_is_better=False)
    assert (perplexity.text(-123.456), perplexity.text(-0.0)) == ("123.5 (lower is better)", "0 (lower is better)")


def test_a_truth_of_a_table_is_named_by_its_column():
    truth = {"value": -0.25, "rank": 2, "count": 9, "best": -0.125, "spread": None, "column": "negative_error"}
    result = {
        "best": "01",
        "stages": [{"candidates": 9}],
        "truth": truth,
        "metric": "error",
        "higher_is_better": False,
        "final_score": None,
        "cost": {"network_epochs": None},
        "exhaustive_network_epochs": None,
    }
    assert "that reaches a negative_error of -0.25." in verdict(result, "sums")
    assert place_and_cost(result)[0].startswith("It is the 2nd best of 9")
