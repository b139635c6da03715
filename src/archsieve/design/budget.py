"""A plan for a time budget, without a pilot, based on the measured time of a few networks on this device.

Where many complete trainings are paid for, a search guided by a model asks for each of them. Else cheap proxies rank a
pool, the best of it are trained for few epochs, and the best of those completely. What is chosen is which of the two,
and how many.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archsieve.design.reasons import reasons_of
from archsieve.design.sizes import AT_ONCE, FORMS, RESERVE, Form, Sizes, choose
from archsieve.design.timing import FEATURES, Timing, count_of, measure
from archsieve.errors import SettingError, UnknownNameError
from archsieve.plans.contract import Plan, Pool, forecast
from archsieve.plans.forecast import SECONDS
from archsieve.plans.parts import make
from archsieve.plans.read import load_plan
from archsieve.registry import ESTIMATORS, SEARCHERS
from archsieve.runs.recorded_scores import RecordedScores
from archsieve.runs.score_tables import shipped
from archsieve.searchers.contract import Stage
from archsieve.spaces.contract import size
from archsieve.spaces.sampling import draw_up_to
from archsieve.tasks.contract import count_items
from archsieve.values import seconds_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.spaces.contract import SearchSpace
    from archsieve.tasks.contract import Task

__all__ = ["FEATURES", "FORMS", "Budgeted", "Form", "plan_for", "seconds_of", "total_seconds"]

FINAL = "final"
_SCORED = 1_000  # validation items by which a supernet scores
_MANY = 24  # trainings of a guided search, below which its first batch is small


@dataclass(frozen=True)
class Budgeted:
    """A plan for a budget, with hours by step, the measurements, and the reason for each number.

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
    form: Form | None = None,
    clock: Callable[[], float] = time.perf_counter,
    began: float | None = None,
) -> Budgeted:
    """Return a plan that takes about `seconds` seconds on this device.

    Args:
        space: where to search, with its limits.
        task: what networks are for.
        seconds: on the wall.
        seed: of the search.
        device: where.
        workers: processes that score.
        tables: look proxies up in shipped tables where these hold them.
        form: of the plan, "guided", "funnel" or "supernet"; None: the first two are chosen from.
        clock: returns seconds.
        began: the time of that clock at which this process started; None: the start of a search is not forecast.

    Raises:
        SettingError: not even the least plan fits, or the space has no supernet, where one is asked for.
    """
    recipe = recipe_for(space, task)
    known = _in_tables(space, task, seed) if tables and device == "cpu" else set()
    settings: dict[str, Any] = {"device": device, "seconds": min(SECONDS, seconds / 10), "clock": clock}
    supernet = _supernet_of(space, task) if form == "supernet" else None
    timing = measure(space, task, recipe, seed, known, began=began, supernet=supernet, **settings)
    if workers > 1:  # which start as this process did, once it has
        timing = replace(timing, start=2 * timing.start)
    budget, count = seconds * (1 - RESERVE), count_of(space)
    sizes = choose(timing, recipe, budget, workers, count, form=form)
    if space.is_costly_to_list and 4 * (sizes.pool or count) > size(space):
        there = len(draw_up_to(space, seed, sizes.pool or count))  # not all codes are networks
        sizes = choose(timing, recipe, budget, workers, there, form=sizes.form)
        if sizes.form == "guided":  # which would draw anew for each batch where there is no pool
            sizes = replace(sizes, pool=there)
    plan = build(space, task, seed, recipe, sizes)
    hours = [reckoned(plan, i, timing, sizes, workers) for i in range(len(forecast(plan)))]
    return Budgeted(plan, tuple(hours), timing, reasons_of(plan, sizes, timing, known))


def reckoned(plan: Plan, step: int, timing: Timing, sizes: Sizes, workers: int) -> float:
    """Return the estimated hours of each step; drawing networks and computing features belong to the first."""
    row = forecast(plan)[step]
    looks = 0.0 if step or sizes.pool is None else timing.draw * sizes.pool
    of_features = sum(timing.features[name] for name in sizes.features)
    at_once = min(workers, row.candidates)
    if row.label == FINAL:
        return timing.final_scoring / 3600  # the winner is trained already
    if row.label == "proxies":
        each = of_features
    elif row.label == "supernet":
        a_pass, each = timing.supernet or (0.0, 0.0)
        looks += a_pass * sizes.short_epochs
    else:
        epochs = sizes.short_epochs if row.label == "short training" else sizes.epochs
        each = timing.epoch * epochs * sizes.data + timing.scoring
        if sizes.form == "guided":
            at_once = min(at_once, AT_ONCE)
            looks += of_features * (sizes.pool or count_of(plan.space)) / workers
    return (looks + each * row.candidates / at_once) / 3600


def recipe_for(space: SearchSpace, task: Task) -> Any:
    """Return the complete training of a network: that of the space's shipped pipeline, else the default recipe."""
    try:
        final: Any = load_plan(f"a-{space.whole.name}").final
    except UnknownNameError:
        final = None
    recipe = final if hasattr(final, "horizon") else make("estimator", "partial_training")
    return replace(recipe, epochs=recipe.horizon, split="validation", fraction_of_data=1.0)


def _supernet_of(space: SearchSpace, task: Task, epochs: int = 1) -> Any:
    """Return the estimator that trains the supernet of a space.

    Raises:
        SettingError: it has none.
    """
    if not hasattr(space.whole, "supernet"):
        raise SettingError(f"The space {space.name} has no supernet: choose another form of plan.")
    items = count_items(task, "validation")
    return ESTIMATORS["one_shot"](epochs=epochs, scoring_items=_SCORED if items > _SCORED else None)


def build(space: SearchSpace, task: Task, seed: int, recipe: Any, sizes: Sizes) -> Plan:
    """Return the plan with these sizes."""
    training = replace(recipe, horizon=sizes.epochs, fraction_of_data=round(sizes.data, 4))
    full = replace(training, epochs=sizes.epochs)
    short = replace(training, horizon=sizes.short_epochs, epochs=sizes.short_epochs)
    stages: list[Stage] = []
    if sizes.features and sizes.form == "funnel":
        proxies = tuple(ESTIMATORS["zero_cost"](name) for name in sizes.features)
        ranking: AnyEstimator = ESTIMATORS["mean_rank"](proxies) if len(proxies) > 1 else proxies[0]
        stages.append(Stage(ranking, top=sizes.short, label="proxies"))
    if sizes.form == "supernet":
        stages.append(Stage(_supernet_of(space, task, sizes.short_epochs), top=sizes.full, label="supernet"))
    if sizes.short > sizes.full and sizes.short_epochs < sizes.epochs:
        stages.append(Stage(short, top=sizes.full, label="short training"))
    search: dict[str, Any] = {}
    if sizes.form == "guided" and (sizes.pool is not None or sizes.full < count_of(space)):
        proxies = tuple(ESTIMATORS["zero_cost"](name) for name in sizes.features)
        first = min(AT_ONCE if sizes.full < _MANY else 2 * AT_ONCE, sizes.full)
        search = {"search": SEARCHERS["guided"](proxies, population=first), "budget": sizes.full}
    stages.append(Stage(full, top=1, label="full training", **search))
    pool = Pool() if sizes.pool is None else Pool(sample=sizes.pool)
    title = f"Plan for a budget, {space.name}"
    return Plan(space, task, tuple(stages), pool, final=replace(full, split="test"), seed=seed, title=title)


def _in_tables(space: SearchSpace, task: Task, seed: int) -> set[str]:
    """Return the features whose scores for all networks are shipped with the package."""
    recorded = RecordedScores.of(shipped(), space, task, seed)
    whole = [t for t in (*recorded.own, *recorded.others) if t.card.population == "all"]
    return {name for name in FEATURES if any(t.column_of(ESTIMATORS["zero_cost"](name)) for t in whole)}


def total_seconds(hours: Sequence[float | None]) -> float:
    """Return the sum of hours in seconds; NaN if one is unknown."""
    return math.nan if None in hours else 3600 * math.fsum(hour for hour in hours if hour)
