"""Laws of an executor, and the functions that they send to workers."""

from __future__ import annotations

import sys
from itertools import count, islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import EstimatorError, PartialScoringError, ScoringError
from archsieve.testing.laws import expect
from archsieve.values import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from archsieve.runs.executors import Executor

_MANY = 2000


def double(number: int) -> int:
    """Return twice a number."""
    return 2 * number


def fail_on_three(number: int) -> int:
    """Return a number unless it is 3.

    Raises:
        ZeroDivisionError: it is.
    """
    if number == 3:
        raise ZeroDivisionError("three")
    return number


def raise_it(error: Exception) -> None:
    """Raise an error.

    Raises:
        Exception: the one that is given.
    """
    raise error


def numbers_from(seed: int) -> NDArray[np.float64]:
    """Return a NaN, an infinity, and numbers that use every digit."""
    rng = np.random.default_rng(seed)
    return np.concatenate([[np.nan, -np.inf, 1e-300], rng.standard_normal(100)])


def threads_of_torch(_: int) -> int:
    """Return with how many threads torch computes, where the work is done."""
    import torch

    return torch.get_num_threads()


class ExecutorContract:
    """Laws of an executor. Set `executor`; where it must be opened, set the opened one in a fixture of yours."""

    executor: ClassVar[Executor]

    def test_it_says_how_many_work(self) -> None:
        """`workers` is a whole number from 1 on."""
        workers = self.executor.workers
        expect(is_whole(workers) and workers >= 1, f"workers is {workers!r}")

    def test_every_item_gives_its_result_once(self) -> None:
        """As many results as items, equal items too, in any order."""
        items = [*range(20), 7, 7]
        results = sorted(self.executor.map(double, items))
        expect(results == sorted(2 * i for i in items), f"{len(items)} items gave {results}")

    def test_nothing_to_do_is_nothing(self) -> None:
        """No items give no results."""
        results = list(self.executor.map(double, []))
        expect(results == [], f"no items gave {results}")

    def test_results_arrive_whole(self) -> None:
        """Arrays come back bit for bit, NaN and infinities too."""
        results = {result.tobytes() for result in self.executor.map(numbers_from, range(4))}
        expect(results == {numbers_from(seed).tobytes() for seed in range(4)}, "numbers changed on the way")

    def test_items_are_taken_as_they_are_needed(self) -> None:
        """Results come before all items are taken, so that memory stays flat."""
        taken = count()
        results = self.executor.map(double, (next(taken) for _ in range(_MANY)))
        some, ahead = len(list(islice(results, 5))), next(taken)
        _close(results)
        is_flat = some == 5 and ahead <= 5 + 8 * self.executor.workers
        expect(is_flat, f"{ahead} of {_MANY} items were taken for {some} results")

    def test_it_can_be_used_after_a_caller_that_stops_early(self) -> None:
        """Who takes a few results and closes the rest leaves nothing behind."""
        results = self.executor.map(double, iter(range(_MANY)))
        next(results)
        _close(results)
        self._expect_in_order("after a caller that stopped early")

    def test_an_error_arrives_as_itself(self) -> None:
        """What the function raises is raised here, of the same class and with the same message."""
        caught = self._error(fail_on_three, range(6))
        expect(type(caught) is ZeroDivisionError and str(caught) == "three", f"ZeroDivisionError came as {caught!r}")

    def test_it_can_be_used_after_an_error(self) -> None:
        """An error ends one `map`, and not the executor."""
        self._error(fail_on_three, range(6))
        self._expect_in_order("after an error")

    def test_errors_of_scores_arrive_whole(self) -> None:
        """The scores, reasons and details that an error has are still there."""
        scores = np.array([[1.0], [np.nan]])
        partial = self._error(raise_it, [PartialScoringError(scores, {(1, 0): "why"})])
        expect(isinstance(partial, PartialScoringError), f"PartialScoringError came as {partial!r}")
        kept = getattr(partial, "scores", None), getattr(partial, "reasons", None)
        expect(np.array_equal(kept[0], scores, equal_nan=True) and kept[1] == {(1, 0): "why"}, f"it has {kept}")  # type: ignore[arg-type]
        for error in (ScoringError("sentence"), EstimatorError("sentence", "details")):
            caught = self._error(raise_it, [error])
            expect(type(caught) is type(error) and str(caught) == "sentence", f"{error!r} came as {caught!r}")
            expect(getattr(caught, "details", None) == error.details, f"the details of {error!r} are lost")

    def test_work_has_one_thread_and_the_caller_keeps_his(self) -> None:
        """Sums do not depend on the number of cores: torch computes an item with one thread."""
        torch: Any = sys.modules.get("torch")
        if torch is None:
            import torch
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            threads = set(self.executor.map(threads_of_torch, range(3)))
            expect(threads == {1}, f"items were computed with {threads} threads")
            self._error(fail_on_three, [3])
            expect(torch.get_num_threads() == 2, f"the caller has {torch.get_num_threads()} threads instead of 2")
        finally:
            torch.set_num_threads(before)

    def _expect_in_order(self, when: str) -> None:
        try:
            results = sorted(self.executor.map(double, range(4)))
        except Exception as error:
            raise AssertionError(f"it cannot be used {when}: {error!r}") from error
        expect(results == [0, 2, 4, 6], f"{when} range(4) gave {results}")

    def _error(self, function: Any, items: Any) -> Exception | None:
        try:
            list(self.executor.map(function, items))
        except Exception as error:
            return error
        return None


def _close(results: Iterator[Any]) -> None:
    if close := getattr(results, "close", None):
        close()
