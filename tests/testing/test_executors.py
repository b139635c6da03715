"""The laws of an executor catch executors that would lose scores, and pass one that is right."""

from __future__ import annotations

import numpy as np
import pytest

from archsieve.runs import attempts
from archsieve.runs.attempts import Lost, finished
from archsieve.runs.executors import Processes, Serial, single_thread
from archsieve.testing import ExecutorContract
from archsieve.testing.executors import Deadly

from .broken import broken_laws, laws_of


class Right:
    """Runs here, one item at a time."""

    workers = 1

    def map(self, fn, items):
        for item in items:
            with single_thread():
                result = fn(item)
            yield result


class NobodyWorks(Right):
    workers = 0


class EqualItemsOnce(Right):
    def map(self, fn, items):
        seen = set()
        for item in items:
            if not isinstance(item, int) or item not in seen:
                seen.add(item)
                yield from super().map(fn, [item])


class LosesTheLast(Right):
    """Gives results by threes, and forgets the rest."""

    def map(self, fn, items):
        before = []
        for result in super().map(fn, items):
            before.append(result)
            if len(before) == 3:
                yield from before
                before = []


class OneForNothing(Right):
    def map(self, fn, items):
        empty = True
        for result in super().map(fn, items):
            empty = False
            yield result
        if empty:
            yield None


class SinglePrecision(Right):
    def map(self, fn, items):
        results = super().map(fn, items)
        return (r.astype(np.float32).astype(float) if isinstance(r, np.ndarray) else r for r in results)


class TakesAllFirst(Right):
    """Submits everything at once."""

    def map(self, fn, items):
        return super().map(fn, list(items))


class NotTwice(Right):
    """Cannot be used again once a caller has stopped early, or an error was raised."""

    is_broken = False

    def map(self, fn, items):
        if self.is_broken:
            raise RuntimeError("there is a map already")
        self.is_broken = True
        yield from super().map(fn, items)
        self.is_broken = False


class WrapsErrors(Right):
    def map(self, fn, items):
        try:
            yield from super().map(fn, items)
        except Exception as error:
            raise RuntimeError("a worker failed") from error


class SwallowsErrors(Right):
    def map(self, fn, items):
        for item in items:
            try:
                yield from super().map(fn, [item])
            except Exception:
                yield None


class KeepsTheMessageAlone(Right):
    """Makes an error anew from its class and its text, as a channel of text does."""

    def map(self, fn, items):
        try:
            yield from super().map(fn, items)
        except Exception as error:
            kind = type(error)
            again = kind.__new__(kind)
            again.args = (str(error),)
            raise again from None


class ManyThreads(Right):
    def map(self, fn, items):
        return map(fn, items)


class TakesTheCallersThread(Right):
    def map(self, fn, items):
        import torch

        torch.set_num_threads(1)
        return map(fn, items)


class Patched(Processes):
    """Two processes, whose outcomes are changed on the way."""

    def __init__(self):
        super().__init__(2)


class EndsWithItsWorkers(Patched):
    def map(self, fn, items):
        return finished(super().map(fn, items))


class ForgetsTheLost(Patched):
    def map(self, fn, items):
        return (result for result in super().map(fn, items) if not isinstance(result, Lost))


class SaysNothing(Patched):
    def map(self, fn, items):
        return (Lost(r.item, "") if isinstance(r, Lost) else r for r in super().map(fn, items))


class NeverTriesAgain(Patched):
    def map(self, fn, items):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attempts.Attempts, "retries", 0)
            yield from super().map(fn, items)


class TriesTooOften(Patched):
    def map(self, fn, items):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attempts.Attempts, "retries", 5)
            yield from super().map(fn, items)


class TriesAllAgain(Patched):
    """Starts anew with everything when a worker dies, as a pool does that breaks as a whole."""

    def map(self, fn, items):
        items = list(items)
        results = list(super().map(fn, items))
        if any(isinstance(item, Deadly) for item in items) and any(item.tries() > 1 for item in items):
            yield from (result for result in results if not isinstance(result, Lost))
        yield from results


WRONG = [
    (NobodyWorks, "test_it_says_how_many_work"),
    (EqualItemsOnce, "test_every_item_gives_its_result_once"),
    (LosesTheLast, "test_results_arrive_whole"),
    (OneForNothing, "test_nothing_to_do_is_nothing"),
    (SinglePrecision, "test_results_arrive_whole"),
    (TakesAllFirst, "test_items_are_taken_as_they_are_needed"),
    (NotTwice, "test_it_can_be_used_after_a_caller_that_stops_early"),
    (NotTwice, "test_it_can_be_used_after_an_error"),
    (WrapsErrors, "test_an_error_arrives_as_itself"),
    (SwallowsErrors, "test_an_error_arrives_as_itself"),
    (KeepsTheMessageAlone, "test_errors_of_scores_arrive_whole"),
    (ManyThreads, "test_work_has_one_thread_and_the_caller_keeps_his"),
    (TakesTheCallersThread, "test_work_has_one_thread_and_the_caller_keeps_his"),
    (NeverTriesAgain, "test_a_worker_that_dies_costs_nothing"),
    (TriesAllAgain, "test_a_worker_that_dies_costs_nothing"),
    (EndsWithItsWorkers, "test_what_kills_every_worker_is_lost_alone"),
    (ForgetsTheLost, "test_what_kills_every_worker_is_lost_alone"),
    (SaysNothing, "test_what_kills_every_worker_is_lost_alone"),
    (TriesTooOften, "test_what_kills_every_worker_is_lost_alone"),
]


@pytest.mark.parametrize(("wrong", "law"), WRONG)
def test_a_wrong_executor_is_caught(wrong, law, tmp_path):
    assert broken_laws(ExecutorContract, tmp_path, [law], executor=wrong()) == [law]


def test_every_law_catches_something():
    assert {law for _, law in WRONG} == set(laws_of(ExecutorContract))


@pytest.mark.parametrize("right", [Serial, Right])
def test_a_right_executor_passes(right, tmp_path):
    assert broken_laws(ExecutorContract, tmp_path, executor=right()) == []
