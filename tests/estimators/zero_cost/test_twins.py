"""The same network written in two ways has the same scores: in place or not, computed weights, dropout, statistics."""

from __future__ import annotations

import random
import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize, prune
from torch.utils import checkpoint

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.computed_weights import copy_network, has_computed_weights, with_plain_weights
from archsieve.estimators.zero_cost.proxy import Probe
from archsieve.registry import PROXIES

from .odd_networks import Do
from .test_every_proxy import ANYWHERE

RUN = [name for name in ANYWHERE if name not in ("l2_norm", "trainable_layers")]


def pictures(count=6):
    generator = torch.Generator().manual_seed(1)
    batches = [(torch.randn(count, 3, 8, 8, generator=generator), torch.arange(count) % 3) for _ in range(2)]
    return Probe(tuple(batches), functional.cross_entropy, 3)


def score(name, make):
    """Return a proxy's score of a network with weights by seed 0, or the sentence of the refusal."""
    torch.manual_seed(0)
    try:
        return PROXIES[name](make().train(), pictures())
    except ScoringError as refusal:
        return str(refusal)


def network(body, layer=None, norm=None):
    """Return a network around a function (self, x) that may use `self.layer` and `self.norm`."""
    return Do(
        lambda self, x: self.head(functional.relu(body(self, self.norm(self.stem(x)))).mean((2, 3))),
        stem=nn.Conv2d(3, 6, 3, 2, 1),
        norm=norm or nn.BatchNorm2d(6),
        layer=layer or nn.Conv2d(6, 6, 3, padding=1),
        head=nn.Linear(6, 3),
    )


def add(self, x):
    return self.layer(x) + x


def add_in_place(self, x):
    y = self.layer(x)
    y += x
    return y


def halve(self, x):
    return self.layer(x * 0.5)


def halve_in_place(self, x):
    x *= 0.5
    return self.layer(x)


def halve_data(self, x):
    x.data.mul_(0.5)
    return self.layer(x)


def relu(self, x):
    return functional.relu(self.layer(x)) * 2


def relu_in_place(self, x):
    return functional.relu_(self.layer(x)) * 2


def gated(self, x):
    y = self.layer(x)
    return y * 2 * y.mean((2, 3), keepdim=True)


def gated_in_place(self, x):
    y = self.layer(x)
    gate = y.mean((2, 3), keepdim=True)
    return y.mul_(2) * gate


def shifted(inner):
    return Do(lambda self, x: self.inner((x - 0.5) / 0.25), inner=inner)


def shifted_in_place(inner):
    def forward(self, x):
        x -= 0.5
        x /= 0.25
        return self.inner(x)

    return Do(forward, inner=inner)


IN_PLACE = {
    "behind a layer": (lambda: network(add), lambda: network(add_in_place)),
    "at the head of what follows": (lambda: network(halve), lambda: network(halve_in_place)),
    "an activation": (lambda: network(relu), lambda: network(relu_in_place)),
    "behind what is pooled": (lambda: network(gated), lambda: network(gated_in_place)),
    "the network's input": (lambda: shifted(network(add)), lambda: shifted_in_place(network(add))),
}


@pytest.mark.parametrize("kind", IN_PLACE)
@pytest.mark.parametrize("name", ANYWHERE)
def test_in_place_or_not(name, kind):
    out_of_place, in_place = (score(name, make) for make in IN_PLACE[kind])
    assert out_of_place == in_place or out_of_place == pytest.approx(in_place, rel=1e-5)


def checkpointed(*, reentrant):
    """Return a network that computes a part, with an activation in it, again in the backward pass."""

    def part(self, x):
        return functional.relu(self.layer(x))

    return network(lambda self, x: x + checkpoint.checkpoint(part, self, x, use_reentrant=reentrant))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("name", ANYWHERE)
def test_what_is_computed_again_in_the_backward_pass(name, reentrant):
    whole = score(name, lambda: network(lambda self, x: x + functional.relu(self.layer(x))))
    assert score(name, lambda: checkpointed(reentrant=reentrant)) == whole
    assert "apply" not in vars(checkpoint.CheckpointFunction)  # it is torch's own again


@torch.compile(backend="eager")
def rectified(x):
    return functional.relu(x) * 0.5


@pytest.mark.parametrize("name", ANYWHERE)
def test_a_compiled_function(name, capfd):
    whole = score(name, lambda: network(lambda self, x: x + functional.relu(self.layer(x)) * 0.5))
    assert score(name, lambda: network(lambda self, x: x + rectified(self.layer(x)))) == whole
    assert capfd.readouterr().err == ""


def test_a_network_that_cannot_be_copied():
    lone = network(add)
    lone.lock = threading.Lock()
    with pytest.raises(ScoringError, match=r"cannot be copied, .* cannot pickle '_thread.lock' object\). Keep locks"):
        PROXIES["az_expressivity"](lone.train(), pictures())


def test_a_probe_gives_the_same_batch_again():
    data = pictures()
    for inputs in (data.inputs, data.batch(0)[0], data.noise("x")):
        inputs.zero_()
    assert data.inputs.abs().sum() > 0
    assert data.noise("x").abs().sum() > 0
    data.batch(0)[1].fill_(7)
    assert data.targets.max() == 2


# Computed weights


def old_weight_norm(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(layer)


def pruned(layer):
    return prune.l1_unstructured(layer, "weight", 0.4)


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def doubled(layer):
    parametrize.register_parametrization(layer, "weight", Doubled())
    return layer


COMPUTED = {
    "weight norm": parametrizations.weight_norm,
    "old weight norm": old_weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "old spectral norm": nn.utils.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruned": pruned,
    "a map of one's own": doubled,
}


@pytest.mark.parametrize("kind", COMPUTED)
@pytest.mark.parametrize("name", ANYWHERE)
def test_computed_weights_count_as_what_is_multiplied_by(name, kind):
    def computed():
        return network(add, COMPUTED[kind](nn.Conv2d(6, 6, 3, padding=1)))

    def plain():
        weight = with_plain_weights(computed()).layer.weight.detach()
        other = network(add)
        torch.manual_seed(0)
        whole = computed()
        for part in ("stem", "head", "norm"):
            getattr(other, part).load_state_dict(getattr(whole, part).state_dict())
        other.layer.bias.data = whole.layer.bias.detach().clone()
        other.layer.weight.data = weight.clone()
        return other

    found, expected = score(name, computed), score(name, plain)
    assert found == pytest.approx(expected, rel=1e-6)


def test_snip_at_a_normalised_weight_by_hand():
    torch.manual_seed(0)
    layer = parametrizations.weight_norm(nn.Linear(2, 3, bias=False))
    torch.manual_seed(0)
    free = nn.Linear(2, 3, bias=False).weight.detach()  # the norm keeps the weight it is given
    inputs, targets = torch.tensor([[1.0, 2.0], [-1.0, 0.5]]), torch.tensor([0, 2])
    probe = Probe(((inputs, targets),), functional.cross_entropy, 3)
    shares = torch.softmax(inputs @ free.T, 1)
    slope = (shares - torch.eye(3)[targets]).T @ inputs / 2  # of the cross entropy's mean
    assert PROXIES["snip"](layer, probe) == pytest.approx((free * slope).abs().sum().item(), rel=1e-5)
    assert has_computed_weights(layer)  # which is left as it was


def test_plain_weights_give_the_outputs_of_the_first_pass():
    for kind, compute in COMPUTED.items():
        torch.manual_seed(0)
        one, other = compute(nn.Conv2d(3, 4, 3)), None
        other = with_plain_weights(copy_network(one))
        inputs = torch.randn(2, 3, 8, 8)
        assert torch.equal(one(inputs), other(inputs)), kind
        assert not has_computed_weights(other)
        assert other.weight.requires_grad


def test_frozen_computed_weights_stay_frozen():
    layer = parametrizations.weight_norm(nn.Conv2d(3, 4, 3)).requires_grad_(False)
    assert not with_plain_weights(layer).weight.requires_grad
    assert PROXIES["trainable_layers"](parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), pictures()) == 1


# Shared weights


def shared(make):
    def build():
        one, other = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.Conv2d(6, 6, 3, padding=1, bias=False)
        return network(lambda self, x: self.layer(x), make(one, other))

    return build


def twice_by_name(one, other):
    other.weight = one.weight
    return nn.Sequential(one, nn.ReLU(), other)


def twice_by_module(one, other):
    return nn.Sequential(one, nn.ReLU(), one)


@pytest.mark.parametrize("name", ["snip", "grad_norm", "plain", "l2_norm", "zico", "gradsign", "synflow", "grasp"])
def test_a_weight_in_two_layers_counts_once(name):
    found, expected = score(name, shared(twice_by_name)), score(name, shared(twice_by_module))
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_norm_of_a_shared_weight_by_hand():
    one, other = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    one.weight.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    other.weight = one.weight
    assert PROXIES["l2_norm"](nn.Sequential(one, other), pictures()) == 5
    assert PROXIES["trainable_layers"](nn.Sequential(one, other), pictures()) == 1


def test_synflow_leaves_out_a_normalisation_under_each_of_its_names():
    norm = nn.BatchNorm2d(6)

    def normalised():
        one, other = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)
        return network(lambda self, x: self.layer(x), nn.Sequential(one, norm, other, norm))

    def bare():
        return network(lambda self, x: self.layer(x), nn.Sequential(nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)))

    assert score("synflow", normalised) == pytest.approx(score("synflow", bare), rel=1e-9)


# Statistics and dropout


@pytest.mark.parametrize("settings", [{"momentum": 0.01}, {"momentum": None}, {"track_running_stats": False}])
@pytest.mark.parametrize("name", ANYWHERE)
def test_running_statistics_change_no_score(name, settings):
    usual = score(name, lambda: network(add))
    assert score(name, lambda: network(add, norm=nn.BatchNorm2d(6, **settings))) == usual


@pytest.mark.parametrize("name", ANYWHERE)
def test_tracked_statistics_of_instances_change_no_score(name):
    def normalised(tracks):
        return network(add, norm=nn.InstanceNorm2d(6, track_running_stats=tracks))

    assert score(name, lambda: normalised(True)) == score(name, lambda: normalised(False))


def drop_path(self, x):
    return self.layer(x) * ((torch.rand(len(x), 1, 1, 1) < 0.5) * 2 if self.training else 1) + x


def drop_by_numpy(self, x):
    kept = (np.random.random(len(x)) < 0.5).astype("f") if self.training else np.ones(len(x), "f")  # noqa: NPY002
    return self.layer(x) * torch.from_numpy(kept).view(-1, 1, 1, 1) + x


def drop_by_python(self, x):
    return self.layer(x) * (random.random() if self.training else 1) + x  # noqa: S311


DROPPED = {
    "a function": lambda self, x: functional.dropout(self.layer(x), 0.5, training=self.training) + x,
    "a drop path by hand": drop_path,
    "a drop path by numpy": drop_by_numpy,
    "a drop path by Python": drop_by_python,
}


@pytest.mark.parametrize("kind", DROPPED)
@pytest.mark.parametrize("name", ["zen", "gradsign", "vkdnw"])
def test_what_is_dropped_in_training_changes_no_score_taken_in_evaluation(name, kind):
    assert score(name, lambda: network(DROPPED[kind])) == score(name, lambda: network(add))


def test_zen_draws_the_same_for_both_of_its_inputs():
    noisy = score("zen", lambda: network(lambda self, x: self.layer(x) + torch.randn(x.shape) * 50))
    assert noisy == pytest.approx(score("zen", lambda: network(lambda self, x: self.layer(x))), abs=0.5)


# What is not finite


def always(value):
    def body(self, x):
        return self.layer(x) + value

    return body


def late(value):
    """Outputs that are spoilt behind the last activation."""
    return lambda: Do(lambda self, x: self.inner(x) + value, inner=network(add))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", RUN)
def test_what_is_read_must_be_finite(name, value):
    healthy, sick = score(name, lambda: network(add)), score(name, lambda: network(always(value)))
    assert isinstance(healthy, float)
    assert isinstance(sick, str)
    assert "NaN" in sick or "infinity" in sick


@pytest.mark.parametrize("name", [name for name in RUN if not name.startswith("synflow")])
def test_outputs_of_nan_are_no_score(name):
    sick = score(name, late(float("nan")))
    assert isinstance(sick, str)
    assert "NaN" in sick


def test_weights_of_nan_have_no_norm():
    layer = nn.Linear(2, 2)
    layer.weight.data[0, 0] = float("nan")
    with pytest.raises(ScoringError, match="The weights of the network hold NaN or infinity"):
        PROXIES["l2_norm"](layer, pictures())


def test_a_loss_of_nan_is_no_score():
    data = pictures()
    probe = Probe(data.batches, lambda outputs, targets: outputs.sum() * float("nan"), 3)
    for name in ("snip", "fisher", "zico", "gradsign", "grasp"):
        with pytest.raises(ScoringError, match="The losses of the network hold NaN"):
            PROXIES[name](network(add), probe)


def test_large_numbers_are_finite():
    assert isinstance(score("nwot", lambda: Do(lambda self, x: self.inner(x * 3e37), inner=network(relu))), float)


def test_minus_infinity_of_finite_readings_is_a_score():
    assert score("nwot", lambda: nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(192, 3))) > -np.inf
    still = Do(lambda self, x: self.head(functional.relu(x * 0 + 1).mean((2, 3))), head=nn.Linear(3, 3))
    assert score("nwot", lambda: still) == -np.inf


# Blocks of AZ-NAS


def blocks(call):
    """Return a network of two blocks which are called by `call(block, x, other)`."""

    def block():
        return Do(
            lambda self, *a, **k: self.layer(first(a, k)) if a or k else torch.zeros(6, 6, 4, 4),
            layer=nn.Conv2d(6, 6, 1),
        )

    def first(a, k):
        found = (*a, *k.values())[0]
        while not isinstance(found, torch.Tensor):
            found = next(iter(found.values() if isinstance(found, dict) else found))
        return found

    body = nn.ModuleList([block(), block()])
    forward = lambda self, x: call(self.layer[1], call(self.layer[0], x, x), x)  # noqa: E731
    return lambda: network(forward, body)


CALLS = {
    "a list": lambda block, x, other: block([x, other]),
    "a tuple in a list": lambda block, x, other: block([(x, other), 3]),
    "a dictionary": lambda block, x, other: block({"x": x, "n": 1}),
    "a keyword": lambda block, x, other: block(x=x, other=None),
}
AZ = ["az_expressivity", "az_progressivity", "az_trainability"]


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("name", AZ)
def test_az_nas_sees_tensors_in_containers(name, kind):
    plain = score(name, blocks(lambda block, x, other: block(x)))
    assert isinstance(plain, float)
    assert score(name, blocks(CALLS[kind])) == plain


@pytest.mark.parametrize("name", AZ)
def test_az_nas_says_what_it_cannot_read(name):
    assert "gets no tensor" in score(name, blocks(lambda block, x, other: block()))


# What cannot be seen


@pytest.mark.parametrize("name", [name for name in ANYWHERE if name not in ("jacov", "epe_nas")])
def test_parts_that_torch_compiled_are_refused(name):
    def traced():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old as it is, people have such parts
            return network(add, torch.jit.trace(nn.Conv2d(6, 6, 3, padding=1), torch.ones(1, 6, 4, 4)))

    assert "parts that were compiled by torch.jit" in score(name, traced)


WEIGHTS_ALONE = {"fisher", "grad_norm", "grasp", "l2_norm", "plain", "snip", "trainable_layers", "zico"}


@pytest.mark.parametrize("name", sorted({*WEIGHTS_ALONE, "jacov", "nwot", "zen", "meco", "lswag"}))
def test_an_activation_that_is_compiled_hides_no_weight(name):
    class Activation(nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(x)

    def traced():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return network(add, torch.jit.trace(Activation(), torch.ones(1, 6, 4, 4)))

    compiled = score(name, traced)
    if name in {*WEIGHTS_ALONE, "jacov"}:
        assert compiled == pytest.approx(score(name, lambda: network(add, Activation())), rel=1e-4)
    else:
        assert "parts that were compiled by torch.jit" in compiled


@pytest.mark.parametrize("name", ["vkdnw", "lswag", "wrcor", "jacov", "snip", "synflow", "gradsign", "zico", "fisher"])
def test_a_network_without_gradients_has_no_score_by_them(name):
    def without():
        inner = network(add)
        return Do(torch.no_grad()(lambda self, x: self.inner(x)), inner=inner)

    assert "output depends on none of its weights or inputs" in score(name, without)
