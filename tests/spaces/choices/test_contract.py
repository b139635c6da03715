"""The laws of a space, for own models of every form."""

from __future__ import annotations

import pytest

from archsieve import Input, space_of
from archsieve.tasks.noise import Noise
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import SpaceContract
from plugins import own_nets

PICTURES = Synthetic(shape=(3, 8, 8), num_outputs=3, images=20)
NUMBERS = Synthetic(shape=(6,), num_outputs=3, images=20)
TOKENS = Noise((Input((5,), tokens=20),), num_outputs=3, items=20)
PLAIN = {"width": [4, 6], "depth": [1, 2, 3], "act": {"r": "relu", "t": "tanh"}}
SPACES = {
    "convolutions": (own_nets.Convolutions, None, PICTURES),
    "by a function": (own_nets.convolutions, None, PICTURES),
    "subclass": (own_nets.Deeper, None, PICTURES),
    "transformer": (own_nets.Heads, None, TOKENS),
    "options with decisions": (own_nets.Mixed, None, NUMBERS),
    "configured": (own_nets.Configured, None, NUMBERS),
    "by arguments": (own_nets.plain, PLAIN, NUMBERS),
    "reads values": (own_nets.ReadsValues, None, NUMBERS),
    "without decisions": (own_nets.fixed, None, NUMBERS),
    "given weights": (own_nets.head_only, None, NUMBERS),
}
MADE = {}


def space(name):
    """Spaces are explored once: it takes some hundred runs of a constructor."""
    if name not in MADE:
        factory, vary, _ = SPACES[name]
        MADE[name] = space_of(factory, vary, weights="given" if name == "given weights" else "fresh", explore=20)
    return MADE[name]


class TestOwnSpaces(SpaceContract):
    @pytest.fixture(autouse=True, params=SPACES)
    def _space(self, request):
        self.space, self.task = space(request.param), SPACES[request.param][2]

    def test_networks_fit_the_task(self):
        if self.space.factory.endswith("head_only"):
            pytest.skip("its outputs are a decision")
        super().test_networks_fit_the_task()

    def test_mutation_changes_one_decision(self):
        if not self.space.decisions:
            pytest.skip("nothing to mutate to")
        super().test_mutation_changes_one_decision()

    def test_draws_come_from_the_given_generator(self):
        if not self.space.decisions:
            pytest.skip("nothing to mutate to")
        super().test_draws_come_from_the_given_generator()
