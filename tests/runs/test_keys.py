"""Keys of scores: what they depend on, and what they do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from archsieve.estimators.lookup import Lookup
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import fingerprint
from archsieve.runs.arithmetic import EXACT, Arithmetic
from archsieve.runs.keys import Keys
from archsieve.runs.recorded_scores import RecordedScores
from archsieve.runs.score_tables import shipped
from archsieve.runs.session import Session
from archsieve.runs.store import Key
from archsieve.spaces.nasbench201.space import NASBench201
from plugins.toy import TASK, Toy

KEYS = Keys(NASBench201(), ("space", "task"), 3, "cpu", EXACT, RecordedScores())
SNIP = ZeroCost("snip")
SHIPPED = shipped()
POOLS = [(4, 4, 4, 4, 4, 4)], [(3, 3, 3, 3, 3, 3)]


def test_a_key_names_space_task_estimator_and_seed():
    assert KEYS.key(SNIP, POOLS[0]) == Key("space", "task", fingerprint(SNIP), 3)


@dataclass(frozen=True)
class Counted:
    """An estimator that counts how often its settings are read."""

    reads: ClassVar[list[None]] = []
    name: ClassVar[str] = "counted"
    version: ClassVar[int] = 1

    def identity(self):
        self.reads.append(None)
        return {"type": "Counted"}

    def score(self, archs, ctx):
        return np.ones(len(archs))


@pytest.mark.parametrize("tables", [[], SHIPPED], ids=["no tables", "tables of other pictures"])
def test_a_key_reads_the_settings_once_whatever_tables_there_are(tables):
    Counted.reads.clear()
    keys = replace(KEYS, recorded=RecordedScores(own=tuple(tables[:2]), others=tuple(tables[2:])))
    assert keys.key(Counted(), POOLS[0]) == Key("space", "task", fingerprint({"type": "Counted"}), 3)
    assert len(Counted.reads) == 1


def test_a_call_reads_the_settings_as_often_for_many_codes_as_for_one(tmp_path):
    with Session(tmp_path, Toy(), TASK) as session:
        reads = []
        for count in (1, 6):
            Counted.reads.clear()
            session.scores([Counted()], session.pool()[:count])
            reads.append(len(Counted.reads))
    assert reads[0] == reads[1] <= 3  # its key, the keys used so far, and its folder


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
