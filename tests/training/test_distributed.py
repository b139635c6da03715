"""Several processes: they train as one does that takes as many micro-batches, and one of them writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from archsieve.errors import SettingError
from archsieve.networks.weights import read_weights
from archsieve.retraining.log import read_metrics
from archsieve.training.distributed import Statistics, World, joined_world
from plugins.commands import ONE_THREAD, finish, run, wait_for

# A network with auxiliary head, drop path and running statistics; 90 images in batches of 40, in two parts each: the
# last step has one part alone.
CELL = "0-2-3-2-5-4-5-3-3-5-3-3-0-3-3-2-1-5-0-1-3-0-0-0"
COMMAND = ["train", "darts", CELL, "--task", "synthetic", "--epochs", 3, "--batch-size", 40]
COMMAND += [
    word
    for change in (
        "space.width=2",
        "space.layers=3",
        "task.images=90",
        "task.test_images=20",
        "task.validation_fraction=0",
        "task.signal=1.0",
        "task.cutout=8",
    )
    for word in ("--set", change)
]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def launch(*arguments):
    """Start two processes that train together."""
    command = [*TORCHRUN, "-m", "archsieve", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=ONE_THREAD
    )


@pytest.fixture(scope="module")
def accumulated(tmp_path_factory):
    """The folder of one process that takes two micro-batches a step."""
    folder = tmp_path_factory.mktemp("one") / "run"
    code, _, err = run(*COMMAND, "--set", "micro_batches=2", "--out", folder, env=ONE_THREAD)
    assert code == 0, err
    return folder


def assert_same(folder, accumulated):
    ours, theirs = (read_weights(f / "weights.safetensors")[0] for f in (folder, accumulated))
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.allclose(ours[name], tensor, rtol=1e-6, atol=1e-6), name
    for row, other in zip(read_metrics(folder), read_metrics(accumulated), strict=True):
        assert row.loss == pytest.approx(other.loss, abs=1e-6)
        assert replace(row, loss=0, seconds=0) == replace(other, loss=0, seconds=0)


@pytest.mark.slow
def test_two_processes_are_one_that_accumulates(tmp_path, accumulated):
    code, out, err = finish(launch(*COMMAND, "--out", tmp_path / "run"), seconds=300)
    assert code == 0, err
    assert out.count("Test accuracy in percent") == 1  # one of them speaks
    assert err.count("epoch 3/3") == 1
    assert_same(tmp_path / "run", accumulated)
    assert read_metrics(accumulated)[0].loss != read_metrics(accumulated)[1].loss


@pytest.mark.slow
def test_two_processes_that_are_stopped_go_on_together(tmp_path, accumulated):
    process = launch(*COMMAND, "--out", tmp_path / "run")
    wait_for(lambda: read_metrics(tmp_path / "run"), seconds=200)
    os.kill(process.pid, signal.SIGTERM)
    code, _, err = finish(process, seconds=200)
    assert code != 0, err
    assert not (tmp_path / "run" / "result.json").exists()
    code, _, err = finish(launch(*COMMAND, "--out", tmp_path / "run"), seconds=300)
    assert code == 0, err
    assert_same(tmp_path / "run", accumulated)


@pytest.mark.slow
def test_what_two_processes_began_one_may_end(tmp_path, accumulated):
    # The checkpoint says nothing of who had which part.
    process = launch(*COMMAND, "--out", tmp_path / "run")
    wait_for(lambda: read_metrics(tmp_path / "run"), seconds=200)
    os.kill(process.pid, signal.SIGTERM)
    finish(process, seconds=200)
    code, _, err = run(*COMMAND, "--set", "micro_batches=2", "--out", tmp_path / "run", env=ONE_THREAD)
    assert code == 0, err
    assert_same(tmp_path / "run", accumulated)


def test_a_process_alone_joins_nobody(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_world("cpu") as (world, device):
        assert (world, device, world.is_first) == (World(0, 1), "cpu", True)
    network, numbers = nn.Linear(2, 1), torch.ones(3)
    assert World().add_up(network, numbers) is numbers
    assert network.weight.grad is None


def test_an_environment_that_says_half_is_refused(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingError, match="WORLD_SIZE is 2, but RANK is not set: start the processes by torchrun"):
        joined_world("cpu").__enter__()


def test_gradients_and_statistics_of_two_processes_by_hand(tmp_path):
    # Process r has the gradient r + 1 on the first weight; on the second only process 1 has one; on the third nobody.
    program = """
import sys, torch
from torch import nn
from archsieve.training.distributed import joined_world

class Three(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.zeros(2)) for _ in range(3))
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))

with joined_world("cpu") as (world, device):
    net = Three()
    net.a.grad = torch.full((2,), world.rank + 1.0)
    if world.rank == 1:
        net.b.grad = torch.full((2,), 5.0)
    numbers = world.add_up(net, torch.tensor([world.rank + 10.0]))
    net.mean += 1 + 2 * world.rank
    net.count += 3 + world.rank
    world.average_statistics(net)
    grads = [None if p.grad is None else p.grad.tolist() for p in (net.a, net.b, net.c)]
    line = f"{grads} {numbers.tolist()} {net.mean.tolist()} {net.count.tolist()}"
    open(f"{sys.argv[1]}/{world.rank}", "w").write(line)
"""
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [*TORCHRUN, str(tmp_path / "program.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    expected = "[[3.0, 3.0], [5.0, 5.0], None] [21.0] [2.0] [4]"
    assert [(tmp_path / str(rank)).read_text() for rank in (0, 1)] == [expected] * 2


def test_statistics_of_parts_are_their_mean():
    norm = nn.BatchNorm1d(1)
    statistics = Statistics(norm, 3)
    for value in (2.0, 4.0):  # the third part did not come
        norm(torch.full((2, 1), value))
        statistics.take()
        assert norm.running_mean.item() == 0
    statistics.settle()
    assert norm.running_mean.item() == pytest.approx(0.1 * (2 + 4) / 3)
    assert norm.num_batches_tracked.item() == 1
