"""Keys of scores: what they depend on, and what they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsieve.estimators.lookup import Lookup
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import fingerprint
from archsieve.runs.arithmetic import EXACT, Arithmetic
from archsieve.runs.keys import Keys
from archsieve.runs.recorded_scores import RecordedScores
from archsieve.runs.store import Key
from archsieve.spaces.nasbench201.space import NASBench201

KEYS = Keys(NASBench201(), ("space", "task"), 3, "cpu", EXACT, RecordedScores())
SNIP = ZeroCost("snip")
POOLS = [(4, 4, 4, 4, 4, 4)], [(3, 3, 3, 3, 3, 3)]


def test_a_key_names_space_task_estimator_and_seed():
    assert KEYS.key(SNIP, POOLS[0]) == Key("space", "task", fingerprint(SNIP), 3)


def test_only_what_learns_from_the_pool_depends_on_it():
    keys_by_estimator = [{KEYS.key(e, pool) for pool in POOLS} for e in (SNIP, Predictor(SNIP, samples=4, rounds=2))]
    assert [len(keys) for keys in keys_by_estimator] == [1, 2]


@pytest.mark.parametrize("change", [{"device": "cuda"}, {"device": "cuda", "arithmetic": Arithmetic(tf32=True)}])
def test_another_device_is_another_key_for_what_runs_on_it(change):
    assert replace(KEYS, **change).key(SNIP, ()) != KEYS.key(SNIP, ())


def test_a_lineage_shares_a_folder_and_no_key():
    short, long = (PartialTraining(epochs=epochs) for epochs in (1, 2))
    assert KEYS.folder_name(short, ()) == KEYS.folder_name(long, ())
    assert KEYS.key(short, ()) != KEYS.key(long, ())


def test_a_code_is_canonical_unless_the_estimator_tells_codes_apart():
    raw = (0, 4, 0, 0, 0, 0)  # no path from input to output, as in all zeros
    assert KEYS.code(SNIP, raw) == (0, 0, 0, 0, 0, 0)
    assert KEYS.code(Lookup("accuracy"), raw) == raw
