"""Random generators named by purpose: draws depend on names, never on the order of drawing."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Purpose: TypeAlias = Literal["init", "batch", "noise", "sample", "split", "train"]


def derive_seed(run_seed: int, purpose: Purpose, *path: str | int) -> int:
    """Return a seed in [0, 2**63) that depends on the arguments only.

    >>> derive_seed(0, "init", "stem", 0) == derive_seed(0, "init", "stem", 0)
    True
    >>> derive_seed(0, "init", "stem", 0) == derive_seed(0, "init", "stem", 1)
    False
    """
    text = json.dumps([int(run_seed), purpose, *path])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(run_seed: int, purpose: Purpose, *path: str | int) -> np.random.Generator:
    """Return a numpy generator for one purpose and place."""
    return np.random.default_rng(derive_seed(run_seed, purpose, *path))


def first_draws(seeds: Sequence[int]) -> NDArray[np.float64]:
    """Return the first number in [0, 1) that `numpy.random.default_rng(seed)` draws, for each seed in [0, 2**63).

    Many generators of one number each cost more than their numbers: numpy's published algorithms (`SeedSequence` and
    PCG64) are run here for all seeds at once. Should numpy change what a seed gives, the generators are made after all.

    >>> float(first_draws([3])[0]) == np.random.default_rng(3).random()
    True
    """
    if not seeds:
        return np.empty(0)
    draws = np.array([_pcg64(words) for words in _seed_words(seeds).tolist()])
    if draws[0] == np.random.default_rng(seeds[0]).random():
        return draws
    return np.array([np.random.default_rng(seed).random() for seed in seeds])


def _seed_words(seeds: Sequence[int]) -> NDArray[np.uint64]:
    """Return what `SeedSequence(seed).generate_state(4, uint64)` returns, shape (n, 4)."""
    entropy = np.array(seeds, dtype=np.uint64)
    zeros = np.zeros(len(seeds), dtype=np.uint32)
    hashed = _hashes(0x43B0D7E5, 0x931E8875)
    words = ((entropy & 0xFFFFFFFF).astype(np.uint32), (entropy >> 32).astype(np.uint32), zeros, zeros)
    pool = [hashed(word) for word in words]
    for source in range(4):
        for target in range(4):
            if source != target:
                mixed = pool[target] * np.uint32(0xCA01F9DD) - hashed(pool[source]) * np.uint32(0x4973F715)
                pool[target] = mixed ^ (mixed >> 16)
    hashed = _hashes(0x8B51F9DD, 0x58F38DED)
    state = [hashed(pool[place % 4]).astype(np.uint64) for place in range(8)]
    return np.stack([low | (high << 32) for low, high in zip(state[::2], state[1::2], strict=True)], axis=1)


def _hashes(constant: int, multiplier: int) -> Callable[[NDArray[np.uint32]], NDArray[np.uint32]]:
    """Return a hash function whose constant changes with each call."""

    def hashed(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
        nonlocal constant
        mixed = np.bitwise_xor(values, np.uint32(constant))
        constant = constant * multiplier & 0xFFFFFFFF
        mixed = np.multiply(mixed, np.uint32(constant))
        result: NDArray[np.uint32] = np.bitwise_xor(mixed, mixed >> np.uint32(16))
        return result

    return hashed


def _pcg64(words: Sequence[int]) -> float:
    """Return the first number of PCG64 (XSL-RR 128/64) seeded by four 64-bit words."""
    step = ((words[2] << 64 | words[3]) << 1 | 1) & _128_BITS
    state = (words[0] << 64 | words[1]) + step
    for _ in range(2):
        state = (state * _PCG64_MULTIPLIER + step) & _128_BITS
    bits, turn = (state >> 64 ^ state) & _64_BITS, state >> 122
    bits = (bits >> turn | bits << (64 - turn)) & _64_BITS
    return (bits >> 11) * 2.0**-53


_64_BITS, _128_BITS = 2**64 - 1, 2**128 - 1
_PCG64_MULTIPLIER = 2549297995355413924 << 64 | 4865540595714422341
