"""Search, report and page write one notation, which `score` and `train` take; another is told once."""

import json
import re

import numpy as np
import pytest

from archsieve.registry import SPACES
from archsieve.spaces.text import as_digits
from plugins.commands import invoke
from plugins.pages import Elements
from plugins.shipped import shipped

PLAN = """
space = "nasbench201"
task = "synthetic"
pool = { sample = 12 }
[[stage]]
estimator = "params"
top = 4
[[stage]]
estimator = "macs"
top = 1
"""


@pytest.mark.parametrize("name", shipped(SPACES))
def test_every_space_parses_what_reports_write(name):
    space, rng = SPACES[name](), np.random.default_rng(0)
    for arch in (space.sample(rng) for _ in range(3)):
        assert space.parse(as_digits(arch, space.choices)) == arch
        assert space.parse("-".join(map(str, arch))) == arch
        assert space.parse(space.describe(arch)) == arch


def test_digits_of_another_length_are_no_code_of_attentivenas():
    with pytest.raises(ValueError, match="is not an architecture of attentivenas: write resolution"):
        SPACES["attentivenas"]().parse("0" * 30)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    plan = tmp_path_factory.mktemp("notation") / "plan.toml"
    plan.write_text(PLAN)
    found = invoke("search", plan, "--out", plan.with_name("run"))
    assert found.exit_code == 0, found.stderr
    return plan.with_name("run"), found.stdout


def own_notations(text):
    return re.findall(r"\|\w+~0\|\+\S+", text)


def test_digits_are_written_everywhere_and_the_spaces_notation_once(run, tmp_path):
    folder, printed = run
    result = json.loads((folder / "result.json").read_text())
    own, digits = result["best"], result["digits"]
    assert digits == "".join(map(str, result["code"]))
    told = [f"Best: {digits}", f"    In the space's own notation: {own}"]
    report = invoke("report", folder).stdout
    assert invoke("report", folder, "--html", tmp_path / "page.html").exit_code == 0
    page = Elements((tmp_path / "page.html").read_text()).text
    for text in (printed, report):
        assert [line for line in text.splitlines() if digits in line or own in line][:2] == told
    for text in (printed, report, page):
        assert own_notations(text) == [own]
        assert "-".join(digits) not in text
    assert f"{digits} In the space's own notation: {own}" in page
    assert [row.split()[-2] for row in report.splitlines() if row.startswith("macs   ")][-1] == digits


def test_what_is_printed_can_be_pasted(run):
    _, printed = run
    texts = re.findall(r"(?:Best|notation): (\S+)", printed)
    assert len(texts) == 2
    scored = [json.loads(invoke("score", "nasbench201", text, "--json").stdout) for text in texts]
    assert scored[0] == scored[1]
    small = [word for name in ("width=4", "cells=1", "stages=2") for word in ("--set", f"space.{name}")]
    for text in texts:
        options = ("--task", "digits", "--dry-run", "--no-timing", *small)
        assert invoke("train", "nasbench201", text, *options).exit_code == 0


def test_files_for_programs_have_dashes_which_nobody_reads_as_a_number(run, tmp_path, monkeypatch):
    monkeypatch.setattr("archsieve.report.draw.DPI", 20)
    folder, _ = run
    digits = json.loads((folder / "result.json").read_text())["digits"]
    assert invoke("report", folder, "--files", tmp_path).exit_code == 0
    dashed = "-".join(digits)
    assert dashed in invoke("report", folder, "--csv").stdout
    assert dashed in (tmp_path / "estimators.csv").read_text()
