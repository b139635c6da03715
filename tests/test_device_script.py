"""The script that proves the package on an accelerator: its tiny form, and what is left of a run that is cut off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from archsieve.estimators.contract import Context
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.networks.supernets import build_supernet
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.training.checkpoint import load_checkpoint

FOLDER = Path(__file__).parents[1] / "perf"
SCRIPT = FOLDER / "device.py"
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def script():
    """Give the script's modules, which are no part of the package."""
    sys.path.insert(0, str(FOLDER))
    try:
        from device_parts import lines, run, setting

        yield type("Script", (), {"lines": lines, "run": run, "setting": setting})
    finally:
        sys.path.remove(str(FOLDER))


def start(folder, *options):
    command = [sys.executable, str(SCRIPT), "--tiny", "--out", "device.jsonl", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=ONE_THREAD, **pipes)


def lines_in(folder):
    return [json.loads(line) for line in (folder / "device.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Give the folder of a whole run, and what it printed."""
    folder = tmp_path_factory.mktemp("device")
    process = start(folder)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return folder, out


@pytest.mark.slow
def test_every_part_is_done(whole):
    lines = lines_in(whole[0])
    ends = {line["part"]: line["what"] for line in lines if line["what"] in ("done", "failed", "cut")}
    assert ends == dict.fromkeys("abcdefgh", "done"), [line for line in lines if "error" in line]
    assert lines[0]["what"] == "machine"
    known = {"card", "torch", "cuda", "python", "cudnn_tf32", "cudnn_deterministic", "matmul_precision", "session"}
    assert known <= lines[0].keys()
    assert lines[-1]["what"] == "end"


@pytest.mark.slow
def test_the_results_say_what_they_should(whole):
    found = {(line["part"], line["what"]): line for line in lines_in(whole[0])}
    assert found["a", "gpu tests"]["failed"] == 0
    worst = {what: line for (part, what), line in found.items() if part == "b" and what.startswith("worst")}
    assert len(worst) == 6
    assert all(line["tf32_off_difference"] == 0 for line in worst.values())  # a CPU against itself
    trained, ranked = found["c", "trained"], found["c", "ranked"]
    assert (trained["epochs"], trained["of"], trained["epochs_before"]) == (2, 2, 0)
    assert (ranked["cells"], ranked["of"]) == (12, 6590)
    if ranked["truth"].startswith("nasbench201"):
        assert -1 <= ranked["tau"] <= 1
        assert 0 < ranked["mkr"] <= 1
    assert found["d", "supernet nasbench201"]["ratio"] > 0
    assert found["d", "hours: pipeline C on nasbench-macro"]["hours"] > 0
    assert found["e", "vote"]["ratio"] > 1
    assert 0 < found["e", "share of the peak"]["share"] < 1
    for name in ("SIGTERM", "SIGKILL"):
        assert found["f", name]["is_equal"]
        assert found["f", name]["epochs_kept"] == 1
    assert found["f", "SIGKILL"]["code"] == -9
    assert found["g", "one by one"]["seconds"] > 0
    costs = found["h", "nasbench201 batch 1"]
    assert costs["memory_repeats"]
    assert 0 <= costs["refused"] <= costs["of"]


@pytest.mark.slow
def test_the_table_has_every_result(whole, script):
    folder, out = whole
    lines = lines_in(folder)
    table = script.lines.table_of(lines)
    assert out == table + "\n"
    assert [title for title in script.lines.TITLES.values() if title not in table] == []
    rows = table.splitlines()
    for line in lines:
        assert sum(row.startswith(line["what"] + " ") for row in rows) >= 1, line
    again = subprocess.run(
        [sys.executable, str(SCRIPT), "--table", "device.jsonl"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert again.stdout == out


@pytest.mark.slow
def test_the_supernet_is_that_of_the_estimator(whole, script, tmp_path):
    """Trained piece by piece by the clock, it has the weights that `OneShot` has after as many epochs."""
    from device_parts.tasks import pictures

    space, task = NASBench201(width=4, cells=1), pictures(script.setting.TINY)
    ctx = Context(space, task, tmp_path)
    OneShot(epochs=2).fit((), ctx, None)
    found = []
    for file in (whole[0] / "supernet201-tiny-synthetic-uniform-2.pt", tmp_path / "supernet.pt"):
        supernet = build_supernet(space, task, 1)
        assert load_checkpoint(file, supernet).epochs == 2
        found.append(supernet.state_dict())
    assert [name for name in found[0] if not torch.equal(found[0][name], found[1][name])] == []


# Cut off


@pytest.fixture
def stubs():
    """Give parts that write three lines each, and a list of those that were run."""
    called = []

    def part_of(name):
        def part(part):
            called.append(name)
            for i in range(3):
                part.tell(f"result {i}", value=i)

        return part

    return {name: part_of(name) for name in "abcdefgh"}, called


def tiny(script, **changes):
    return replace(script.setting.TINY, **changes)


def test_a_run_that_is_cut_off_after_any_line_goes_on(script, stubs, tmp_path):
    parts, called = stubs
    out = tmp_path / "whole.jsonl"
    script.run.run(tiny(script), out, parts)
    lines = out.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 8 * 4 + 1
    for count in range(len(lines) + 1):
        for torn in (b"", b'{"part": "c", "wh'):
            cut = tmp_path / f"{count}-{len(torn)}.jsonl"
            cut.write_bytes(b"".join(lines[:count]) + torn)
            before = script.lines.read_lines(cut)
            assert len(before) == count
            assert script.lines.table_of(before)
            ended = {line["part"] for line in before if line["what"] == "done"}
            called.clear()
            script.run.run(tiny(script), cut, parts)
            whole_before = count == len(lines)
            assert called == [name for name in "abcdefgh" if whole_before or name not in ended]
            after = script.lines.read_lines(cut)
            assert [json.loads(line) for line in cut.read_text().splitlines()] == after
            assert after[:count] == before
            assert after[-1]["what"] == "end"
            table = script.lines.table_of(after)
            assert all(title in table for title in script.lines.TITLES.values())
            assert table.count("done") == 8


def test_other_settings_are_another_run(script, stubs, tmp_path):
    parts, called = stubs
    out = tmp_path / "o.jsonl"
    script.run.run(tiny(script, parts="ab"), out, parts)
    kept = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(kept[:-1]))
    called.clear()
    script.run.run(tiny(script, parts="ab", networks=3), out, parts)
    assert called == ["a", "b"]
    assert script.lines.table_of(script.lines.read_lines(out)).count("done") == 2  # of the last run


def test_one_part_that_fails_is_recorded_and_the_others_go_on(script, stubs, tmp_path):
    parts, called = stubs

    def fail(part):
        part.tell("before", value=float("nan"))
        raise ValueError("it was\ntoo odd")

    out = tmp_path / "o.jsonl"
    script.run.run(tiny(script), out, {**parts, "c": fail})
    assert called == list("abdefgh")
    lines = script.lines.read_lines(out)
    (failed,) = [line for line in lines if line["what"] == "failed"]
    assert (failed["part"], failed["error"]) == ("c", "ValueError: it was too odd")
    assert failed["place"].startswith("test_device_script.py:")
    assert next(line for line in lines if line["what"] == "before")["value"] is None
    assert "ValueError: it was too odd" in script.lines.table_of(lines)


def test_a_part_that_overruns_is_cut(script, stubs, tmp_path, monkeypatch):
    parts, called = stubs
    monkeypatch.setattr(script.setting, "PATIENCE", 1)
    monkeypatch.setitem(script.setting.BUDGETS, "a", 0.05)
    monkeypatch.setitem(script.setting.BUDGETS, "b", 0.05)
    monkeypatch.setattr(script.run, "_GRACE", 0.1)

    def polite(part):
        while True:
            part.tell("a step")
            part.check()
            time.sleep(0.02)

    def rude(part):
        time.sleep(30)

    out, begun = tmp_path / "o.jsonl", time.perf_counter()
    script.run.run(tiny(script), out, {**parts, "a": polite, "b": rude})
    assert time.perf_counter() - begun < 5
    lines = script.lines.read_lines(out)
    assert [line["part"] for line in lines if line["what"] == "cut"] == ["a", "b"]
    assert any(line["what"] == "a step" for line in lines)
    assert called == list("cdefgh")


def test_the_whole_run_has_an_end(script, stubs, tmp_path):
    parts, called = stubs
    out = tmp_path / "o.jsonl"
    script.run.run(tiny(script, seconds=-1.0), out, parts)
    assert called == []
    assert [line["what"] for line in script.lines.read_lines(out)[1:-1]] == ["cut"] * 8


def test_ten_minutes_are_planned(script):
    setting = script.setting.Setting()
    assert sum(map(setting.budget, script.setting.PARTS)) <= 580
    assert setting.seconds <= 580


def test_a_killed_run_goes_on_from_its_checkpoint(script, tmp_path, monkeypatch):
    process = start(tmp_path, "--parts", "c", "--supernet-epochs", "3", "--supernet-minutes", "0.2")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (tmp_path / "device.jsonl").exists() and "trained" in (tmp_path / "device.jsonl").read_text():
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    process.communicate()
    before = [line for line in lines_in(tmp_path) if line["what"] == "trained"]
    monkeypatch.chdir(tmp_path)
    script.run.run(tiny(script, parts="c", supernet_epochs=3, supernet_minutes=0.2), Path("device.jsonl"))
    trained = [line for line in lines_in(tmp_path) if line["what"] == "trained"]
    assert trained[-1]["epochs"] == 3
    if before:
        assert before[0]["epochs_before"] == 0
        assert len(trained) == 1 or trained[-1]["epochs_before"] == 3
    assert lines_in(tmp_path)[-1]["what"] == "end"
    assert any(line["what"] == "ranked" for line in lines_in(tmp_path))


def test_runs_add_up_to_the_epochs(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run in range(2):
        script.run.run(tiny(script, parts="c", supernet_epochs=40, supernet_minutes=0.005), Path("device.jsonl"))
        trained = [line for line in lines_in(tmp_path) if line["what"] == "trained"]
        assert len(trained) == run + 1
    assert 0 < trained[0]["epochs"] < trained[1]["epochs"] <= 40
    assert trained[1]["epochs_before"] == int(trained[0]["epochs"])


def test_a_part_nobody_knows(tmp_path):
    process = start(tmp_path, "--parts", "xc")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "There is no part x: choose from abcdefgh." in errors
