"""Bounds of what is read, and what leaves: inputs of files and texts that anyone may have written."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from archsieve._arrays import read_arrays
from archsieve._reading import DEEPEST, message, parse_json, parse_toml, quoted, read_text, visible
from archsieve._trial import try_first
from archsieve.benchmarks.nasbench_macro import CIFAR10
from archsieve.cli.printing import out, table
from archsieve.errors import DataError, EstimatorError, PlanError, SettingError, UnknownNameError
from archsieve.judging.score_files import read_scores
from archsieve.report.stored import to_csv
from archsieve.report.words import cell
from archsieve.runs.store import Key, Row
from archsieve.searchers.contract import Stage
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.training.recipe import Recipe
from archsieve.values import check_whole, number_in
from plugins.commands import invoke


def refused(read, *arguments):
    with pytest.raises(ValueError, match=r".") as caught:
        read(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a." * 70 + "a = 1", "more than 64 parts"),
        ('"a" . ' * 70 + "a = 1", "more than 64 parts"),
        ("[" + "b." * 70 + "b]", "more than 64 parts"),
        ("a = " + "[" * 70 + "]" * 70, "deeper than 64"),
        ("a = " + "[" * 3000, "deeper than 64"),
        ("a = " + "9" * 20, "beyond 64 bits"),
        ("a = " + "9" * 5000, "beyond 64 bits"),
        ("a = [[1], {b = -9223372036854775809}]", "beyond 64 bits"),
        ("#" * (1 << 20) + "#", "characters"),
    ],
)
def test_toml_that_is_refused_before_it_costs_much(text, words):
    begun = time.process_time()
    assert words in refused(parse_toml, text)
    assert time.process_time() - begun < 2


def test_toml_that_is_as_it_should_be():
    key = ".".join("a" * DEEPEST)
    assert parse_toml(f"{key} = 1")["a"]["a"]
    assert parse_toml("v = 9223372036854775807\nw = -9223372036854775808")["v"] == 2**63 - 1
    assert parse_toml("t = [0.1, 0.25]") == {"t": [0.1, 0.25]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 70 + "]" * 70, "deeper than 64"),
        ('{"a":' * 900 + "1" + "}" * 900, "deeper than 64"),
        ("[" * 100_000, "deeper than 64"),
        ("[" + "7" * 1001 + "]", "1,001 digits"),
        ("-" + "7" * 5000, "5,001 digits"),
    ],
)
def test_json_that_is_refused(text, words):
    assert words in refused(parse_json, text)


def test_json_that_is_as_it_should_be():
    assert parse_json("[" * 64 + "]" * 64)
    assert parse_json(json.dumps({"a": 10**400})) == {"a": 10**400}


def test_files_that_are_none(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 100)
    for name, words in (("pipe", "a pipe"), ("large", "has 100 bytes, and at most 99"), (".", "directory")):
        with pytest.raises(OSError, match=words):
            read_text(tmp_path / name, 99)
    assert read_text(tmp_path / "large", 100) == "x" * 100


def test_arrays_are_what_they_say_and_not_more(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {"numbers": np.arange(6.0).reshape(2, 3), "text": np.array(["a", "bc"]), "one": np.array(7)}
    arrays["columns"] = np.asfortranarray(np.arange(6).reshape(2, 3))
    np.savez_compressed(path, **arrays)
    for name, column in read_arrays(path).items():
        np.testing.assert_array_equal(column, arrays[name])
        assert column.flags.writeable
    assert list(read_arrays(path, ["one"])) == ["one"]
    assert "no array 'two'" in refused(read_arrays, path, ["two"])
    assert "at most 10 are read" in refused(read_arrays, path, None, 10)
    np.savez(path, objects=np.array([print], dtype=object))
    assert "no numbers" in refused(read_arrays, path)


def test_what_messages_quote_is_cut_and_cannot_command_a_terminal():
    assert str(SettingError(f"but got {'y' * 5000!r}.")) == f"but got '{'y' * 200} ...'."
    assert str(UnknownNameError("There is no \x1b[2J.")) == r"There is no \x1b[2J."
    assert len(str(EstimatorError("'" + "a b " * 3000 + "'"))) < 300
    assert len(str(PlanError("1" * 9000))) < 300
    assert len(message("word " * 9000)) < 4100
    whole = "The file 'a' has no column 'b'. Did you mean 'c'?"
    assert message(whole) == whole
    assert quoted("\x9b31m\u202e") == r"\x9b31m\u202e"
    assert visible("two\nlines\tand é 中 ✓") == "two\nlines\tand é 中 ✓"


HOSTILE = "=1+1\x1b]0;owned\x07"


def test_no_way_out_carries_escapes_or_formulas(capsys):
    out(HOSTILE)
    table(["a\x1b[2J"], [[HOSTILE + "\nnext"]])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert len(printed.splitlines()) == 3
    row = Row(Key("s", "t", "e", 0), (0, 1), HOSTILE, -0.5, 1.0, 1, "@SUM(A1)\x1b")
    line = to_csv([row]).splitlines()[1]
    assert line.startswith(r"'=1+1\x1b]0;owned\x07,e,0,0-1,-0.5,'@SUM(A1)\x1b")


@pytest.mark.parametrize(("value", "field"), [("+1", "+1"), ("-inf", "-inf"), ("-x", "'-x"), ("a=1", "a=1")])
def test_fields_of_csv(value, field):
    assert cell(value) == field


@pytest.mark.parametrize("text", ["1_0", "\u0661", "\uff11", "0x1", "1e", "", "infinite"])
def test_texts_that_are_no_numbers(text, tmp_path):
    with pytest.raises(ValueError, match="no number"):
        number_in(text)
    path = tmp_path / "a.csv"
    path.write_text("truth,a\n" + "".join(f"{i},{i}\n" for i in range(11)) + f"11,{text or 'x'}\n")
    with pytest.raises(DataError, match="among numbers"):
        read_scores(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: NASBenchMacro(stem_width=10**30),
        lambda: NASBenchMacro(widths=(8, 10**6, 8)),
        lambda: NASBenchMacro(stages=(2, 10**12, 2)),
        lambda: DARTS(width=10**30),
        lambda: DARTS(layers=10**9),
        lambda: Stage("e", top=10**30),
        lambda: Stage("e", top=float("nan")),
        lambda: Stage("e", top=2.5),
        lambda: check_whole("budget", 10**9 + 1),
        lambda: check_whole("seed", 2**63),
        lambda: Recipe(horizon=10**30, learning_rate=0.1),
        lambda: Recipe(horizon=1, learning_rate=1e38),
        lambda: Recipe(horizon=1, learning_rate=float("inf")),
        lambda: Recipe(horizon=1, learning_rate=-0.1),
        lambda: Recipe(horizon=1, learning_rate=0.1, momentum=2),
        lambda: Recipe(horizon=1, learning_rate=0.1, weight_decay=1e38),
        lambda: Recipe(horizon=1, learning_rate=0.1, auxiliary_weight=1e38),
        lambda: Recipe(horizon=1, learning_rate=0.1, head_factor=1e38),
    ],
)
def test_settings_that_do_not_pass(make):
    with pytest.raises(SettingError):
        make()


def test_a_large_seed_passes_and_a_negative_one_does_not(tmp_path):
    check_whole("data_seed", 2**63 - 1)
    path = tmp_path / "a.csv"
    path.write_text("truth,a\n" + "".join(f"{i},{i}\n" for i in range(12)))
    assert invoke("judge", path, "--truth", "truth", "--seed", 1).exit_code == 0
    result = invoke("judge", path, "--truth", "truth", "--seed", -1)
    assert (result.exit_code, "`seed >= 0` must hold" in result.stderr) == (1, True)


def test_a_file_with_another_hash_is_refused_unless_it_is_the_users_own(tmp_path, monkeypatch):
    monkeypatch.delenv("ARCHSIEVE_OWN_FILES")
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    (tmp_path / CIFAR10.source.file).write_text("{}")
    with pytest.raises(DataError, match=r"its SHA-256 is not 686dee.*ARCHSIEVE_OWN_FILES=nas-bench-macro_cifar10.json"):
        CIFAR10.load()
    monkeypatch.setenv("ARCHSIEVE_OWN_FILES", f"a,{CIFAR10.source.file}")
    with pytest.raises(DataError, match="holds 0 architectures"):
        CIFAR10.load()


def crash(path):
    os.kill(os.getpid(), 11)


def refuse(path):
    raise DataError(f"The file {path} is no file for us.")


def fill(path):
    bytearray(3 << 30)


def wait(path):
    time.sleep(60)


def pause(path):
    time.sleep(0.5)  # as if others had the processor


def spin(path):
    while True:
        pass


def test_what_a_trial_finds(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, sys.path)))
    path = tmp_path / "a"
    path.touch()
    for reader, words in (
        ("crash", r"ends the process that reads it \(SIGSEGV\)"),
        ("refuse", "no file for us"),
        ("fill", "2 GB"),
    ):
        with pytest.raises(DataError, match=words):
            try_first([path], f"test_reading:{reader}")
    monkeypatch.setattr("archsieve._trial.MOST_SECONDS", 0.2)
    with pytest.raises(DataError, match="to read: it was not read"):
        try_first([path], "test_reading:wait")
    monkeypatch.setattr("archsieve._trial._PATIENCE", 600)
    with pytest.raises(DataError, match=r"more than 0\.2 seconds of processor time to read: it was not read"):
        try_first([path], "test_reading:spin")


def test_a_trial_on_a_busy_machine_is_given_time_by_the_clock(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, sys.path)))
    monkeypatch.setattr("archsieve._trial.MOST_SECONDS", 0.3)
    monkeypatch.setattr("archsieve._trial._PATIENCE", 600)
    path = tmp_path / "a"
    path.touch()
    try_first([path], "test_reading:pause")


NO_SOCKETS = """
import sys
def watch(event, arguments):
    if event.startswith("socket.") and event not in ("socket.gethostname",):
        raise SystemExit(f"a socket: {event} {arguments}")
sys.addaudithook(watch)
from archsieve.cli import main
main()
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["list"],
        ["score", "nasbench-macro", "22212220", "--proxy", "params"],
        ["score", "nasbench201", "333123", "--proxy", "nwot", "--task", "synthetic"],
        ["search", "{plan}", "--out", "{run}"],
    ],
    ids=lambda a: a[0],
)
def test_no_socket_is_opened_by(arguments, tmp_path):
    plan = tmp_path / "plan.toml"
    space = '[space]\nname = "nasbench-macro"\nstem_width = 4\nwidths = [4, 4]\nstages = [1, 1]\nhead_width = 8\n'
    plan.write_text(f'task = "synthetic"\n{space}[[stage]]\nestimator = "params"\ntop = 1\n')
    words = [a.format(plan=plan, run=tmp_path / "run") for a in arguments]
    done = subprocess.run(
        [sys.executable, "-c", NO_SOCKETS, *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr if done.returncode else "") == (0, "")
    assert socket.AF_INET  # the module itself may be imported
