"""Random search draws independently and asks once."""

import numpy as np
import pytest

from archsieve.searchers.random_search import random_search


def test_one_batch_of_independent_uniform_draws(toy, recorder):
    evaluate = recorder(sum)
    random_search(toy((2, 3)), evaluate, budget=6000, rng=np.random.default_rng(0))
    assert [len(batch) for batch in evaluate.batches] == [6000]
    counts = [evaluate.asked.count((a, b)) for a in range(2) for b in range(3)]
    assert counts == pytest.approx([1000] * 6, abs=120)
