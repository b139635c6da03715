"""What is seeded is given back, and nothing else is seeded."""

from __future__ import annotations

import pytest
import torch

from archsieve.networks.generators import drawing, draws_of, restore_draws, seed_draws


class Cards:
    """A module of torch for a kind of device, of two cards with a generator each."""

    def __init__(self):
        self.generators = [torch.Generator().manual_seed(100 + i) for i in range(2)]
        self.current = 0

    def current_device(self):
        return self.current

    def device(self, index):
        cards, before = self, self.current

        class Chosen:
            def __enter__(self):
                cards.current = index

            def __exit__(self, *error):
                cards.current = before

        return Chosen()

    def manual_seed(self, seed):
        self.generators[self.current].manual_seed(seed)

    def manual_seed_all(self, seed):
        raise AssertionError("all cards were seeded")

    def get_rng_state(self, index):
        return self.generators[index].get_state()

    def set_rng_state(self, state, index):
        self.generators[index].set_state(state)

    def states(self):
        return [g.get_state() for g in self.generators]


@pytest.fixture
def cards(monkeypatch):
    found = Cards()
    monkeypatch.setattr(torch, "get_device_module", lambda kind: found)
    monkeypatch.setattr(torch, "manual_seed", lambda seed: pytest.fail("every generator was seeded"))
    return found


@pytest.mark.parametrize(("device", "own"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1), ("xpu:1", 1)])
def test_one_cards_generator_is_seeded_and_given_back(cards, device, own):
    before = cards.states()
    with drawing(7, device):
        inside = cards.states()
        assert torch.equal(inside[own], torch.Generator().manual_seed(7).get_state())
        assert torch.equal(inside[1 - own], before[1 - own])
        torch.rand(1)
        torch.rand(1, generator=cards.generators[own])
    assert all(map(torch.equal, cards.states(), before))


def test_the_current_card_is_the_one_that_is_not_named(cards):
    cards.current = 1
    before = cards.states()
    seed_draws(7, "cuda")
    assert torch.equal(cards.states()[0], before[0])
    assert torch.equal(cards.states()[1], torch.Generator().manual_seed(7).get_state())


def test_generators_are_given_back_after_an_error(cards):
    before, here = cards.states(), torch.get_rng_state()

    def draw():
        with drawing(7, "cuda:1"):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        draw()
    assert all(map(torch.equal, cards.states(), before))
    assert torch.equal(torch.get_rng_state(), here)


def test_mps_has_one_generator(monkeypatch):
    own = torch.Generator().manual_seed(5)
    monkeypatch.setattr(torch.mps, "manual_seed", own.manual_seed)
    monkeypatch.setattr(torch.mps, "get_rng_state", own.get_state)
    monkeypatch.setattr(torch.mps, "set_rng_state", own.set_state)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("other devices were seeded"))
    before, here = own.get_state(), torch.get_rng_state()
    with drawing(7, "mps"):
        assert torch.equal(own.get_state(), torch.Generator().manual_seed(7).get_state())
    assert torch.equal(own.get_state(), before)
    assert torch.equal(torch.get_rng_state(), here)


def test_states_go_on_where_they_were(cards):
    seed_draws(7, "cuda:1")
    kept = draws_of("cuda:1")
    first = torch.rand(2), torch.rand(2, generator=cards.generators[1])
    restore_draws(kept, "cuda:1")
    again = torch.rand(2), torch.rand(2, generator=cards.generators[1])
    assert all(map(torch.equal, first, again))


def test_states_of_another_device_restore_what_they_have(cards):
    seed_draws(7)
    kept = draws_of("cpu")
    before, first = cards.states(), torch.rand(2)
    restore_draws(kept, "cuda:1")
    assert torch.equal(torch.rand(2), first)
    assert all(map(torch.equal, cards.states(), before))


def test_what_draws_nothing_needs_no_generator():
    assert len(draws_of("meta")) == len(draws_of("cpu")) == 1
