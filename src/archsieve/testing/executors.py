"""Laws of an executor, and the functions that the tests send to workers."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import EstimatorError, PartialScoringError, ScoringError
from archsieve.runs.attempts import RETRIES, Lost, finished
from archsieve.testing.laws import expect
from archsieve.values import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
    """Return the thread count of torch in the worker."""
    import torch

    return torch.get_num_threads()


@dataclass(frozen=True)
class Deadly:
    """An item whose worker is killed `deaths` times; each try leaves a file in `folder`."""

    folder: str
    number: int
    deaths: int = 0
    retries: int = RETRIES

    def tries(self) -> int:
        """Return the number of attempts so far."""
        return len([name for name in os.listdir(self.folder) if name.startswith(f"{self.number}-")])  # noqa: PTH208


def survive(item: Deadly) -> int:
    """Return the number of an item, or kill this process."""
    count = item.tries()
    with open(os.path.join(item.folder, f"{item.number}-{count}"), "x"):  # noqa: PTH118, PTH123
        pass
    if count < item.deaths:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    return item.number


def process_of(_: int) -> int:
    """Return the process id of the worker."""
    return os.getpid()


class ExecutorContract:
    """Laws of an executor. Set `executor`; if it must be opened, set the opened one in a fixture.

    The laws on workers that die are not checked where the work is done in this process.
    """

    executor: ClassVar[Executor]

    def test_it_says_how_many_work(self) -> None:
        """`workers` is an integer of at least 1."""
        workers = self.executor.workers
        expect(is_whole(workers) and workers >= 1, f"workers is {workers!r}")

    def test_every_item_gives_its_result_once(self) -> None:
        """Every item, also a repeated one, gives one result, in any order."""
        items = [*range(20), 7, 7]
        results = sorted(finished(self.executor.map(double, items)))
        expect(results == sorted(2 * i for i in items), f"{len(items)} items gave {results}")

    def test_nothing_to_do_is_nothing(self) -> None:
        """No items give no results."""
        results = list(self.executor.map(double, []))
        expect(results == [], f"no items gave {results}")

    def test_results_arrive_whole(self) -> None:
        """Arrays are returned bit for bit, including NaN and infinities."""
        results = {result.tobytes() for result in finished(self.executor.map(numbers_from, range(4)))}
        expect(results == {numbers_from(seed).tobytes() for seed in range(4)}, "numbers changed on the way")

    def test_items_are_taken_as_they_are_needed(self) -> None:
        """Results arrive before all items are taken, so that memory use stays constant."""
        taken = count()
        results = self.executor.map(double, (next(taken) for _ in range(_MANY)))
        some, ahead = len(list(islice(results, 5))), next(taken)
        _close(results)
        is_flat = some == 5 and ahead <= 5 + 8 * self.executor.workers
        expect(is_flat, f"{ahead} of {_MANY} items were taken for {some} results")

    def test_it_can_be_used_after_a_caller_that_stops_early(self) -> None:
        """A caller that closes the iterator early leaves nothing behind."""
        results = self.executor.map(double, iter(range(_MANY)))
        next(results)
        _close(results)
        self._expect_in_order("after a caller that stopped early")

    def test_an_error_arrives_as_itself(self) -> None:
        """An error in the function is raised here with the same class and message."""
        caught = self._error(fail_on_three, range(6))
        expect(type(caught) is ZeroDivisionError and str(caught) == "three", f"ZeroDivisionError came as {caught!r}")

    def test_it_can_be_used_after_an_error(self) -> None:
        """An error ends one `map`, not the executor."""
        self._error(fail_on_three, range(6))
        self._expect_in_order("after an error")

    def test_errors_of_scores_arrive_whole(self) -> None:
        """The scores, reasons and details of an error are preserved."""
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
        """Torch computes an item with one thread, so that sums do not depend on the number of cores."""
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

    def test_a_worker_that_dies_costs_nothing(self, tmp_path: Path) -> None:
        """An item whose worker is killed is retried; all results arrive once."""
        if self._works_here():
            return
        items = [Deadly(str(tmp_path), number, deaths=int(number == 1)) for number in range(4)]
        results = list(self._results(survive, items))
        expect(sorted(map(str, results)) == ["0", "1", "2", "3"], f"a worker was killed, and it gave {results}")
        expect(items[1].tries() == 2, f"what was killed once was tried {items[1].tries()} times")

    def test_what_kills_every_worker_is_lost_alone(self, tmp_path: Path) -> None:
        """After its retries an item is yielded as `Lost` with the reason; the others have results."""
        if self._works_here():
            return
        items = [Deadly(str(tmp_path), number, 99 * (number == 1), retries=2) for number in range(4)]
        results = list(self._results(survive, items))
        lost = [result for result in results if isinstance(result, Lost)]
        others = sorted(str(result) for result in results if not isinstance(result, Lost))
        is_right = others == ["0", "2", "3"] and [each.item for each in lost] == [items[1]]
        expect(is_right, f"the item 1 kills, and it gave {results}")
        expect(all(each.reason for each in lost), "it does not say why")
        expect(items[1].tries() == 3, f"an item of 2 retries was tried {items[1].tries()} times")
        self._expect_in_order("after workers that died")

    def _works_here(self) -> bool:
        return os.getpid() in set(self.executor.map(process_of, [0]))

    def _results(self, function: Any, items: Any) -> Iterator[Any]:
        try:
            yield from self.executor.map(function, items)
        except Exception as error:
            raise AssertionError(f"a worker that died ended it: {error!r}") from error

    def _expect_in_order(self, when: str) -> None:
        try:
            results = sorted(finished(self.executor.map(double, range(4))))
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
