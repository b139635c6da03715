"""What `torch.compile` wraps is used as it was before."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archsieve import space_of
from archsieve.networks.building import build_network
from archsieve.networks.compiled import uncompiled
from archsieve.tasks.synthetic import Synthetic

TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=40, test_images=10)


def body():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))


def compiled(network=None):
    return torch.compile(body() if network is None else network, backend="eager")


def test_a_network_and_its_parts_are_themselves():
    whole, inside, in_place = body(), body(), body()
    assert uncompiled(compiled(whole)) is whole
    part = inside[3]
    inside[3] = compiled(part)
    assert uncompiled(inside)[3] is part
    in_place[0].compile(backend="eager")
    in_place.compile(backend="eager")
    assert uncompiled(in_place) is in_place
    assert in_place._compiled_call_impl is in_place[0]._compiled_call_impl is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_torch_jit_compiled_stays():
    network = nn.Sequential(torch.jit.script(body()), compiled())
    kept = network[0]
    assert uncompiled(network)[0] is kept
    assert type(network[1]) is nn.Sequential


def wrapped():
    return compiled()


def test_a_compiled_model_is_a_space_like_the_model():
    networks = [build_network(space := space_of(made), space.default, TASK, 0) for made in (body, wrapped)]
    assert [type(network) for network in networks] == [nn.Sequential, nn.Sequential]
    one, other = (network.state_dict() for network in networks)
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)
