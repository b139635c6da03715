"""Executors: the same results everywhere, errors as themselves, nothing left running."""

import inspect
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from archsieve import errors
from archsieve.errors import SettingError, WorkerError
from archsieve.runs import executors
from archsieve.runs.executors import Processes, Ray, Serial, single_thread
from archsieve.testing import ExecutorContract
from plugins import toy
from plugins.commands import is_alive, wait_for

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


@pytest.mark.parametrize("make", PARALLEL)
@pytest.mark.parametrize("death", [toy.die_on_three, toy.kill_on_three])
def test_a_worker_that_dies_is_a_sentence(make, death):
    with make() as executor:
        with pytest.raises(WorkerError, match="Finished scores are stored") as caught:
            list(executor.map(death, range(6)))
        assert "\n" not in str(caught.value)
        assert sorted(executor.map(toy.double, range(4))) == [0, 2, 4, 6]


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
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
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
