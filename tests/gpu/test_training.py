"""Training on a device: repeatable, exact to resume, in mixed precision, and from the CPU's checkpoints."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from archsieve.estimators.contract import Context
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.networks.generators import drawing, draws_of
from archsieve.networks.supernets import build_supernet
from archsieve.spaces.topformer.space import TopFormer
from archsieve.training.loop import train, trainer_of
from archsieve.training.recipe import Recipe

from .small import ARCH, MACRO, PIXELS, RECIPE, TASK, assert_equal, network, weights

ARCHS = [ARCH, (0, 1, 2, 2), (2, 2, 2, 2)]


def trained(device, epochs=1, net=None, **settings):
    net = network() if net is None else net
    train(net, TASK, settings.pop("recipe", RECIPE), epochs=epochs, seed=0, device=device, **settings)
    return weights(net)


def test_a_training_repeats_itself(device):
    assert_equal(trained(device, 2, network(dropout=True)), trained(device, 2, network(dropout=True)))


def test_a_training_goes_on_from_its_epochs(device, tmp_path):
    checkpoint = tmp_path / "c.pt"
    trained(device, 1, network(dropout=True), checkpoint=checkpoint)
    again = trained(device, 2, network(dropout=True), checkpoint=checkpoint)
    assert_equal(again, trained(device, 2, network(dropout=True)))


def test_a_training_goes_on_inside_an_epoch(device, tmp_path):
    """With dropout: what the device draws goes on where it was."""
    for most in (2, None):
        net = network(dropout=True)
        trainer = trainer_of(net, TASK, RECIPE, seed=0, device=device)
        trainer.checkpoint = tmp_path / "c.pt"
        trainer.resume()
        assert trainer.advance(most) == (most is None)
    assert_equal(weights(net), trained(device, 1, network(dropout=True)))


@pytest.mark.parametrize("first", ["cpu", "device"])
def test_a_checkpoint_goes_on_elsewhere(device, tmp_path, first):
    places = ("cpu", device) if first == "cpu" else (device, "cpu")
    for epochs, place in enumerate(places, 1):
        found = trained(place, epochs, checkpoint=tmp_path / "c.pt")
    assert all(bool(tensor.isfinite().all()) for tensor in found.values())


def test_it_is_mixed_precision_on_cuda_alone(device):
    seen, net = set(), network()
    net.head.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    trained(device, 1, net)
    assert seen == {torch.bfloat16 if device == "cuda" else torch.float32}
    assert {p.dtype for p in net.parameters()} == {torch.float32}


def test_it_learns_what_the_cpu_learns(device):
    there, here = (weights_norm(trained(place, 2)) for place in (device, "cpu"))
    assert there == pytest.approx(here, rel=0.02)


def weights_norm(state):
    return float(sum(t.double().square().sum() for t in state.values() if t.is_floating_point()).sqrt())


def test_micro_batches_repeat_themselves(device):
    recipe = Recipe(horizon=4, learning_rate=0.05, batch_size=16, micro_batches=2)
    assert_equal(*(trained(device, 1, network(dropout=True), recipe=recipe) for _ in range(2)))


@pytest.mark.parametrize("sampling", ["uniform", "fair"])
def test_steps_of_a_supernet(device, sampling):
    supernet = build_supernet(MACRO, TASK, 0)
    before, sample = weights(supernet), OneShot(sampling=sampling)._sampler(MACRO)

    def forward(inputs, choices):
        return (supernet(inputs, arch) for arch in sample(MACRO, choices))

    trainer = trainer_of(supernet, TASK, RECIPE, seed=0, device=device, forward=forward)
    trainer.advance(most=2)
    after = weights(supernet)
    assert all(bool(tensor.isfinite().all()) for tensor in after.values())
    moved = {name.split(".")[1] for name in after if name.startswith("choices") and not equal(before, after, name)}
    assert moved == {"0", "1", "2", "3"}


def equal(one, other, name):
    return torch.equal(one[name], other[name])


@pytest.mark.parametrize("settings", [{}, {"batch_norm": "recalibrated", "recalibration_batches": 2}])
def test_a_supernet_ranks_alike_on_both(device, tmp_path, settings):
    """The same weights, scored in both places."""
    estimator = OneShot(epochs=1, batch_size=16, **settings)
    estimator.fit((), Context(MACRO, TASK, tmp_path, 0, "cpu"), None)
    there, here = (estimator.score(ARCHS, Context(MACRO, TASK, tmp_path, 0, place)) for place in (device, "cpu"))
    np.testing.assert_allclose(there, here, atol=100 / 8)  # one of eight validation pictures


def test_partial_training_goes_on_and_repeats_itself(device, tmp_path):
    def scores(folder, *epochs):
        contexts = Context(MACRO, TASK, tmp_path / folder, 0, device)
        return [PartialTraining(epochs=e, batch_size=16).score(ARCHS[:2], contexts).tolist() for e in epochs]

    assert scores("pieces", 1, 2)[-1] == scores("at once", 2)[-1]


def test_segmentation_is_trained_and_scored(device, tmp_path):
    space = TopFormer(family="tiny")
    arch = space.sample(np.random.default_rng(0))
    found = PartialTraining(epochs=1, batch_size=4).score([arch], Context(space, PIXELS, tmp_path, 0, device))
    assert 0 <= found[0] <= 100


def test_what_is_drawn_on_the_device_is_given_back(device):
    before = draws_of(device)
    with drawing(3, device):
        first = torch.rand(4, device=device)
    with drawing(3, device):
        again = torch.rand(4, device=device)
    assert torch.equal(first, again)
    assert all(map(torch.equal, draws_of(device), before))


def test_a_training_leaves_no_memory(device):
    if device == "cpu":
        trained(device)
        return
    trained(device)
    gc.collect()
    before = torch.cuda.memory_allocated()
    trained(device)
    gc.collect()
    assert torch.cuda.memory_allocated() <= before + 2**16
