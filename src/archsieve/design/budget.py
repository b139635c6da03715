"""A plan for a budget of time, without a pilot: from what a few networks take on this device.

Cheap proxies rank a pool, the best of it are trained for few epochs, and the best of those completely: the mean rank
with a cheap training that the study of searchers found ten times as good as evolution. What is chosen is how many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archsieve.errors import ArchitectureError, SettingError, UnknownNameError
from archsieve.plans.contract import Plan, Pool, forecast
from archsieve.plans.forecast import SECONDS, hours_of
from archsieve.plans.read import load_plan, make
from archsieve.registry import ESTIMATORS
from archsieve.runs.recorded_scores import RecordedScores
from archsieve.runs.score_tables import shipped
from archsieve.searchers.contract import Stage
from archsieve.spaces.contract import size
from archsieve.spaces.sampling import LARGEST_POOL, draw_up_to, pool_size
from archsieve.values import seconds_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.spaces.contract import SearchSpace
    from archsieve.tasks.contract import Task

FEATURES = ("nwot", "swap", "synflow_log", "jacov")
"""Proxies to choose from: those of the mean rank that ranked three recorded spaces best."""
RESERVE = 0.05
"""Share of the budget that is not planned: starting, reading data, writing."""
SHARES = {"proxies": 0.15, "short": 0.5, "full": 0.3}
SHORT = 12
"""Full trainings are so many times as long as short ones."""
FULL, MOST_FULL = 3, 30
"""The least full trainings to choose from, the winner's own apart, and the most."""
LEAST_DATA = 0.05
"""Share of the training items below which an epoch is no training."""
FINAL = "final"
_PROBED = 16


@dataclass(frozen=True)
class Timing:
    """What was measured, in seconds of one network: by each feature, of an epoch of its training, and of its scoring.

    `final_scoring` is that on the test split.
    """

    features: dict[str, float]
    epoch: float
    scoring: float = 0.0
    final_scoring: float = 0.0


@dataclass(frozen=True)
class Budgeted:
    """A plan for a budget: with hours by step, what was measured, and why each number is what it is.

    `reasons` are pairs of the beginning of a line of the plan's TOML, in the order of the lines, and its comment.
    """

    plan: Plan
    hours: tuple[float | None, ...]
    timing: Timing
    reasons: tuple[tuple[str, str], ...]


def seconds_of(budget: str) -> float:
    """Return a budget such as "8h", "90m", "30s" or "1.5d" in seconds.

    Raises:
        SettingError: it is none.

    >>> seconds_of("8h"), seconds_of("1.5 min")
    (28800.0, 90.0)
    """
    return seconds_in(budget, "A budget")


def plan_for(
    space: SearchSpace,
    task: Task,
    seconds: float,
    *,
    seed: int = 0,
    device: str = "cpu",
    workers: int = 1,
    tables: bool = True,
    clock: Callable[[], float] | None = None,
) -> Budgeted:
    """Return a plan that takes about so many seconds on this device.

    Args:
        space: where to search, with its limits.
        task: what networks are for.
        seconds: on the wall.
        seed: of the search.
        device: where.
        workers: processes that score.
        tables: look proxies up in shipped tables where these hold them.
        clock: returns seconds, for tests.

    Raises:
        SettingError: not even the least plan fits.
    """
    recipe = recipe_for(space, task)
    settings: dict[str, Any] = {"device": device, "workers": 1, "seconds": min(SECONDS, seconds / 10)}
    settings |= {} if clock is None else {"clock": clock}
    known = _in_tables(space, task, seed) if tables and device == "cpu" else set()
    timing = measure(space, task, recipe, seed, known, **settings)
    sizes = choose(timing, recipe, seconds * (1 - RESERVE), workers, _count(space))
    if (
        space.is_costly_to_list and sizes.pool is not None and 4 * sizes.pool > size(space)
    ):  # not all codes are networks
        sizes = choose(timing, recipe, seconds * (1 - RESERVE), workers, len(draw_up_to(space, seed, sizes.pool)))
    plan = _plan(space, task, seed, recipe, sizes)
    again = {name: value for name, value in settings.items() if name in ("seconds", "clock")}
    hours = hours_of(plan, device=device, workers=workers, **again)
    hours = [reckoned(plan, i, timing, sizes, workers) if h is None else h for i, h in enumerate(hours)]
    if sizes.features and set(sizes.features) <= known:
        hours[0] = 0.0
    return Budgeted(plan, tuple(hours), timing, _reasons(plan, sizes, timing, seconds, known))


def reckoned(plan: Plan, step: int, timing: Timing, sizes: Sizes, workers: int) -> float:
    """Return the hours of a step by what was measured first, where there was no time to time it again."""
    row = forecast(plan)[step]
    if row.label == "proxies":
        each = sum(timing.features[name] for name in sizes.features)
    elif row.label == FINAL:
        return (timing.epoch * sizes.epochs * sizes.data + timing.final_scoring) / 3600
    else:
        epochs = sizes.short_epochs if row.label == "short training" else sizes.epochs
        each = timing.epoch * epochs * sizes.data + timing.scoring
    return each * row.candidates / min(workers, row.candidates) / 3600


def recipe_for(space: SearchSpace, task: Task) -> Any:
    """Return the complete training of a network: that of the space's shipped pipeline, else the default one."""
    try:
        final: Any = load_plan(f"a-{space.whole.name}").final
    except UnknownNameError:
        final = None
    recipe = final if hasattr(final, "horizon") else make("estimator", "partial_training")
    return replace(recipe, epochs=recipe.horizon, split="validation", fraction_of_data=1.0)


def measure(space: SearchSpace, task: Task, recipe: Any, seed: int, known: set[str], **settings: Any) -> Timing:
    """Return what the features, and an epoch of the recipe, take for one network; unknown features are left out.

    Raises:
        SettingError: the training cannot be timed, since it fails.
    """
    proxies = [ESTIMATORS["zero_cost"](name) for name in FEATURES if name not in known]
    stages = [Stage(proxy, keep=1.0) for proxy in proxies]
    epoch = replace(recipe, epochs=1)
    pool = Pool(sample=min(_PROBED, _count(space)))
    probe = Plan(space, task, (*stages, Stage(epoch, top=1)), pool=pool, seed=seed)
    errors: list[Exception] = []
    hours = hours_of(probe, **settings, on_failure=errors.append)
    if hours[-1] is None:
        why = f", since it fails: {' '.join(str(errors[-1]).split()).rstrip('.')[:300]}" if errors else ""
        if errors and isinstance(errors[-1], ArchitectureError):
            raise errors[-1]  # of the space or its limits, not of the training
        raise SettingError(f"The training of a network of {space.name} on {task.name} cannot be timed{why}.")
    n = probe.pool.sample or 1
    timed = {proxy.name: hour * 3600 / n for proxy, hour in zip(proxies, hours, strict=False) if hour is not None}
    features = dict.fromkeys((f for f in FEATURES if f in known), 0.0) | timed
    price, tested = (replace(epoch, split=split).price(1, space, task) for split in ("validation", "test"))
    an_epoch = hours[-1] * 3600 / n * price.training / (price.training + price.scoring)
    return Timing(features, an_epoch, an_epoch * price.scoring, an_epoch * tested.scoring)


@dataclass(frozen=True)
class Sizes:
    """What a budget pays for.

    `pool` None is all networks; `short` None is no short training, since all are trained completely.
    """

    features: tuple[str, ...]
    pool: int | None
    short: int
    short_epochs: int
    full: int
    epochs: int
    data: float


def choose(timing: Timing, recipe: Any, seconds: float, workers: int, count: int) -> Sizes:
    """Return features, pool, fidelities and counts for so many seconds.

    Raises:
        SettingError: not even the least plan fits.
    """
    epochs, data = int(recipe.horizon), 1.0
    for_full = SHARES["full"] * seconds
    # Epochs of each of the least full trainings, once their scoring is paid.
    longest = (for_full - FULL * timing.scoring - timing.final_scoring) / ((FULL + 1) * timing.epoch)
    if longest < epochs:
        epochs, data = max(1, int(longest)), min(1.0, longest)
    if data < LEAST_DATA:
        least = (FULL + 1) * LEAST_DATA * timing.epoch + FULL * timing.scoring + timing.final_scoring
        raise SettingError(
            f"One epoch of one network takes {timing.epoch:.3g} seconds here and its scoring {timing.scoring:.3g}, so "
            f"{seconds:.0f} seconds are too short for a search: give a budget of {1.1 * least / SHARES['full']:.0f} "
            f"seconds or more, a smaller space or task, or a faster device."
        )
    short_epochs = max(1, round(epochs / SHORT))
    a_full = timing.epoch * epochs * data + timing.scoring
    a_final = timing.epoch * epochs * data + timing.final_scoring
    full = min(MOST_FULL, max(FULL, int((for_full - a_final) * workers / a_full)), count)
    rest = seconds * (SHARES["short"] + SHARES["full"]) - full * a_full / workers - a_final
    if short_epochs == epochs:  # then there are no short trainings, and what is trained is all trained completely
        rest += full * a_full / workers
    short = min(count, max(full, int(rest * workers / (timing.epoch * short_epochs * data + timing.scoring))))
    features: list[str] = []
    spent, paid = 0.0, SHARES["proxies"] * seconds * workers
    for name, each in sorted(timing.features.items(), key=lambda pair: pair[1]):
        if not features or (spent + each) * min(count, 4 * short) <= paid:
            features.append(name)
            spent += each
    pool = min(count, max(short, int(paid / spent) if spent else count))
    kept = tuple(name for name in FEATURES if name in features)
    return Sizes(kept if pool > short else (), None if pool == count else pool, short, short_epochs, full, epochs, data)


def _plan(space: SearchSpace, task: Task, seed: int, recipe: Any, sizes: Sizes) -> Plan:
    training = replace(recipe, horizon=sizes.epochs, fraction_of_data=round(sizes.data, 4))
    full = replace(training, epochs=sizes.epochs)
    short = replace(training, horizon=sizes.short_epochs, epochs=sizes.short_epochs)
    stages: list[Stage] = []
    if sizes.features:
        proxies = tuple(ESTIMATORS["zero_cost"](name) for name in sizes.features)
        ranking: AnyEstimator = ESTIMATORS["mean_rank"](proxies) if len(proxies) > 1 else proxies[0]
        stages.append(Stage(ranking, top=sizes.short, label="proxies"))
    if sizes.short > sizes.full and sizes.short_epochs < sizes.epochs:
        stages.append(Stage(short, top=sizes.full, label="short training"))
    stages.append(Stage(full, top=1, label="full training"))
    pool = Pool() if sizes.pool is None else Pool(sample=sizes.pool)
    title = f"Plan for a budget, {space.name}"
    return Plan(space, task, tuple(stages), pool, final=replace(full, split="test"), seed=seed, title=title)


def _reasons(plan: Plan, sizes: Sizes, timing: Timing, seconds: float, known: set[str]) -> tuple[tuple[str, str], ...]:
    """Return the comments of the plan's numbers, by the beginnings of their lines."""
    an_epoch = f"an epoch of one network takes {timing.epoch:.3g} s here"
    reasons = [("seed = ", "of everything drawn")]
    if sizes.pool is not None:
        each = sum(timing.features[name] for name in sizes.features)
        reasons.append(
            (
                "sample = ",
                f"networks drawn: {SHARES['proxies']:.0%} of the budget, at {each:.2g} s each for the proxies",
            )
        )
    for stage in plan.stages:
        recipe: Any = stage.estimator
        if stage.label == "proxies":
            where = ", from shipped tables" if set(sizes.features) <= known else ""
            reasons.append(("top = ", f"as many as are trained next{where}"))
            continue
        share = SHARES["short" if stage.label == "short training" else "full"]
        what = f"{share:.0%} of the budget; {an_epoch}" if stage.top != 1 else "the winner"
        reasons += [("top = ", what)]
        reasons += [("epochs = ", _why_epochs(recipe, sizes)), ("horizon = ", "the learning rate falls to 0 by then")]
        if sizes.data < 1:
            reasons.append(("fraction_of_data = ", "share of the items of each epoch: a whole one is too dear"))
    reasons += [("epochs = ", "as the full training, scored on the test split"), ("horizon = ", "the same")]
    return tuple(reasons)


def _why_epochs(recipe: Any, sizes: Sizes) -> str:
    if recipe.epochs == sizes.epochs:
        return f"so that the budget pays for {sizes.full} full trainings and the winner's own"
    return f"a {round(sizes.epochs / recipe.epochs)}th of the full training"


def _in_tables(space: SearchSpace, task: Task, seed: int) -> set[str]:
    """Return the features whose scores of all networks come with the package."""
    recorded = RecordedScores.of(shipped(), space, task, seed)
    whole = [t for t in (*recorded.own, *recorded.others) if t.card.population == "all"]
    return {name for name in FEATURES if any(t.column_of(ESTIMATORS["zero_cost"](name)) for t in whole)}


def _count(space: SearchSpace) -> int:
    """Return how many networks a pool may have."""
    if size(space) > LARGEST_POOL or space.is_costly_to_list:
        return min(size(space), LARGEST_POOL)
    return pool_size(space)


def total_seconds(hours: Sequence[float | None]) -> float:
    """Return the sum of hours in seconds; NaN where one is unknown."""
    return math.nan if None in hours else 3600 * math.fsum(hour for hour in hours if hour)
