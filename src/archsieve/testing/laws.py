"""What the suites share: a law that does not hold is an `AssertionError`, and a law is checked on a few samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from archsieve.spaces.contract import Architecture, SearchSpace

SAMPLES = 5


def samples(space: SearchSpace, count: int = SAMPLES) -> list[Architecture]:
    """Return architectures of the space, always the same ones."""
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(count)]


def expect(holds: bool, law: str) -> None:
    """Raise where a law does not hold: `law` says what was found.

    Raises:
        AssertionError: `holds` is false.
    """
    if not holds:
        raise AssertionError(law)


def random_states() -> tuple[bytes, str]:
    """Return the states of the generators that torch and numpy share with everybody."""
    import torch

    with np.printoptions(threshold=10_000):  # the position too: a few draws change nothing else
        return torch.get_rng_state().numpy().tobytes(), str(np.random.get_state())  # noqa: NPY002
