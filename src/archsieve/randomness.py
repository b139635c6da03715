"""Random generators named by purpose: what is drawn depends on names, never on the order of drawing."""

from __future__ import annotations

import hashlib
import json
from typing import Literal, TypeAlias

import numpy as np

Purpose: TypeAlias = Literal["init", "batch", "noise", "sample", "split", "train"]


def derive_seed(run_seed: int, purpose: Purpose, *path: str | int) -> int:
    """Return a seed in [0, 2**63) that depends on all arguments and on nothing else.

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
