"""Common part of the suites: a violated law is an `AssertionError`, checked on a few samples."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from archsieve.fingerprints import fingerprint

if TYPE_CHECKING:
    from archsieve.spaces.contract import Architecture, SearchSpace

T = TypeVar("T")
SAMPLES = 5


def samples(space: SearchSpace, count: int = SAMPLES) -> list[Architecture]:
    """Return a fixed sample of the space's architectures."""
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(count)]


def expect(holds: bool, law: str) -> None:
    """Raise an error if a law is violated; `law` describes the violation.

    Raises:
        AssertionError: `holds` is false.
    """
    if not holds:
        raise AssertionError(law)


def copy_of(thing: T) -> T:
    """Return the copy that a worker process gets, after checking that its fingerprint is equal."""
    copy: T = pickle.loads(pickle.dumps(thing))  # noqa: S301 - made in this line, no file
    expect(fingerprint(copy) == fingerprint(thing), "a copy has another fingerprint")
    return copy


def expect_plain_settings(thing: object) -> None:
    """Check that settings are hashable and that a copy is equal.

    Raises:
        AssertionError: one of both does not hold.
    """
    copy = copy_of(thing)
    try:
        is_equal = copy == thing and hash(copy) == hash(thing)
    except TypeError as error:
        raise AssertionError(f"its settings cannot be hashed: {error}") from error
    expect(is_equal, "a copy is not equal to it: make it a frozen dataclass")


def random_states() -> tuple[bytes, str]:
    """Return the states of the global generators of torch and numpy."""
    import torch

    with np.printoptions(threshold=10_000):  # the position too: a few draws change nothing else
        return torch.get_rng_state().numpy().tobytes(), str(np.random.get_state())  # noqa: NPY002
