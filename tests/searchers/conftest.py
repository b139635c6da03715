"""A toy space, with an optional limit, and a recorder of what a searcher asks."""

from dataclasses import dataclass

import numpy as np
import pytest

from archsieve.spaces.contract import SearchSpace


@dataclass(frozen=True)
class Toy(SearchSpace):
    """Codes of any shape; with `limit`, only those whose options sum to at most that."""

    options: tuple = (5,) * 6
    limit: int = 1000

    @property
    def choices(self):
        return self.options

    def build(self, arch, task):
        raise NotImplementedError

    def is_valid(self, arch):
        return sum(arch) <= self.limit


class Recorder:
    """Scores by a function of the code and remembers every batch."""

    def __init__(self, score):
        self.score = score
        self.batches = []

    def __call__(self, archs):
        self.batches.append([tuple(arch) for arch in archs])
        return np.array([self.score(arch) for arch in archs], dtype=float)

    @property
    def asked(self):
        return [arch for batch in self.batches for arch in batch]


@pytest.fixture
def toy():
    return Toy


@pytest.fixture
def recorder():
    return Recorder
