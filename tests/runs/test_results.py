"""What `result.json` says, that its keys are documented, and the version of the program."""

import json
import re
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

from archsieve.report.load import read_run
from archsieve.report.run_page import run_page
from archsieve.runs.folder import write_json
from archsieve.runs.results import Result, StageReport
from plugins.commands import invoke

DOCUMENT = Path(__file__).parents[2] / "docs" / "run_folder.md"
PLAN = """
space = { name = "nasbench-macro", stem_width = 4, widths = [4, 4, 4], stages = [1, 1, 1], head_width = 4 }
task = { name = "digits", train_fraction = 0.1 }
final = { name = "partial_training", epochs = 1, horizon = 1 }
[[stage]]
estimator = "params"
top = 1
"""


def test_every_key_is_documented():
    table = DOCUMENT.read_text().partition("## `result.json`")[2]
    documented = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    assert sorted(documented) == sorted(field.name for field in fields(Result))
    (stages,) = [line for line in table.splitlines() if line.startswith("| `stages`")]
    costs = {"seconds", "network_epochs", "macs"}
    assert set(re.findall(r"`(\w+)`", stages)) - {"stages"} == {field.name for field in fields(StageReport)} - costs


def test_a_result_names_its_unit_of_effort(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    folder = tmp_path / "run"
    found = invoke("search", tmp_path / "plan.toml", "--out", folder)
    assert found.exit_code == 0, found.stderr
    result = json.loads((folder / "result.json").read_text())
    unit = result["network_epoch"]
    assert re.fullmatch(r"one network trained once on the \d+ training items of digits", unit)
    assert f"    Unit: {unit}\n" in found.stdout
    assert f"; one is {unit}" in next(c.note for c in run_page(folder).cards if c.name == "Cost in network-epochs")
    del result["network_epoch"]  # as older runs
    write_json(folder / "result.json", result)
    assert read_run(folder).result["network_epoch"] == ""
    assert "    Unit: " not in invoke("report", folder).stdout


def test_the_program_says_its_version():
    result = invoke("--version")
    assert (result.exit_code, result.stdout) == (0, f"archsieve {version('archsieve')}\n")
