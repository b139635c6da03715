"""The sandwich rule and distillation in place, and one-shot scores of networks that are parts of the largest."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.errors import SettingError
from archsieve.estimators.contract import Context
from archsieve.estimators.supernet.distillation import Distilled
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.supernet.paths import ends, sandwich
from archsieve.fingerprints import fingerprint
from archsieve.networks.building import as_inputs, laid_out
from archsieve.networks.supernets import build_supernet
from archsieve.randomness import generator
from archsieve.spaces.attentivenas.space import AttentiveNAS
from archsieve.spaces.limits import Limits
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.within import Within
from archsieve.tasks.evaluation import evaluate
from archsieve.tasks.synthetic import Synthetic

SPACE = AttentiveNAS(
    resolutions=(8, 12),
    widths=((8, 16), (8, 16), (8, 16), (16, 24)),
    depths=((1, 2), (1, 2)),
    kernels=((3, 5),) * 2,
    expansions=((1,), (2, 3)),
    strides=(1, 2),
    squeezes=(False, True),
)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=60, signal=1.0)  # 54 to train on, 6 to score on
ONE_STEP = {"epochs": 1, "batch_size": 54, "weight_decay": 0.0, "momentum": 0.0, "clip": 1e9, "learning_rate": 0.1}


def fitted(folder, estimator, space=SPACE):
    ctx = Context(space, TASK, folder)
    estimator.fit([], ctx, None)
    return ctx


def weights(ctx):
    return torch.load(ctx.workdir / "supernet.pt", weights_only=True)["network"]


def test_a_sandwich_is_the_ends_and_random_paths():
    rng = np.random.default_rng(0)
    drawn = [list(sandwich(SPACE, rng, 3)) for _ in range(20)]
    smallest, largest = ends(SPACE)
    assert set(smallest) == {0}
    assert SPACE.genes(largest) == (12, (16, 16, 16, 24), (2, 2), (5, 5), (1, 3))
    assert all(paths[:2] == [largest, smallest] and len(paths) == 5 for paths in drawn)
    assert len({path for paths in drawn for path in paths[2:]}) > 40


def test_random_paths_of_a_limited_space_are_within_and_the_ends_are_not():
    space = Within(SPACE, TASK, Limits(max_params=4000))
    largest, smallest, *others = sandwich(space, np.random.default_rng(0), 20)
    assert (smallest, largest) == SPACE.extremes
    assert not space.is_valid(largest)
    assert all(map(space.is_valid, others))


@pytest.mark.parametrize("distillation", [False, True])
def test_a_step_takes_the_sum_of_gradients(tmp_path, distillation):
    estimator = OneShot(**ONE_STEP, sampling="sandwich", random_paths=2, distillation=distillation)
    ctx = fitted(tmp_path, estimator)
    supernet = laid_out(build_supernet(SPACE, TASK, 0), "cpu").train()
    ((inputs, targets),) = TASK.batches("train", batch_size=54, rng=generator(0, "train", 0), augment=True)
    largest, *others = list(sandwich(SPACE, generator(0, "sample", 0), 2))
    outputs = supernet(as_inputs(inputs), largest)
    nn.functional.cross_entropy(outputs, targets).backward()
    taught = outputs.detach().softmax(1)
    for arch in others:
        found = supernet(as_inputs(inputs), arch)
        if distillation:
            (-(taught * found.log_softmax(1)).sum(1).mean()).backward()
        else:
            nn.functional.cross_entropy(found, targets).backward()
    state = weights(ctx)
    expected = {name: p - 0.1 * p.grad for name, p in supernet.named_parameters()}
    assert len(expected) > 30
    assert all(torch.allclose(state[name], value, rtol=1e-4, atol=1e-6) for name, value in expected.items())


def test_distillation_starts_anew_with_every_step_and_spares_the_teacher():
    taught = Distilled(TASK)
    assert taught.num_outputs == 4
    targets = torch.tensor([0, 1])
    for _ in range(2):
        teacher, pupil = (torch.randn(2, 4, requires_grad=True) for _ in range(2))
        losses = [taught.loss(outputs, targets) for outputs in taught.step([teacher, pupil])]
        assert torch.equal(losses[0], TASK.loss(teacher, targets))
        losses[1].backward()
        assert teacher.grad is None
        # The gradient of the divergence: what the pupil says less what the teacher says.
        expected = (pupil.softmax(1) - teacher.softmax(1)).detach() / 2
        assert torch.allclose(pupil.grad, expected, atol=1e-6)


def test_distillation_of_maps_is_a_mean_over_positions():
    taught, targets = Distilled(TASK), torch.zeros(2, 3, 3, dtype=torch.long)
    teacher, pupil = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    *_, loss = [taught.loss(outputs, targets) for outputs in taught.step([teacher, pupil])]
    expected = -(teacher.softmax(1) * pupil.log_softmax(1)).sum(1).mean()
    assert torch.allclose(loss, expected)


def test_a_space_without_ends_is_refused(tmp_path):
    space = NASBenchMacro(stem_width=4, widths=(6,), stages=(3,), head_width=8)
    with pytest.raises(SettingError, match="but the space nasbench-macro does not declare them"):
        fitted(tmp_path, OneShot(epochs=1, sampling="sandwich"), space)


def test_the_price_is_of_all_its_paths():
    one = OneShot(epochs=3).price(5, SPACE, TASK)
    other = OneShot(epochs=3, sampling="sandwich", random_paths=4).price(5, SPACE, TASK)
    assert other.training == 6 * one.training == 18
    assert other.scoring == one.scoring


def test_new_settings_leave_old_fingerprints_alone():
    # As it was before there were sandwiches.
    assert fingerprint(OneShot()) == fingerprint({"type": "OneShot", "version": 2, **OLD})
    prints = [
        fingerprint(OneShot(sampling="sandwich", **given))
        for given in ({}, {"random_paths": 3}, {"distillation": True})
    ]
    assert len(set(prints)) == 3


OLD = {
    "epochs": 50,
    "sampling": "uniform",
    "batch_norm": "batch",
    "recalibration_batches": 16,
    "learning_rate": 0.025,
    "final_learning_rate": 0.0,
    "momentum": 0.9,
    "weight_decay": 3e-4,
    "batch_size": 64,
    "clip": 5.0,
    "scoring_items": None,
}


def test_scores_of_parts_are_those_of_the_networks_extracted(tmp_path):
    settings = {"epochs": 2, "batch_size": 18, "learning_rate": 0.05, "sampling": "sandwich", "distillation": True}
    recalibrated = OneShot(**settings, batch_norm="recalibrated", recalibration_batches=2)
    ctx = fitted(tmp_path, recalibrated)
    archs = [*SPACE.extremes, *(SPACE.sample(np.random.default_rng(seed)) for seed in range(3))]
    supernet = laid_out(build_supernet(SPACE, TASK, 0), "cpu")
    supernet.load_state_dict(weights(ctx))
    for kind, estimator in (("own", recalibrated), ("batch", replace(recalibrated, batch_norm="batch"))):
        expected = []
        for arch in archs:
            network = supernet.extract(arch).eval()
            norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
            for norm in norms:
                norm.train()
                if kind == "own":
                    norm.reset_running_stats()
                    norm.momentum = None
            if kind == "own":
                batches = TASK.batches("train", batch_size=18, rng=generator(0, "batch", "recalibration"))
                with torch.no_grad():
                    for inputs, _ in list(batches)[:2]:
                        network(as_inputs(inputs))
                network.eval()
            expected.append(evaluate(network, TASK, "validation") if kind == "own" else by_batch(network))
        assert estimator.score(archs, ctx).tolist() == expected
        assert estimator.score(archs[::-1], ctx).tolist() == expected[::-1]


def by_batch(network):
    ((inputs, targets),) = TASK.batches("validation", batch_size=18)
    with torch.no_grad():
        hits = network(as_inputs(inputs)).argmax(1) == targets
    return pytest.approx(100 * hits.float().mean().item())


def test_a_sandwich_learns(tmp_path):
    task = Synthetic(shape=(3, 8, 8), num_outputs=4, images=400, signal=1.0)
    estimator = OneShot(epochs=4, batch_size=20, learning_rate=0.1, sampling="sandwich", distillation=True)
    ctx = Context(SPACE, task, tmp_path)
    estimator.fit([], ctx, None)
    scores = estimator.score(list(SPACE.extremes), ctx)
    assert scores.min() > 60  # chance is 25


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda taught: pickle.loads(pickle.dumps(taught))])  # noqa: S301
def test_a_distilled_task_can_be_copied(duplicate):
    taught = Distilled(TASK)
    outputs = torch.tensor([[2.0, 0.0]])
    next(taught.step([outputs, outputs]))
    other = duplicate(taught)
    assert type(other) is Distilled
    assert (other.num_outputs, other.input_shape) == (TASK.num_outputs, TASK.input_shape)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = other.no_such_thing
    with pytest.raises(AttributeError, match="_task"):
        _ = Distilled.__new__(Distilled).loss_of
