"""Ctrl-C and SIGTERM at any moment: one line, an exit code, never a traceback."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from archsieve._interrupts import TerminatedError, end_at_once_on_signals, heard
from plugins.commands import ODD, TINY, finish, invoke, rows, start, wait_for

pytest_plugins = ["plugins.fixtures"]

# A signal comes when a module is looked for.
PROGRAM = """
import signal, sys
module, number, *sys.argv[1:] = sys.argv[1:]
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            signal.raise_signal(int(number))
sys.meta_path.insert(0, Finder())
from {home} import main
main()
"""
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def interrupted(home, module, number, *arguments):
    command = [sys.executable, "-c", PROGRAM.format(home=home), module, str(int(number)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_scores_without_a_folder_are_not_kept():
    benchmark = ["--benchmark", "nasbench-macro-digits", "--task", "digits"]  # which comes with the package
    arguments = ["measure", "nasbench-macro", *benchmark, "--proxy", "nwot", "--recompute"]
    code, _, err = interrupted("archsieve.cli", "torch", signal.SIGINT, *arguments)
    assert code == CODES[signal.SIGINT]
    said = "Interrupted. No scores were kept. With --out FOLDER they are kept, and the same command resumes."
    assert said in " ".join(err.split())


@pytest.mark.parametrize(
    ("home", "module", "number"),
    [
        ("archsieve.__main__", "typer", signal.SIGINT),
        ("archsieve.__main__", "typer", signal.SIGTERM),
        ("archsieve.__main__", "archsieve.cli.scoring", signal.SIGINT),
        ("archsieve.cli", "typer", signal.SIGINT),
        ("archsieve.cli", "numpy", signal.SIGINT),
        ("archsieve.cli", "numpy", signal.SIGTERM),
        ("archsieve.cli", "torch", signal.SIGINT),
        ("archsieve.cli", "torch.nn", signal.SIGTERM),
    ],
)
def test_in_the_first_second_it_is_one_line(home, module, number):
    arguments = ["score", "nasbench-macro", "00000000", "--proxy", "nwot", "--task", "synthetic", "--recompute"]
    code, out, err = interrupted(home, module, number, *arguments)
    assert (code, out) == (CODES[number], "")
    assert err.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in err


PLAN = (
    "pool = { sample = 40 }\n"
    + TINY.replace("stages = [1, 1]", "stages = [2, 2]")
    + """
[[stage]]
estimator = { name = "sleeps", batch_size = 4 }
keep = 0.1
"""
)


@pytest.mark.usefixtures("restored", "quick_workers")
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])  # test_searching has 1 and Ctrl-C
def test_a_terminated_search_says_how_to_go_on_and_goes_on(tmp_path, workers):
    plan, folder = tmp_path / "plan.toml", tmp_path / "run"
    plan.write_text(PLAN)
    search = start("search", plan, "--out", folder, "--plugin", ODD, "--workers", workers)
    wait_for(lambda: rows(folder) or search.poll() is not None)
    os.kill(search.pid, signal.SIGTERM)
    code, out, err = finish(search)
    before = rows(folder)
    assert (code, out) == (143, "")
    assert "Traceback" not in err
    sentence = err.splitlines()[-1]
    assert sentence.startswith(f"Interrupted. Results so far are in {folder}. Resume with: archsieve search ")
    assert 1 <= len(before) < 40
    done = invoke(*shlex.split(sentence.partition("Resume with: archsieve ")[2]))
    assert done.exit_code == 0, done.stderr
    assert set(before) <= set(rows(folder))
    assert json.loads((folder / "result.json").read_text())["best"]


def test_a_signal_that_is_ignored_stays_ignored_and_other_handlers_stay():
    before = {number: signal.getsignal(number) for number in CODES}
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, own := lambda *_: None)
        end_at_once_on_signals()
        with heard() as came:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
        assert came == []
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == (signal.SIG_IGN, own)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_inside_signals_are_exceptions_and_outside_they_end_the_process():
    before = {number: signal.getsignal(number) for number in CODES}
    try:
        end_at_once_on_signals()
        outside = signal.getsignal(signal.SIGTERM)
        with heard() as came:
            with pytest.raises(TerminatedError):
                signal.raise_signal(signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert came == [signal.SIGTERM, signal.SIGINT]
        assert signal.getsignal(signal.SIGTERM) is outside is signal.getsignal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.slow
def test_at_any_moment_of_the_first_second_there_is_no_traceback(tmp_path):
    """The interpreter's own start apart, in which no code of ours runs."""
    codes = set()
    for step in range(20):
        process = subprocess.Popen(
            [sys.executable, "-m", "archsieve", "score", "nasbench-macro", "0" * 8, "--proxy", "nwot", "--recompute"],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(0.1 + step * 0.1)
        process.send_signal(signal.SIGINT)
        code, _, err = finish(process)
        codes.add(code)
        if code != -signal.SIGINT:  # so Python itself ends while it starts
            assert "Traceback" not in err, (step, err)
            assert code in (0, 130)
    assert 130 in codes
