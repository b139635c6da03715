"""The pretended accelerator itself: what it refuses, what it lets pass, and what of the package runs on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.errors import PartialScoringError
from archsieve.estimators.contract import Context
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.networks.generators import drawing
from archsieve.registry import PROXIES
from archsieve.runs.session import Session
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.topformer.space import TopFormer
from archsieve.tasks.synthetic import Synthetic
from archsieve.tasks.synthetic_segmentation import SyntheticSegmentation
from estimators.zero_cost.test_every_proxy import ANYWHERE
from no_float64 import RefusedError, accelerator_without_float64, is_on_host

SPACE = NASBenchMacro(stem_width=4, widths=(6,), stages=(2,), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=40)


@pytest.mark.parametrize(
    "made",
    [
        lambda device: torch.ones(2, device=device).double(),
        lambda device: torch.ones(2, device=device).to(torch.float64),
        lambda device: torch.ones(2, device=device).sum(dtype=torch.float64),
        lambda device: torch.zeros(2, dtype=torch.float64, device=device),
        lambda device: torch.zeros(2, dtype=torch.float64, device=torch.ones(1, device=device).device),
        lambda device: torch.from_numpy(np.ones(2)).to(device),
        lambda device: torch.ones(2, device=device).new_zeros(2, dtype=torch.float64),
        lambda device: nn.Linear(2, 2).to(device).double(),
        lambda device: nn.Linear(2, 2).to(device)(torch.ones(1, 2, device=device)).double(),
        lambda device: torch.ones(2, device=device).numpy(),
    ],
)
def test_it_refuses(made):
    with accelerator_without_float64() as device, pytest.raises(RefusedError):
        made(device)


def test_the_host_may_do_all_of_it():
    with accelerator_without_float64() as device:
        there = nn.Linear(2, 2).to(device)(torch.ones(3, 2, device=device))
        assert there.device.type == device
        assert not is_on_host(there)
        here = there.detach().cpu()
        assert here.device.type == "cpu"
        assert here.double().sum().dtype == torch.float64
        assert here.numpy().shape == (3, 2)
        assert (1 / here.double()).dtype == torch.float64
        assert [row.double().dtype for row in here] == [torch.float64] * 3
        assert torch.zeros(2, dtype=torch.float64).sum() == 0
        assert there.sum().item() == float(here.sum())
        assert not is_on_host(there.to("cpu").to(device))


def test_a_gradient_is_where_its_weight_is():
    with accelerator_without_float64() as device:
        layer = nn.Linear(2, 2).to(device)
        layer(torch.ones(1, 2, device=device)).sum().backward()
        assert layer.weight.grad.device.type == device
        with pytest.raises(RefusedError):
            layer.weight.grad.double()


def test_its_generator_is_its_own():
    with accelerator_without_float64() as device:
        before = torch.mps.get_rng_state()
        with drawing(3, device):
            assert not torch.equal(torch.mps.get_rng_state(), before)
        assert torch.equal(torch.mps.get_rng_state(), before)


@pytest.mark.parametrize("sampling", ["uniform", "fair"])
def test_a_supernet_is_trained_and_scored(tmp_path, sampling):
    estimator = OneShot(epochs=1, batch_size=8, sampling=sampling)
    with accelerator_without_float64() as device, Session(tmp_path, SPACE, TASK, device=device) as session:
        there = session.scores([estimator], [(1, 2), (0, 0)])
    with Session(tmp_path, SPACE, TASK) as session:
        here = session.scores([estimator], [(1, 2), (0, 0)])
    np.testing.assert_allclose(there, here)


def test_a_supernet_with_statistics_taken_anew(tmp_path):
    estimator = OneShot(epochs=1, batch_size=8, batch_norm="recalibrated", recalibration_batches=1)
    with accelerator_without_float64() as device, Session(tmp_path, SPACE, TASK, device=device) as session:
        assert np.isfinite(session.scores([estimator], [(1, 2)])).all()


def test_partial_training(tmp_path):
    with accelerator_without_float64() as device:
        there = PartialTraining(epochs=1, batch_size=8).score([(1, 2)], Context(SPACE, TASK, tmp_path / "a", 0, device))
    assert there == PartialTraining(epochs=1, batch_size=8).score([(1, 2)], Context(SPACE, TASK, tmp_path / "b"))


def test_segmentation(tmp_path):
    space, task = TopFormer(family="tiny"), SyntheticSegmentation(side=64, images=6, test_images=2)
    arch = space.sample(np.random.default_rng(0))
    with accelerator_without_float64() as device:
        ctx = Context(space, task, tmp_path, 0, device)
        assert np.isfinite(PartialTraining(epochs=1, batch_size=2).score([arch], ctx)).all()


@pytest.mark.parametrize("name", ANYWHERE)
def test_every_proxy_scores_as_on_the_cpu(tmp_path, monkeypatch, name):
    """To the bit: the pretended accelerator is a CPU, and here has its layout of memory."""
    monkeypatch.setattr("archsieve.networks.building.layout_on", lambda device: torch.channels_last)
    estimator, archs = ZeroCost(name, batch_size=8), [(0, 1), (2, 1)]
    with accelerator_without_float64() as device:
        there = estimator.score(archs, Context(SPACE, TASK, tmp_path, 0, device))
    assert there.tolist() == estimator.score(archs, Context(SPACE, TASK, tmp_path)).tolist()


def test_it_would_find_a_proxy_that_needs_float64(tmp_path):
    """So that a proxy that passes says something: one that computes on the device in double precision does not."""
    from archsieve.estimators.zero_cost.proxy import proxy

    try:

        @proxy
        def double_norm(network, probe):
            return float(sum(p.detach().double().square().sum() for p in network.parameters()))

        with (
            accelerator_without_float64() as device,
            pytest.raises(PartialScoringError, match="doesn't support float64"),
        ):
            ZeroCost("double_norm", batch_size=8).score([(1, 2)], Context(SPACE, TASK, tmp_path, 0, device))
    finally:
        PROXIES._entries.pop("double_norm", None)


def test_a_device_keeps_its_name():
    with accelerator_without_float64() as device:
        assert torch.device(device).type == device
