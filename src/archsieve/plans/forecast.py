"""The forecast of a plan's time on this machine, from timing a few networks."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from archsieve.errors import ArchsieveError
from archsieve.estimators.contract import Context, Fittable, Grouped, Resumable, is_measured
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.fingerprints import fingerprint
from archsieve.plans.contract import Pool, steps
from archsieve.plans.timing import whole_trainings
from archsieve.randomness import generator
from archsieve.runs.chunks import chunk_size
from archsieve.runs.executors import single_thread
from archsieve.spaces.sampling import draw_pool
from archsieve.tasks.contract import completed_task, count_items

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.plans.contract import Plan
    from archsieve.runs.effort import Entry
    from archsieve.spaces.contract import Architecture

SECONDS = 20.0
"""Approximate time of all measurements; a network that has begun is finished."""
_ROUNDS = (1, 2, 8, 32)  # networks scored at once, each round if there is time; the first also warms up
_ITEMS_ON_CPU = 4  # of a step, where time grows with them
_QUICK = 0.1  # seconds of such a step, below which a whole batch is timed
_SHARING = 32  # codes a chunk, above which they share prefixes
_WEIGHED = 32  # networks of the space by whose mean weight the timed ones are extrapolated


def hours_of(
    plan: Plan,
    *,
    device: str = "cpu",
    workers: int = 1,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.perf_counter,
    on_failure: Callable[[Exception], None] | None = None,
    by_steps: bool = False,
) -> list[float | None]:
    """Return the estimated hours of each step of a plan; None for steps that cannot be timed.

    Estimators that score network by network are timed on a few networks of the space. Those that train are timed on a
    few steps, and by whole trainings where short ones fit into the time. Where the space has multiply-adds in closed
    form, the times are extrapolated by them. Looking up takes no time, and neither does what fits a predictor to its
    scores. Nothing is kept.

    Args:
        plan: what is to be run.
        device: where.
        workers: how many processes score; a supernet is trained by one.
        seconds: what timing may take in all, about.
        clock: returns seconds.
        on_failure: called with the error of what could not be timed because of it.
        by_steps: whether trainings are timed by steps alone.
    """
    passes = [_passes(entries) for _, _, _, entries in steps(plan)]
    names = {_name(members) for step in passes for members in step if not _is_looked_up(members)}
    with tempfile.TemporaryDirectory() as folder, single_thread():
        timer = _Timer(plan, Path(folder), device, clock, 0.0, len(names), on_failure, by_steps=by_steps)
        timer.draw_one()
        timer.end = clock() + seconds
        return [_sum(timer.seconds(members, workers) for members in step) for step in passes]


def _passes(entries: Sequence[Entry]) -> list[tuple[Entry, ...]]:
    """Return the entries grouped by shared computation."""
    groups: dict[Any, list[Entry]] = {}
    for entry in entries:
        e = entry.estimator
        mates = (type(e), e.group) if isinstance(e, Grouped) else fingerprint(e)
        groups.setdefault((mates, entry.population), []).append(entry)
    return [tuple(members) for members in groups.values()]


def _name(members: Sequence[Entry]) -> str:
    """Return a name common to entries that take the same time: trainings that differ only in batches and paths."""
    first = members[0].estimator
    if hasattr(first, "recipe"):
        paths = (
            getattr(first, "sampling", ""),
            getattr(first, "random_paths", 1),
            getattr(first, "distillation", False),
        )
        return fingerprint([type(first).__name__, first.recipe.batch_size, *paths])
    return fingerprint([entry.estimator for entry in members])


def _is_looked_up(members: Sequence[Entry]) -> bool:
    return isinstance(members[0].estimator, Lookup | Replay)


def _sum(seconds: Any) -> float | None:
    """Return the sum of hours; None if one is unknown."""
    parts = list(seconds)
    return None if None in parts else sum(parts) / 3600


@dataclass
class _Timer:
    """Times each estimator once, until its time limit is reached."""

    plan: Plan
    folder: Path
    device: str
    clock: Callable[[], float]
    end: float
    left: int
    on_failure: Callable[[Exception], None] | None = None
    by_steps: bool = False
    known: dict[str, float | None] = field(default_factory=dict)
    whole: dict[str, tuple[float, float] | None] = field(default_factory=dict)

    def draw_one(self) -> None:
        """Draw one network beforehand: the first draw may be slow, because the space finds its decisions or limits."""
        with suppress(ArchsieveError):  # the same error is met where networks are timed
            self._archs(1)

    def seconds(self, members: Sequence[Entry], workers: int) -> float | None:
        """Return the estimated seconds to score these entries; None: unknown."""
        first = members[0]
        if _is_looked_up(members):
            return 0.0
        if first.n is None:
            return None
        each = self._each(members)
        at_once = 1 if is_measured(first.estimator) else max(1, min(workers, first.n))
        if each is None or not hasattr(first.estimator, "recipe"):
            return None if each is None else each * first.n / at_once
        if first.training is None or first.scoring is None:
            return None
        items = count_items(self.plan.task, "train")
        if whole := self._whole(first, each * items):
            return (first.training * whole[0] + first.n * whole[1]) / at_once
        learning = first.training / (1 if isinstance(first.estimator, Fittable) else at_once)
        return (learning + first.scoring / at_once) * items * each

    def _each(self, members: Sequence[Entry]) -> float | None:
        """Return the seconds to score one network, or for trainings to train on one item."""
        name = _name(members)
        if name not in self.known:
            share = (self.end - self.clock()) / max(1, self.left)
            self.left -= 1
            is_over = share <= 0 and not hasattr(members[0].estimator, "recipe")  # a training, a few steps, is timed
            self.known[name] = None if is_over else self._timed([entry.estimator for entry in members], share)
        return self.known[name]

    def _whole(self, entry: Entry, an_epoch: float) -> tuple[float, float] | None:
        """Return the seconds per epoch and the fixed seconds of a training, from whole ones; None if too slow.

        Small networks take most of their time to be built, scored and kept.
        """
        estimator: Any = entry.estimator
        if self.by_steps or not hasattr(estimator, "horizon") or not completed_task(self.plan.task).is_present():
            return None
        name = _name([entry])
        if name not in self.whole:
            share = (self.end - self.clock()) / max(1, self.left + 1)
            recipe = replace(estimator, split="validation") if hasattr(estimator, "split") else estimator
            about = self.plan.space, self.plan.task, recipe, self.plan.seed
            self.whole[name] = whole_trainings(*about, an_epoch, share, self.device, self.clock)
        return self.whole[name]

    def _timed(self, estimators: Sequence[AnyEstimator], share: float) -> float | None:
        first = estimators[0]
        try:
            if hasattr(first, "recipe"):
                return self._trained(first)
            if isinstance(first, Fittable | Resumable):
                return None
            if is_measured(first):  # what a program of the user's takes is not known
                seconds_of = getattr(first, "seconds_of", None)
                return None if seconds_of is None else seconds_of(self._archs(1)[0], self._context(first))
            return self._scored(estimators, share)
        except Exception as error:  # no data, no memory, a network that cannot be scored: a search reports it
            if self.on_failure is not None:
                self.on_failure(error)
            return None

    def _scored(self, estimators: Sequence[AnyEstimator], share: float) -> float:
        """Return the seconds to score one network, from the largest round that fits the time limit."""
        first = cast("Any", estimators[0])
        ctx = self._context(first)
        score = first.score if len(estimators) == 1 else partial(first.score_group, list(estimators))
        timed: list[Architecture] = []
        begun, each = self.clock(), 0.0
        for count in _ROUNDS:
            if timed and each * count > share - (self.clock() - begun):
                break
            timed = self._chunk(count, first)
            before = self.clock()
            score(timed, ctx)
            each = (self.clock() - before) / len(timed)
        return each * self._weight(timed)

    def _context(self, estimator: Any) -> Context:
        plan = self.plan
        task = self._present(4 * getattr(estimator, "batch_size", 16)) if hasattr(estimator, "needs") else plan.task
        return Context(plan.space, task, self.folder, plan.seed, self.device)

    def _trained(self, estimator: Any) -> float:
        """Return the seconds of one item's forward and backward pass through one network."""
        from archsieve.estimators.supernet.one_shot import OneShot  # needs torch, which plans of look-ups do not
        from archsieve.networks.building import build_network
        from archsieve.networks.inputs import call
        from archsieve.networks.supernets import build_supernet
        from archsieve.training.rehearsal import items_at_once, step_seconds

        plan, (arch,) = self.plan, self._archs(1)
        items = items_at_once(estimator.recipe, self.device)
        items = min(items, _ITEMS_ON_CPU) if self.device == "cpu" else items
        task = self._present(8 * items)
        if isinstance(estimator, OneShot):
            network: Any = build_supernet(plan.space, task, plan.seed)
            outputs, task = estimator.step(network, plan.space, task)
            paths, weight = estimator.paths_a_step(plan.space), 1.0  # random paths
        else:
            network, paths, weight = build_network(plan.space, arch, task, plan.seed), 1, self._weight([arch])
            outputs = lambda inputs, _: iter((call(network, inputs),))  # noqa: E731
        recipe = replace(estimator.recipe, batch_size=items)
        measured = partial(step_seconds, network, outputs=outputs, seed=plan.seed, device=self.device, clock=self.clock)
        times = measured(task, recipe)
        whole = estimator.recipe.micro_batch_size(1)
        if self.device == "cpu" and whole > items and sum(times) / len(times) < _QUICK:  # its time is that of calls
            items = whole
            times = measured(self._present(8 * items), replace(recipe, batch_size=items))
        return sum(times) / len(times) / items / paths * weight

    def _present(self, items: int) -> Any:
        """Return the plan's task, or noise of its shape if its data are missing."""
        task: Any = self.plan.task
        if completed_task(task).is_present():
            return task
        from archsieve.training.rehearsal import noise_like

        return noise_like(task, items)

    def _chunk(self, count: int, estimator: AnyEstimator) -> list[Architecture]:
        """Return networks as a worker gets them: neighbours if all are scored and neighbours share work."""
        plan = self.plan
        largest = chunk_size(estimator, plan.space, plan.task)
        if largest <= _SHARING or plan.pool != Pool() or plan.is_open:
            return self._archs(min(count, largest))
        codes = sorted(draw_pool(plan.space, plan.seed))
        return codes[len(codes) // 2 :][:count]

    def _archs(self, count: int) -> list[Architecture]:
        rng = generator(self.plan.seed, "sample", "timing")
        return [self.plan.space.canonical(self.plan.space.sample(rng)) for _ in range(count)]

    def _weight(self, timed: Sequence[Architecture]) -> float:
        """Return the mean multiply-adds of the space divided by those of the timed networks; 1 if unknown."""
        macs = getattr(self.plan.space, "macs", None)
        if macs is None:
            return 1.0
        means = [sum(macs(a, self.plan.task) for a in archs) / len(archs) for archs in (self._archs(_WEIGHED), timed)]
        return float(means[0] / means[1]) if means[1] else 1.0
