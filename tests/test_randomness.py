"""Draws depend on names, never on the order of drawing."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archsieve.randomness import derive_seed, first_draws, generator

PATHS = st.lists(st.one_of(st.integers(0, 9), st.text(max_size=3)), max_size=3)


def test_order_of_drawing_does_not_matter():
    forwards = {name: generator(3, "init", name).random(4).tolist() for name in ("a", "b", "c")}
    backwards = {name: generator(3, "init", name).random(4).tolist() for name in ("c", "b", "a")}
    assert forwards == backwards
    assert len({tuple(values) for values in forwards.values()}) == 3


def test_numpy_own_state_is_neither_read_nor_changed():
    before = np.random.get_state()[1].copy()  # noqa: NPY002  (the caller's global state is what is tested)
    first = generator(0, "noise").random()
    np.random.seed(5)  # noqa: NPY002
    assert generator(0, "noise").random() == first
    np.random.set_state(("MT19937", before, 624, 0, 0.0))  # noqa: NPY002
    generator(0, "noise").random()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_golden_seeds():
    """Numbers on record, to catch a silent change of every result ever published."""
    assert derive_seed(0, "init") == 3953688860265627247
    assert derive_seed(1, "batch", "cifar10", 2) == 247765987377632774


@given(seed=st.integers(0, 5), path=PATHS, other_seed=st.integers(0, 5), other_path=PATHS)
def test_equal_names_give_equal_seeds_and_different_ones_different(seed, path, other_seed, other_path):
    one, other = derive_seed(seed, "sample", *path), derive_seed(other_seed, "sample", *other_path)
    assert (one == other) == ((seed, path) == (other_seed, other_path))
    assert one != derive_seed(seed, "split", *path)
    assert 0 <= one < 2**63


def test_numpy_integers_name_the_same_place():
    assert derive_seed(np.int64(7), "train") == derive_seed(7, "train")


def test_first_draws_are_those_of_numpys_generators():
    seeds = [0, 1, 2**32 - 1, 2**32, 2**63 - 1, *(derive_seed(0, "noise", place) for place in range(200))]
    assert first_draws(seeds).tolist() == [np.random.default_rng(seed).random() for seed in seeds]
    assert first_draws([]).shape == (0,)


def test_first_draws_follow_numpy_should_it_change_its_generators(monkeypatch):
    monkeypatch.setattr(np.random, "default_rng", lambda seed: np.random.Generator(np.random.MT19937(seed)))
    assert first_draws([3, 4]).tolist() == [np.random.default_rng(seed).random() for seed in (3, 4)]
