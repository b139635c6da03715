"""What learning costs: a killed process does not lose it, and neither does a folder whose results were deleted."""

import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from archsieve.errors import RunFolderError
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.runs import learning
from archsieve.runs.folder import write_json
from archsieve.runs.session import Session
from archsieve.runs.store import Store
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from archsieve.training import loop
from plugins.toy import TASK, Counting, Toy

SPACE, CODES = Toy(), [(0, 0, 0, 1), (0, 0, 1, 2), (1, 1, 2, 2)]
MACRO = NASBenchMacro(stem_width=4, widths=(4,), stages=(2,), head_width=8)
PICTURES = Synthetic(shape=(3, 8, 8), num_outputs=3, images=24, test_images=8)


class Killed(BaseException):
    """As a process ends that is killed: nothing after it is done."""


NOW = [0.0]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that only the work of these tests moves, so that costs are exact."""
    monkeypatch.setattr(time, "perf_counter", lambda: NOW[0])


@dataclass(frozen=True)
class Slow(Counting):
    """Takes a second for every network."""

    name: ClassVar[str] = "slow"

    def score(self, archs, ctx):
        NOW[0] += len(archs)
        return super().score(archs, ctx)


PREDICTOR = Predictor(teacher=Slow(chunk_size=4), samples=12, above=0.0)


def cost(folder, estimator=PREDICTOR, codes=CODES, space=SPACE, task=TASK):
    """Seconds that a search by one estimator has cost, and how many lessons are paid."""
    with Session(folder, space, task) as session:
        session.scores([estimator], codes)
        key = session._keys.key(estimator, codes)
        return session.work_seconds(), sum(map(len, session._store.taught(key).values()))


def killed_in(monkeypatch, where, name, number=1):
    """Let the process end before the `number`th call of a function."""
    own, count = getattr(where, name), iter(range(1, 10_000))

    def end(*arguments, **settings):
        if next(count) >= number:
            raise Killed
        return own(*arguments, **settings)

    monkeypatch.setattr(where, name, end)


def test_a_kill_between_a_lesson_and_its_note_loses_no_cost(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        killed_in(patch, learning.Learning, "end")
        with pytest.raises(Killed):
            cost(tmp_path)
    assert len(list(tmp_path.rglob("lesson.json"))) == 1
    assert cost(tmp_path) == (12.0, 12)


@pytest.mark.parametrize("number", range(1, 9))
def test_a_kill_before_any_note_loses_no_cost(tmp_path, monkeypatch, number):
    with monkeypatch.context() as patch:
        killed_in(patch, Store, "_add", number)
        with pytest.raises(Killed):
            cost(tmp_path)
    assert cost(tmp_path) == (12.0, 12)


def without_results(folder):
    for file in folder.glob("results.sqlite*"):
        file.unlink()
    return folder


def test_what_was_learnt_keeps_its_cost_when_the_results_are_deleted(tmp_path):
    assert cost(tmp_path) == (12.0, 12)
    assert cost(without_results(tmp_path))[0] == 12.0
    assert cost(tmp_path)[0] == 12.0
    assert cost(without_results(tmp_path))[0] == 12.0


def test_a_cost_that_was_changed_is_named(tmp_path):
    cost(tmp_path)
    (path,) = tmp_path.rglob("cost.json")
    path.write_text(path.read_text().replace('"seconds": 12.0', '"seconds": 13.0'))
    without_results(tmp_path)
    with pytest.raises(RunFolderError, match=r"cost\.json cannot be read: it is damaged, or was changed"):
        cost(tmp_path)
    write_json(path, {"seconds": -1.0})
    with pytest.raises(RunFolderError, match=r"cost\.json says no number of seconds: delete it"):
        cost(tmp_path)
    path.unlink()
    assert cost(tmp_path)[0] == 0.0


def test_the_cost_of_an_undisturbed_search_is_counted_once(tmp_path):
    assert cost(tmp_path) == (12.0, 12)
    assert cost(tmp_path, codes=[*CODES, (2, 2, 2, 2)]) == (12.0, 12)


# Checkpoints


def slow_epochs(monkeypatch):
    """Let every epoch take a second."""
    own = loop.Trainer.advance

    def advance(self, *arguments):
        NOW[0] += 1.0
        return own(self, *arguments)

    monkeypatch.setattr(loop.Trainer, "advance", advance)


@pytest.mark.parametrize(
    ("estimator", "codes"),
    [
        (OneShot(epochs=3, batch_size=8), [(0, 1), (1, 2)]),
        (PartialTraining(epochs=3, horizon=3, batch_size=8), [(0, 1)]),
    ],
    ids=["supernet", "partial training"],
)
@pytest.mark.parametrize("saved", [1, 2, 3])
def test_epochs_of_a_killed_training_are_paid_once(tmp_path, monkeypatch, estimator, codes, saved):
    slow_epochs(monkeypatch)
    with monkeypatch.context() as patch:
        killed_in(patch, loop.Trainer, "advance", saved + 1) if saved < 3 else killed_in(patch, Store, "_add")
        with pytest.raises(Killed):
            cost(tmp_path, estimator, codes, MACRO, PICTURES)
    for folder in (tmp_path, tmp_path, without_results(tmp_path)):
        assert cost(folder, estimator, codes, MACRO, PICTURES)[0] == 3.0


def test_epochs_are_paid_by_the_first_score_that_needs_them(tmp_path, monkeypatch):
    slow_epochs(monkeypatch)
    trained: dict[str, Any] = {"horizon": 3, "batch_size": 8}
    with Session(tmp_path, MACRO, PICTURES) as session:
        for settings in ({"epochs": 1}, {"epochs": 3}, {"epochs": 3, "split": "test"}):
            session.scores([PartialTraining(**trained, **settings)], [(0, 1)])
        seconds = {row.name: row.seconds for row in session._store.rows()}
    assert seconds == {"partial_training[1]": 1.0, "partial_training[3]": 2.0, "partial_training[3, test]": 0.0}


def test_another_way_to_score_the_same_supernet_does_not_pay_it_again(tmp_path, monkeypatch):
    slow_epochs(monkeypatch)
    supernet = OneShot(epochs=2, batch_size=8)
    with Session(tmp_path, MACRO, PICTURES) as session:
        session.scores([supernet, replace(supernet, scoring_items=4)], [(0, 1)])
        assert session.work_seconds() == 2.0


def test_what_was_learnt_for_another_search_is_refused(tmp_path):
    estimators = (PREDICTOR, OneShot(epochs=1, batch_size=8), PartialTraining(epochs=1, horizon=3, batch_size=8))
    for estimator, space, task, codes in zip(
        estimators, (SPACE, MACRO, MACRO), (TASK, PICTURES, PICTURES), (CODES, [(0, 1)], [(0, 1)]), strict=True
    ):
        folders = [tmp_path / f"{estimator.name}{seed}" for seed in (0, 1)]
        for seed, folder in enumerate(folders):
            with Session(folder, space, task, seed=seed) as session:
                session.scores([estimator], codes)
        for name in ("lesson.json", "*.pt"):
            for file, other in zip(folders[0].rglob(name), folders[1].rglob(name), strict=True):
                file.write_bytes(other.read_bytes())
        without_results(folders[0])
        with Session(folders[0], space, task) as session, pytest.raises(RunFolderError, match="delete it to") as said:
            session.scores([estimator], codes)
        assert "it was copied from another search" in f"{said.value} {said.value.__cause__}"
