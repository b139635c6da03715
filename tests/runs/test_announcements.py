"""What is said before many networks are scored, and when nothing is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from archsieve.estimators.predictor import Predictor
from archsieve.estimators.size import Size
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.runs.announcements import MANY, Trial, announcement, is_announced
from archsieve.runs.chunks import ChunkScores
from archsieve.runs.score_tables import Recorded, shipped
from archsieve.runs.session import Session
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import invoke

SPACE, TASK = NASBench201(), Recorded("nasbench201-cifar10")
NWOT, ZICO, PLAIN_ZEN = ZeroCost("nwot"), ZeroCost("zico"), ZeroCost("zen", batch_size=16)


def said(members, *, seed=0, task=TASK, space=SPACE, tables=None):
    return announcement(members, 6590, shipped() if tables is None else tables, space, task, seed)


@pytest.mark.parametrize(
    ("sentence", "members", "changed"),
    [
        (
            "No score table of nwot knows seed 7 (they know 0, and a sample for 1 and 2): 6,590 networks are scored by "
            "nwot.",
            [NWOT],
            {"seed": 7},
        ),
        (
            "No score table of zico knows seed 1 (they know a sample for 0): 6,590 networks are scored by zico, zen.",
            [ZICO, PLAIN_ZEN],
            {"seed": 1},
        ),
        ("The score table nasbench201-cifar10-seed1 knows a sample of 1,000 networks", [NWOT], {"seed": 1}),
        ("The score table nasbench201-cifar10-sample knows a sample of 1,000 networks", [ZICO], {}),
        ("No score table holds zen with these settings: 6,590 networks are scored by zen.", [PLAIN_ZEN], {}),
        (
            "No score table of nwot over the whole space is about the task synthetic with these settings",
            [NWOT],
            {"task": Synthetic()},
        ),
        (
            "No score table is about the space nasbench201 with these settings",
            [NWOT],
            {"space": replace(SPACE, cells=1)},
        ),
        ("The score tables are left aside: 6,590 networks are scored by nwot.", [NWOT], {"tables": ()}),
    ],
)
def test_it_says_why_nothing_is_looked_up(sentence, members, changed):
    assert said(members, **changed).startswith(sentence)


def test_few_networks_and_what_no_table_could_hold_are_not_spoken_of():
    assert is_announced([NWOT], MANY)
    assert not is_announced([NWOT], MANY - 1)
    assert not is_announced([Size("params"), Predictor(NWOT)], 10**6)


@pytest.mark.parametrize(
    ("each", "first", "timed", "rest", "told"),
    [
        (1.0, 4.9, 4, 995, "about 17 min of 1"),  # 16 would take too long
        (0.3, 3.0, 16, 979, "about 5 min of 1"),
        (0.01, 3.0, 64, 915, "about 10 s of 1"),
        (100.0, 100.0, 1, 999, "about 27.8 h of 1"),  # so slow that the first one counts
        (0.08, 9.2, 16, 978, "about 79 s of 1"),  # loading took long: a second one tells what a network takes
        (8.0, 12.0, 1, 998, "about 2.2 h of 1"),  # both were slow
    ],
)
@pytest.mark.parametrize("are_neighbours", [False, True])
def test_a_trial_ends_in_time_and_the_first_network_warms_up(each, first, timed, rest, told, are_neighbours):
    codes = [(i,) for i in range(1000)]
    trial, scored = Trial(codes, are_neighbours=are_neighbours), []
    for part in trial.rounds():
        trial.add(each * len(part) if scored else first)
        scored += part
    assert sorted(scored + trial.rest) == codes
    reach = max(scored[-timed:])[0] - min(scored[-timed:])[0]
    assert reach < timed + 21 if are_neighbours else reach >= 700 * (timed > 1)
    assert len(trial.rest) == rest
    one, bound = trial.sentence(1), "at most " * are_neighbours
    assert one == f"This takes {bound}{told.removesuffix(' of 1')} of one process, as {timed} of them took here."


CODES = [(i // 125 % 5, i // 25 % 5, i // 5 % 5, i % 5, 0, 1) for i in range(625)]


@pytest.fixture
def quick(monkeypatch):
    """Let every network take no work and a tenth of a second."""

    def score(chunk):
        scores = np.array([[float(sum(arch))] * len(chunk.estimators) for arch in chunk.archs])
        return ChunkScores(chunk, scores, {}, 0.1 * len(chunk.archs), 0)

    monkeypatch.setattr("archsieve.runs.computing.score_chunk", score)


@pytest.mark.usefixtures("quick")
def test_a_session_says_it_once_before_and_once_in_between(tmp_path):
    notes = []
    with Session(tmp_path, SPACE, TASK, seed=7, notify=notes.append) as session:
        scores = session.scores([NWOT], CODES)[:, 0]
        count = len({SPACE.canonical(code) for code in CODES})
        assert scores.tolist() == [sum(SPACE.canonical(code)) for code in CODES]
        session.scores([NWOT], CODES)  # which are stored now
    assert notes == [
        said([NWOT], seed=7).replace("6,590", f"{count}"),
        f"This takes about {math.ceil(0.1 * (count - 21))} s of one process, as 16 of them took here.",
    ]


@pytest.mark.usefixtures("quick")
def test_from_python_nothing_is_said_and_the_scores_are_the_same(tmp_path, capsys):
    found = []
    for name, listener in (("a", None), ("b", lambda _: None)):
        with Session(tmp_path / name, SPACE, TASK, seed=7, notify=listener) as session:
            found.append(session.scores([NWOT], CODES).tolist())
    assert found[0] == found[1]
    assert capsys.readouterr() == ("", "")


@pytest.mark.data
@pytest.mark.usefixtures("quick")
def test_the_command_line_says_it_before_it_computes_a_whole_space():
    """A seed that no table knows, and tables left aside; nothing where the tables answer."""
    ask = ("measure", "nasbench201", "--proxy", "nwot", "--task", "cifar10")
    whole = invoke(*ask, "--seed", "7").stderr
    assert whole.splitlines()[:2] == [
        "No score table of nwot knows seed 7 (they know 0, and a sample for 1 and 2): 6,590 networks are scored by "
        "nwot.",
        "This takes about 11 min of one process, as 16 of them took here.",
    ]
    aside = invoke(*ask, "--recompute").stderr
    assert aside.startswith("The score tables are left aside: 6,590 networks are scored by nwot.\n")
    assert invoke(*ask, "--wide").stderr == ""
