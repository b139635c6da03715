"""The estimator `command`: what is run, what is read, and what a failure costs."""

from __future__ import annotations

import shlex
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from archsieve import Session
from archsieve.errors import ArchsieveError, PlanError, ScoringError, SettingError
from archsieve.estimators.contract import Context
from archsieve.estimators.measured import command as module
from archsieve.estimators.measured.command import Command
from archsieve.estimators.measured.facts import collected_facts
from archsieve.estimators.measured.printed import number_of
from archsieve.estimators.measured.program import output_of, words_of
from archsieve.fingerprints import fingerprint
from archsieve.plans.finished import read_finished
from archsieve.plans.named_code import commands_allowed
from archsieve.plans.read import load_plan
from archsieve.runs.executors import Processes
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from archsieve.verifying.stored import card_of_run, stored_again
from plugins.commands import TINY, invoke, is_alive, wait_for

pytest_plugins = ["plugins.fixtures"]

PYTHON = f"{shlex.quote(sys.executable)} -S -c"
SPACE = NASBenchMacro(stem_width=4, widths=(4, 4), stages=(1, 1), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=3, images=8, test_images=4)


def script(text, *arguments):
    return " ".join([PYTHON, shlex.quote(text), *arguments])


def context(folder):
    return Context(SPACE, TASK, folder)


@pytest.mark.parametrize(
    ("output", "key", "expected"),
    [
        ("7.25\n", "", 7.25),
        ("warm-up 3 runs\n  latency: 7.25 ms\n\n", "", 7.25),
        ("mean=1e-3s", "", 1e-3),
        ("-4", "", -4.0),
        ("resnet18_v2 7.3ms", "", 7.3),
        ('{"ms": 7}', "ms", 7.0),
        ('loading...\n{"p50": {"ms": 7.5}, "p99": 9}\n', "p50.ms", 7.5),
        ('{\n  "ms": 1.5\n}\n', "ms", 1.5),
        ('{"benchmarks": [{"ms": 1}, {"ms": 2.5}]}', "benchmarks.1.ms", 2.5),
        ('{"p50.ms": 3, "p50": {"s": 9}}', "p50.ms", 3.0),
        ('{"a": {"b.c": {"d": 4}}}', "a.b.c.d", 4.0),
        ('{"0": 5}', "0", 5.0),
    ],
)
def test_the_number_is_read(output, key, expected):
    assert number_of(output, key) == expected


@pytest.mark.parametrize(
    ("output", "key", "reason"),
    [
        ("", "", "it printed nothing"),
        ("\n \n", "ms", "it printed nothing"),
        ("done", "", "no number"),
        ("7 ms of 9", "", "2 numbers"),
        ("nan", "", "not a finite number"),
        ("1e999", "", "not a finite number"),
        ('{"mss": 7}', "ms", "no key 'ms'. Did you mean 'mss'"),
        ('{"ms": "7"}', "ms", "not a number"),
        ('{"ms": true}', "ms", "not a number"),
        ("[7]", "ms", "no key"),
        ("7 ms", "ms", "no key|no JSON"),
        ("[" * 5000, "ms", "no JSON"),
    ],
)
def test_what_is_no_number_says_so(output, key, reason):
    with pytest.raises(ScoringError, match=reason):
        number_of(output, key)


@pytest.mark.parametrize(
    ("output", "unit", "expected"),
    [
        ("8.3 ms", "ms", 8.3),
        ("8.3 msec", "ms", 8.3),
        ("8.3 us", "cycles", 8.3),
        ("12 \u00b5s", "us", 12.0),
        ("-3", "dB", -3),
    ],
)
def test_a_number_with_its_unit_is_read(output, unit, expected):
    assert number_of(output, unit=unit) == expected


@pytest.mark.parametrize(
    ("output", "key", "reason"),
    [
        ("8300 us", "", "printed 8300 us, but `unit` is 'ms': let it print ms, or change the setting"),
        ("0.0083s", "", "printed 0.0083 s"),
        ("12 mJ", "", "printed 12 mJ"),
        ("-1", "", "printed -1, which cannot be in ms"),
        ('{"ms": -1}', "ms", "printed -1, which cannot be in ms"),
        ("8,3 ms", "", "a point for the decimals"),
        ("1,234.5", "", "a point for the decimals"),
        ("1_000", "", "no number"),
        ("0x10", "", "no number"),
        ('{"ms": NaN}', "ms", "no JSON|not a finite"),
        ('{"ms": 1%s}' % ("0" * 400), "ms", "no JSON|not a finite"),
        ('{"a": [{"ms": 7}]}', "a.ms", "no key"),
        ('{"a": [{"ms": 7}]}', "a.1.ms", "no key"),
        ('{"a": [{"ms": 7}]}', "a.-1.ms", "no key"),
        ('{"a": [7]}', "a", "holds .* which is not a number"),
    ],
)
def test_another_unit_or_an_error_as_a_number_is_refused(output, key, reason):
    with pytest.raises(ScoringError, match=reason):
        number_of(output, key, "ms")


def test_what_is_filled_in_stays_one_word():
    odd = 'a b\'; rm -rf "$HOME" {digits}'
    assert words_of("bench --name={architecture} x", {"architecture": odd}) == ["bench", f"--name={odd}", "x"]
    assert words_of("awk '{print $1}' '{{onnx}}' {digits}", {"digits": "01"}) == ["awk", "{print $1}", "{onnx}", "01"]


def test_a_shell_gets_it_quoted(tmp_path):
    odd = f"$(touch {tmp_path}/made) 'x'"
    words = words_of("printf %s {architecture} | wc -c", {"architecture": odd}, uses_shell=True)
    assert int(output_of(words, 20)) == len(odd)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"command": "bench {onx}"}, "names {onx}.*Did you mean 'onnx'.*{{onx}}"),
        ({"command": "bench model"}, "the same for every network"),
        ({"command": "{python} bench.py"}, "the same for every network"),
        ({"command": "bench '{onnx}"}, "cannot be split"),
        ({"command": " "}, "is empty"),
        ({"command": 'bench "{onnx}"', "uses_shell": True}, "write {onnx} without quotation marks"),
        ({"command": 'x="$(cat {onnx})"; echo $x', "uses_shell": True}, "without quotation marks"),
        ({"command": "bench { onnx }"}, "the same for every network"),
        ({"command": "bench {onnx}", "device": " "}, "`device` must name"),
        ({"command": "bench {file}"}, "needs both {file} and `export`"),
        ({"command": "bench {onnx}", "export": "my_export:write"}, "needs both {file} and `export`"),
        ({"command": "bench {file}", "export": "my_export"}, "module:name"),
        ({"command": "bench {onnx}", "tries": 0}, "tries >= 1"),
        ({"command": "bench {onnx}", "seconds": 0}, "seconds"),
    ],
)
def test_settings_are_checked(settings, reason):
    with pytest.raises(SettingError, match=reason):
        Command(**{"device": "x", **settings})


def test_the_direction_and_what_is_stored_beside(tmp_path):
    count = script("import sys; print('steps', sum(map(int, sys.argv[1])))", "{digits}")
    archs = [(2, 1), (0, 1)]
    with collected_facts() as facts:
        assert Command(count, "x").score(archs, context(tmp_path)).tolist() == [-3.0, -1.0]
    assert facts[2, 1]["value"] == 3.0
    assert facts[2, 1] == {"value": 3.0, "unit": "ms", "device": "x", "tries": 1, "seconds": facts[2, 1]["seconds"]}
    assert Command(count, "x", lower_is_better=False).score(archs, context(tmp_path)).tolist() == [3.0, 1.0]
    own = Command("{python} -S -c 'import sys; print(len(sys.argv[1]))' {digits}", "x")
    assert own.score(archs, context(tmp_path)).tolist() == [-2.0, -2.0]
    assert Command(count, "x").measure.text(-3.0) == "3 (lower is better)"


def test_the_key_of_a_score_has_the_command_and_the_device_and_not_how_it_is_tried():
    base = Command("bench {onnx}", "pi")
    same = [Command("bench {onnx}", "pi", tries=1, seconds=5.0, unit="s")]
    others = [Command("bench {onnx}", "phone"), Command("bench2 {onnx}", "pi"), Command("bench {onnx}", "pi", repeat=1)]
    assert {fingerprint(one) for one in same} == {fingerprint(base)}
    assert len({fingerprint(one) for one in [base, *others]}) == 4


def test_a_failure_costs_that_network_alone(tmp_path):
    text = "import sys; a = sys.argv[1]; why = 'warning\\nno room for ' + a + ' ' + 'x' * 400; "
    text += "sys.exit(why) if a == '01' else print(a)"
    estimator = Command(script(text, "{digits}"), "x", tries=1)
    with Session(tmp_path / "run", SPACE, TASK) as session:
        archs = [(0, 0), (0, 1), (1, 2)]
        scores = session.scores([estimator], archs)[:, 0]
        assert scores.tolist()[::2] == [0.0, -12.0]
        assert np.isnan(scores[1])
        (reason,) = session.failures(estimator, archs).values()
    assert "status 1: no room for 01 xxx" in reason
    assert len(reason.partition("status 1: ")[2]) <= 200  # of the program's own words
    assert "warning" not in reason


def test_what_is_stored_is_not_measured_again_and_its_facts_are_kept(tmp_path):
    text = "import sys, pathlib; p = pathlib.Path(sys.argv[1]); p.write_text(p.read_text() + 'x'); print(7)"
    log = tmp_path / "log"
    log.write_text("")
    estimator = Command(script(text, str(log), "{digits}"), "x")
    for _ in range(2):
        with Session(tmp_path / "run", SPACE, TASK) as session:
            session.scores([estimator], [(0, 0), (1, 1)])
            kept = {arch: facts for _, arch, facts in session._store.facts()}
    assert log.read_text() == "xx"
    assert set(kept) == {(0, 0), (1, 1)}
    assert kept[0, 0]["value"] == 7.0


def test_it_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    log = tmp_path / "log"
    text = "import sys, pathlib; p = pathlib.Path(sys.argv[1]); n = len(p.read_text()) if p.exists() else 0; "
    text += "p.write_text('x' * (n + 1)); print(5) if n == 2 else sys.exit('lost the connection')"
    estimator = Command(script(text, str(log), "{digits}"), "x")
    with collected_facts() as facts:
        assert estimator.score([(0, 0)], context(tmp_path)).tolist() == [-5.0]
    assert facts[0, 0]["tries"] == 3
    log.unlink()
    with pytest.raises(ScoringError, match=r"lost the connection \(try 2\)"):
        Command(script(text, str(log), "{digits}"), "x", tries=2).score([(0, 0)], context(tmp_path))


def test_a_program_that_is_not_there_is_not_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(module.time, "sleep", lambda _: pytest.fail("it waited"))
    with pytest.raises(ScoringError, match="no-such-bench cannot be started: No such file"):
        Command("./no-such-bench {digits}", "x").score([(0, 0)], context(tmp_path))


def test_a_time_limit_ends_all_that_was_started(tmp_path):
    pids = tmp_path / "pids"
    command = f"sleep 60 & echo $! >> {pids}; sh -c 'echo $$ >> {pids}; sleep 60'; echo {{digits}}"
    begun = time.perf_counter()
    with pytest.raises(ScoringError, match=r"/bin/sh took more than 0.5 s"):
        Command(command, "x", tries=1, seconds=0.5, uses_shell=True).score([(0, 0)], context(tmp_path))
    assert time.perf_counter() - begun < 20
    started = [int(line) for line in pids.read_text().split()]
    assert len(started) == 2
    wait_for(lambda: not any(map(is_alive, started)), seconds=10)


def test_what_a_program_leaves_behind_is_killed(tmp_path):
    """Also where it ended by itself: it would disturb the next measurement."""
    pids = tmp_path / "pids"
    command = f"sleep 60 & echo $! >> {pids}; : {{digits}}; echo 7"
    assert Command(command, "x", uses_shell=True).score([(0, 0)], context(tmp_path)).tolist() == [-7.0]
    wait_for(lambda: not is_alive(int(pids.read_text())), seconds=10)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import os\nwhile True: os.write(1, b'x' * 65536)", "printed more than 1,048,576 bytes"),
        ("import sys; sys.stderr.write('8.3 ms')", "printed nothing on standard output"),
        ("print(8.3); import sys; sys.exit(3)", "ended with status 3, and wrote nothing on standard error"),
        ("import os; os.kill(os.getpid(), 11)", "was killed by SIGSEGV"),
    ],
)
def test_what_a_program_does_wrong_is_said(text, reason):
    begun = time.perf_counter()
    with pytest.raises(ScoringError, match=reason):
        number_of(output_of([sys.executable, "-S", "-c", text], 60))
    assert time.perf_counter() - begun < 30


def test_a_word_that_no_system_takes_is_a_sentence(tmp_path):
    with pytest.raises(ScoringError, match="cannot be started: embedded null byte"):
        output_of(["bench", "a\0b"], 5)


def test_paths_and_words_may_be_odd(tmp_path, monkeypatch):
    folder = tmp_path / "a b 'c' \u00e4"
    folder.mkdir()
    (folder / "odd_writer.py").write_text("def write(network, inputs, path):\n    path.write_text('seven')\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(module.tempfile, "tempdir", str(folder))
    text = (
        "import sys; a, b, name = sys.argv[1:]; print(5 if a == b and open(a).read() and name == '{x \u00fc}' else 6)"
    )
    words = script(text, "{file}", "'{file}'", "'{{x \u00fc}}'")
    for settings in ({"command": words}, {"command": "test -s {file} && wc -c < {file}", "uses_shell": True}):
        scored = Command(**settings, device="\u00fc 1", tries=1, export="odd_writer:write")
        assert scored.score([(0, 0)], context(tmp_path)).tolist() == [-5.0]


def test_what_prints_without_end_is_refused(tmp_path):
    text = "print('x' * 3_000_000)"
    with pytest.raises(ScoringError, match="printed more than 1,048,576 bytes"):
        Command(script(text, "{digits}"), "x", tries=1).score([(0, 0)], context(tmp_path))


def test_a_script_of_the_users_writes_the_file(tmp_path, monkeypatch):
    (tmp_path / "my_writer.py").write_text(
        "def write(network, inputs, path):\n"
        "    path.write_text(f'{sum(p.numel() for p in network.parameters())} {tuple(inputs.shape)}')\n"
        "def broken(network, inputs, path):\n    raise RuntimeError('no such layer')\n"
        "def idle(network, inputs, path):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    read = script("import sys; print(open(sys.argv[1]).read().split()[0])", "{file}")
    scored = Command(read, "x", export="my_writer:write").score([(1, 1)], context(tmp_path))
    assert scored.tolist() == [-float(SPACE.params((1, 1), TASK))]
    for name, reason in (("broken", "raised RuntimeError: no such layer"), ("idle", "wrote no file")):
        with pytest.raises(ScoringError, match=reason):
            Command(read, "x", export=f"my_writer:{name}").score([(1, 1)], context(tmp_path))
    with pytest.raises(SettingError, match="no function 'other'"):
        Command(read, "x", export="my_writer:other").score([(1, 1)], context(tmp_path))


@pytest.mark.parametrize("form", [pytest.param("onnx", marks=pytest.mark.slow), "pt2"])
def test_the_file_is_one_that_loads(form, tmp_path):
    if form == "onnx" and not all(find_spec(name) for name in ("onnx", "onnxscript")):
        pytest.skip("the extra `onnx` is not installed")
    text = "import sys, os; print(2 if os.path.getsize(sys.argv[1]) and sys.argv[1].endswith(sys.argv[2]) else 1)"
    scored = Command(script(text, f"{{{form}}}", f".{form}"), "x").score([(1, 1)], context(tmp_path))
    assert scored.tolist() == [-2.0]


def test_workers_measure_one_at_a_time(tmp_path):
    log = tmp_path / "log"
    text = "import sys, time; f = open(sys.argv[1], 'a'); f.write('<'); f.flush(); time.sleep(.1); f.write('>')"
    text += "; print(1)"
    estimator = Command(script(text, str(log), "{digits}"), "one at a time")
    with Session(tmp_path / "run", SPACE, TASK, executor=Processes(2)) as session:
        session.scores([estimator], [(0, 0), (0, 1), (0, 2), (1, 0)])
    assert log.read_text() == "<>" * 4


PLAN = """
[[stage]]
estimator = {{ name = "command", device = "x", command = {command} }}
top = 1
"""


@pytest.fixture
def stranger(tmp_path):
    made = tmp_path / "made"
    command = script("import sys; open(sys.argv[1], 'a').write('x'); print(len(sys.argv[2]))", str(made), "{digits}")
    path = tmp_path / "plan.toml"
    path.write_text(TINY + PLAN.format(command="'''" + command + "'''"))
    return path, made


@pytest.mark.usefixtures("restored")
def test_a_plan_runs_its_commands_only_where_the_user_says_so(stranger, tmp_path):
    plan, made = stranger
    refused = invoke("search", plan, "--out", tmp_path / "run")
    assert refused.exit_code == 1
    assert "would run the command" in refused.stderr
    assert "--allow-commands" in refused.stderr
    with pytest.raises(PlanError, match="--allow-commands"):
        load_plan(plan)
    assert invoke("search", plan, "--dry-run", "--no-timing", "--allow-commands").exit_code == 0
    assert not made.exists()
    assert invoke("search", plan, "--out", tmp_path / "run", "--allow-commands").exit_code == 0
    assert made.read_text() == "x" * 9


@pytest.mark.usefixtures("restored")
def test_a_design_asks_too(stranger, tmp_path):
    plan, made = stranger
    final = 'top = 5\n[final]\nname = "partial_training"'
    plan.write_text(plan.read_text().replace("stages = [1, 1]", "stages = [2, 1]").replace("top = 1", final))
    rows = ["222,9", *(f"{a}{b}{a},{a + b / 10}" for a in range(3) for b in range(3) if a + b < 4), "012,1", "120,2"]
    pilot, out = tmp_path / "pilot.csv", tmp_path / "designed.toml"
    pilot.write_text("architecture,accuracy\n" + "\n".join(rows) + "\n")
    design = ("design", "nasbench-macro", "--estimators", plan, "--pilot", pilot, "--out", out)
    refused = invoke(*design)
    assert (refused.exit_code, made.exists()) == (1, False)
    assert "--allow-commands" in refused.stderr
    allowed = invoke(*design, "--allow-commands")
    assert (allowed.exit_code, made.read_text()) == (0, "x" * 11), allowed.stderr
    assert allowed.stdout.splitlines()[-1].endswith("--allow-commands")


@pytest.mark.usefixtures("restored")
def test_whoever_reads_such_a_run_runs_nothing(stranger, tmp_path):
    plan, made = stranger
    assert invoke("search", plan, "--out", tmp_path / "run", "--allow-commands").exit_code == 0
    made.unlink()
    assert invoke("report", tmp_path / "run").exit_code == 0
    assert read_finished(tmp_path / "run").rank == 1
    figures, notes = stored_again(card_of_run(tmp_path / "run"), 1.0, lambda *_: None)
    assert figures == []
    assert notes == ["Not computed, since they learn, measure or were told: command[x]."]
    assert "--allow-commands" in invoke("audit", tmp_path / "run").stderr
    assert not made.exists()


def test_permission_ends_with_its_context(stranger):
    with commands_allowed():
        assert load_plan(stranger[0]).stages[0].estimator.device == "x"
    with pytest.raises(ArchsieveError):
        load_plan(stranger[0])


def test_the_page_of_security_names_the_option():
    assert "--allow-commands" in (Path(__file__).parents[3] / "SECURITY.md").read_text(encoding="utf-8")
