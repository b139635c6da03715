"""Executors: the same results everywhere, errors as themselves, nothing left running."""

import inspect
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest

from archsieve import errors
from archsieve.errors import SettingError, WorkerError
from archsieve.notices import listening
from archsieve.runs import executors, processes
from archsieve.runs.attempts import Lost, Schedule, finished
from archsieve.runs.executors import Processes, Ray, Serial, single_thread
from archsieve.testing import ExecutorContract
from archsieve.testing.executors import Deadly, survive
from plugins import toy
from plugins.commands import is_alive, wait_for
from plugins.toy import Hanging, hang

EXECUTORS = [
    pytest.param(Serial, id="serial"),
    pytest.param(lambda: Processes(2), id="processes"),
    pytest.param(lambda: Ray(2), id="ray", marks=pytest.mark.ray),
]
PARALLEL = EXECUTORS[1:]


@pytest.fixture(params=EXECUTORS, scope="module")
def executor(request):
    """One open executor of each kind, for all tests: what failed before must not harm what comes after."""
    made = request.param()
    if isinstance(made, Serial):
        yield made
        return
    with made as opened:
        yield opened


class TestEveryExecutor(ExecutorContract):
    @pytest.fixture(autouse=True)
    def _executor(self, executor):
        self.executor = executor


def own_errors():
    """One of each error of ours."""
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if not issubclass(kind, errors.ArchsieveError):
            continue
        if kind is errors.PartialScoringError:
            yield kind(np.array([[1.0], [2.0]]), {(1, 0): "why"})
        elif kind is errors.EstimatorError:
            yield kind("sentence", "details")
        elif kind is errors.UntoldError:
            yield kind("accuracy", ((0, 1), (1, 1)))
        else:
            yield kind("sentence")


@pytest.mark.parametrize("error", list(own_errors()), ids=lambda error: type(error).__name__)
def test_our_errors_cross_the_border_whole(executor, error):
    with pytest.raises(type(error)) as caught:
        list(executor.map(toy.raise_given, [error]))
    assert type(caught.value) is type(error)
    assert str(caught.value) == str(error)
    assert vars(caught.value).keys() >= vars(error).keys()
    assert getattr(caught.value, "reasons", None) == getattr(error, "reasons", None)
    assert getattr(caught.value, "details", None) == getattr(error, "details", None)
    assert getattr(caught.value, "archs", None) == getattr(error, "archs", None)


def test_one_thread_also_where_fitting_is_done():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with single_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError), single_thread():
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_workers_start_with_one_thread_of_arithmetic_and_the_environment_is_left_alone(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert set(Processes(2).map(toy.arithmetic_threads, range(4))) == {("1", "1")}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_workers_keep_their_memory_unless_the_user_says_how(monkeypatch):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")
    assert list(Processes(2).map(toy.memory_settings, [0])) == [("8589934592", "65536")]
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ


def test_processes_are_deaf_to_interrupts_from_their_first_moment():
    assert set(Processes(2).map(toy.is_deaf_to_interrupts, range(4))) == {True}  # else they would end in tracebacks
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize("make", PARALLEL)
def test_work_is_spread(make):
    with make() as executor:
        pids = set(executor.map(toy.pid, range(20)))
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_an_item_that_kills_its_workers_is_lost_alone():
    with Processes(2) as executor:
        results = list(executor.map(toy.kill_on_three, range(6)))
        (lost,) = [result for result in results if isinstance(result, Lost)]
        assert sorted(result for result in results if result is not lost) == [0, 1, 2, 4, 5]
        assert lost.item == 3
        how = "was killed by SIGKILL, often because memory ran out"
        assert lost.reason == f"no worker finished it in 4 tries: the last {how}"
        assert lost.seconds > 0
        assert sorted(executor.map(toy.double, range(4))) == [0, 2, 4, 6]


def test_three_deaths_cost_no_result_and_the_user_is_told(tmp_path):
    heard = []
    with listening(heard.append):
        assert list(Processes(1).map(survive, [Deadly(str(tmp_path), 5, deaths=3)])) == [5]
    assert (
        heard == ["A worker was killed by SIGKILL, often because memory ran out. What it worked on is tried again."] * 3
    )


@pytest.mark.parametrize(
    "make", [pytest.param(Processes, id="processes"), pytest.param(Ray, id="ray", marks=pytest.mark.ray)]
)
def test_a_worker_that_hangs_is_ended_at_the_limit(make, tmp_path):
    items = [Hanging(str(tmp_path), 0, 0), Hanging(str(tmp_path), 1, 1), Hanging(str(tmp_path), 2, 99)]
    with make(2, limit_seconds=1.5) as executor:
        results = list(executor.map(hang, items))
    (lost,) = [result for result in results if isinstance(result, Lost)]
    assert sorted(result for result in results if result is not lost) == [0, 1]
    assert lost.item is items[2] or lost.item == items[2]
    assert items[2].tries() == 2  # a hang counts twice
    assert re.search(r"in 2 tries: the last .*limit of 1.5 s", lost.reason)
    assert lost.seconds > 3


def test_the_time_in_which_the_search_was_stopped_counts_for_no_limit(monkeypatch):
    passed = [0.0]

    def stopped_while_waiting(ends, timeout=None):
        happened = processes.multiprocessing.connection.wait(ends, 0.3)
        passed[0] += 0.0 if happened else 1000.0
        return happened

    clock = types.SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0])
    monkeypatch.setattr(processes, "time", clock)
    monkeypatch.setattr(processes, "wait", stopped_while_waiting)
    assert list(Processes(1, limit_seconds=200.0).map(time.sleep, [1.0])) == [None]
    assert passed[0] >= 1000


def test_a_worker_that_was_stopped_is_ended_at_the_limit():
    (lost,) = Processes(1, limit_seconds=0.3).map(toy.stop_this_process, [0])
    assert "took longer than the limit of 0.3 s, and was ended" in lost.reason


def test_the_last_try_is_made_alone():
    schedule = Schedule([1, 2, 3], workers=2)
    first, second = schedule.take(0), schedule.take(1)
    assert [schedule.failed(first, "died", 0) for _ in range(3)][-1] is None
    third = schedule.take(1)
    assert (second.item, third.item) == (2, 3) or third is first
    while third is first:  # the tries before the last
        third = schedule.take(1)
    assert third.item == 3
    assert schedule.take(1) is None  # something is at work
    assert schedule.take(0) is first
    assert schedule.take(1) is None  # nothing beside it
    assert schedule.failed(first, "died", 2.0).seconds == 2.0
    assert schedule.take(0) is None


def test_too_many_items_do_not_wait_for_their_last_try():
    schedule = Schedule(iter(range(1000)), workers=1)
    for _ in range(3):
        attempts = schedule.take(0)
        attempts.deaths = attempts.retries - 1
        schedule.failed(attempts, "died", 0)
    assert schedule.take(0).item == 0
    assert schedule.take(1) is None


def test_what_is_needed_and_lost_is_an_error():
    assert list(finished([1, 2])) == [1, 2]
    with pytest.raises(WorkerError, match=r"^A part of the work is missing: it died\. Finished scores are stored\.$"):
        list(finished([1, Lost(None, "it died")]))


def test_workers_that_cannot_begin_are_a_sentence(monkeypatch):
    monkeypatch.setattr("archsieve.runs.processes.work", toy.cannot_begin)
    with pytest.raises(WorkerError, match="3 worker processes in a row ended before they began to work"):
        list(Processes(2).map(toy.double, range(3)))


def test_two_maps_at_a_time_do_not_meet():
    with Processes(2) as executor:
        outer = executor.map(toy.double, range(10))
        first = next(outer)
        assert sorted(executor.map(toy.double, range(100, 104))) == [200, 202, 204, 206]
        assert sorted([first, *outer]) == [2 * i for i in range(10)]


def test_a_worker_that_dies_while_it_waits_is_replaced():
    with Processes(1) as executor:
        (pid,) = executor.map(toy.pid, [0])
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid))
        assert list(executor.map(toy.double, [1])) == [2]


def test_an_error_that_cannot_be_copied_arrives_as_a_sentence():
    with pytest.raises(WorkerError, match="A worker failed with an error: CannotBeCopiedError: 7"):
        list(Processes(1).map(toy.raise_what_cannot_be_copied, [7]))


def test_a_program_that_leaves_workers_open_ends():
    program = (
        "from plugins import toy; from archsieve.runs.executors import Processes\n"
        "kept = Processes(2).__enter__(); list(kept.map(toy.double, [1])); busy = kept.map(toy.pid, iter(range(9)))\n"
        "next(busy)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.ray
def test_what_ray_cannot_unpack_is_a_sentence():
    with Ray(2) as executor, pytest.raises(WorkerError, match=r"^Ray could not finish: .*stored\.$"):
        list(executor.map(toy.double, [toy.CannotBeUnpacked()]))


def test_processes_are_kept_inside_a_with_block_and_gone_after_it():
    with Processes(2) as executor:
        first, second = set(executor.map(toy.pid, range(8))), set(executor.map(toy.pid, range(8)))
        assert first == second
    assert_gone(first)


def test_processes_are_gone_after_a_map_without_a_with_block():
    assert_gone(set(Processes(2).map(toy.pid, range(8))))


def test_processes_are_gone_when_the_caller_has_had_enough():
    results = Processes(2).map(toy.pid, range(1000))
    seen = {next(results) for _ in range(10)}
    results.close()
    assert_gone(seen)


def test_children_vanish_with_a_driver_that_is_killed(tmp_path):
    program = (
        "import sys; from plugins import toy; from archsieve.runs.executors import Processes\n"
        "list(Processes(2).map(toy.write_pid_and_sleep, [sys.argv[1]] * 4))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    driver = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environment)
    try:
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
        children = {int(path.name) for path in tmp_path.iterdir()}
        assert all(is_alive(child) for child in children)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait(30)
    assert_gone(children)


@pytest.mark.parametrize("kind", [Processes, Ray])
def test_a_number_of_workers_below_one_is_refused(kind):
    with pytest.raises(SettingError, match=r"`workers >= 1` must hold, but got workers=0"):
        kind(0)
    for limit in (0, -1.0, float("inf"), float("nan")):
        with pytest.raises(SettingError, match="`limit_seconds` must be a number above 0"):
            kind(1, limit_seconds=limit)


def assert_gone(pids):
    assert pids
    wait_for(lambda: not any(is_alive(pid) for pid in pids), seconds=10)


@pytest.mark.parametrize(("address", "where"), [("", "on this machine"), ("far:1", "at RAY_ADDRESS=far:1")])
def test_a_ray_that_cannot_start_is_one_sentence(monkeypatch, address, where):
    def init(**settings):
        raise RuntimeError("no room\n" + "x" * 999)

    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(init=init))
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(WorkerError, match=f"Ray cannot be started, or reached, {where}: no room") as caught:
        executors._start_ray(1)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("address", "starts"), [("", 3), ("far:1", 1)])
def test_a_local_ray_that_starts_too_slowly_is_started_again(monkeypatch, address, starts):
    calls = []

    def init(**settings):
        calls.append("init")
        raise Exception("The current node timed out during startup..")  # noqa: TRY002 - the kind that Ray raises

    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(init=init, shutdown=lambda: calls.append("shutdown")))
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(WorkerError, match=r"timed out during startup\. Leave --ray out"):
        executors._start_ray(1)
    assert calls == ["init", *["shutdown", "init"] * (starts - 1)]


def test_a_ray_that_starts_the_second_time_is_used(monkeypatch):
    answers = iter([Exception("timed out"), None])

    def init(**settings):
        if (answer := next(answers)) is not None:
            raise answer

    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(init=init, shutdown=lambda: None))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    executors._start_ray(1)
    assert next(answers, "none") == "none"
