"""Sizes that fit a budget: the stages, the networks in each, and the length of their trainings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from archsieve.design.timing import FEATURES, Timing
from archsieve.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable

Form: TypeAlias = Literal["guided", "funnel", "supernet"]
FORMS: tuple[Form, ...] = get_args(Form)

RESERVE = 0.05
"""Share of the budget that is not planned: for what is slower than it was when it was timed."""
SHARES = {"proxies": 0.15, "short": 0.5, "full": 0.3}
SHORT = 12
"""Full trainings are so many times as long as short ones."""
LEAST_SHORT = 3
"""Epochs of a short training below which it says too little of a full one."""
FULL, MOST_FULL = 3, 30
"""The least full trainings of a funnel to choose from, and the most."""
COMPLETE = 40
"""Complete trainings that a budget pays for, from which on a guided search of them needs no short ones."""
GUIDED, MOST_GUIDED = 12, 400
"""Trainings of a guided search that pays for shorter ones only, and the most of any."""
LEAST_PASSES, MOST_PASSES = 15, 50
"""Epochs of a supernet that it needs, and those of its published recipe."""
AT_ONCE = 4
"""Trainings that a guided search asks for at a time."""
LEAST_DATA = 0.05
"""Share of the training items below which an epoch is no training."""
POOL = 20_000
"""The most networks that a guided search lists."""
WIDE = 4
"""Networks to choose from for each that is trained, below which another proxy costs more than it tells."""


@dataclass(frozen=True)
class Sizes:
    """The sizes that fit a budget.

    Attributes:
        form: "guided": a search asks for each full training; "funnel": proxies, short and full trainings; "supernet":
            a supernet in the place of the short trainings.
        features: proxies.
        pool: networks drawn; None is all.
        short: networks trained shortly; as many as `full` if none are.
        short_epochs: of each; in a supernet's form those of the supernet.
        full: networks trained fully.
        epochs: of each.
        data: share of the training items.
    """

    features: tuple[str, ...]
    pool: int | None
    short: int
    short_epochs: int
    full: int
    epochs: int
    data: float
    form: Form = "funnel"


def choose(timing: Timing, recipe: Any, seconds: float, workers: int, count: int, *, form: Form | None = None) -> Sizes:
    """Return the form of a plan, features, pool, fidelities and counts for `seconds` seconds.

    A budget that pays for many complete trainings pays for a guided search of them. One that does not pays for a funnel
    if its short trainings are of some epochs; else the trainings of the guided search become shorter.

    Args:
        timing: what was measured.
        recipe: of a complete training.
        seconds: to be planned, with the start.
        workers: processes that score.
        count: networks there are.
        form: to take, instead of choosing one.

    Raises:
        SettingError: not even the least plan fits.
    """
    left = seconds - timing.start
    sizes: dict[str, Callable[[], Sizes]] = {
        "guided": lambda: _guided(timing, recipe, left, workers, count),
        "funnel": lambda: _funnel(timing, recipe, left, workers, count),
        "supernet": lambda: _supernet(timing, recipe, left, workers, count),
    }
    if form is not None:
        return sizes[form]()
    guided = sizes["guided"]()
    if guided.full >= min(count, COMPLETE) and guided.epochs == recipe.horizon:
        return guided
    funnel = sizes["funnel"]()
    return funnel if funnel.short > funnel.full and funnel.short_epochs >= LEAST_SHORT else guided


def _guided(timing: Timing, recipe: Any, seconds: float, workers: int, count: int) -> Sizes:
    """Return the sizes of a guided search: complete trainings, or shorter ones if too few complete ones fit."""
    at_once, complete = min(workers, AT_ONCE), timing.epoch * recipe.horizon + timing.scoring
    about = min(MOST_GUIDED, max(GUIDED, int(seconds * at_once / complete)))
    features, pool, spent = _looked_at(timing, seconds, workers, min(count, POOL), WIDE * about)
    left = seconds - pool * spent / workers - timing.final_scoring
    epochs, data = int(recipe.horizon), 1.0
    full = int(left * at_once / complete)
    least = min(GUIDED, count)
    if full < least:
        longest = (left * at_once / least - timing.scoring) / timing.epoch
        epochs, data = max(1, min(epochs, round(longest))), min(1.0, longest)
        if data < LEAST_DATA:
            raise _too_little(timing, seconds, least / at_once / (1 - SHARES["proxies"]))
        full = max(1, int(left * at_once / (timing.epoch * epochs * data + timing.scoring) + 1e-9))  # nine of twelve
    full = min(full, pool, MOST_GUIDED)
    kept = features if full < pool else ()
    return Sizes(kept, None if pool == count else pool, full, epochs, full, epochs, data, "guided")


def _looked_at(
    timing: Timing, seconds: float, workers: int, count: int, least: int
) -> tuple[tuple[str, ...], int, float]:
    """Return the proxies (cheapest first), the number of networks they can score, and the seconds per network.

    As many proxies as leave `least` networks, or all there are, and one if it leaves half as many.
    """
    features: list[str] = []
    spent, paid = timing.draw * workers, SHARES["proxies"] * seconds * workers  # one process draws
    for name, each in sorted(timing.features.items(), key=lambda pair: pair[1]):
        if (spent + each) * min(count, least if features else least // 2) <= paid:
            features.append(name)
            spent += each
    pool = min(count, max(GUIDED, int(paid / spent) if spent else count))
    return tuple(name for name in FEATURES if name in features), pool, spent


def _funnel(timing: Timing, recipe: Any, seconds: float, workers: int, count: int) -> Sizes:
    """Return the sizes of a funnel."""
    epochs, data = _length(timing, recipe, seconds)
    for_full = SHARES["full"] * seconds - timing.final_scoring
    short_epochs = max(1, round(epochs / SHORT))
    a_full = timing.epoch * epochs * data + timing.scoring
    full = min(MOST_FULL, max(FULL, int(for_full * workers / a_full)), count)
    rest = seconds * (SHARES["short"] + SHARES["full"]) - full * a_full / workers - timing.final_scoring
    if short_epochs == epochs:  # then there are no short trainings, and what is trained is all trained completely
        rest += full * a_full / workers
    short = min(count, max(full, int(rest * workers / (timing.epoch * short_epochs * data + timing.scoring))))
    features, pool, _ = _looked_at(timing, seconds, workers, count, WIDE * short)
    pool = max(pool, short)
    kept, drawn = features if pool > short else (), None if pool == count else pool
    return Sizes(kept, drawn, short, short_epochs, full, epochs, data)


def _supernet(timing: Timing, recipe: Any, seconds: float, workers: int, count: int) -> Sizes:
    """Return the sizes of a plan with a supernet."""
    if timing.supernet is None:
        raise SettingError("This space has no supernet: choose another form of plan.")
    a_pass, each = timing.supernet
    epochs, data = _length(timing, recipe, seconds)
    a_full = timing.epoch * epochs * data + timing.scoring
    passes = int(SHARES["short"] * seconds / a_pass)
    if passes < LEAST_PASSES:
        raise SettingError(
            f"An epoch of the supernet takes {a_pass:.3g} seconds here, so that this budget pays for {passes} of them, "
            f"and a supernet needs {LEAST_PASSES} or more: give a budget of "
            f"{1.1 * LEAST_PASSES * a_pass / SHARES['short']:.0f} seconds or more, or choose another form of plan."
        )
    full = min(MOST_FULL, max(FULL, int((SHARES["full"] * seconds - timing.final_scoring) * workers / a_full)), count)
    pool = min(count, max(full, int(SHARES["proxies"] * seconds / (each / workers + timing.draw))))
    passes = min(passes, MOST_PASSES)
    return Sizes((), None if pool == count else pool, full, passes, full, epochs, data, "supernet")


def _length(timing: Timing, recipe: Any, seconds: float) -> tuple[int, float]:
    """Return the epochs of a full training and the share of items at which the minimum number of trainings fits.

    Raises:
        SettingError: it pays for none.
    """
    epochs, data = int(recipe.horizon), 1.0
    longest = (SHARES["full"] * seconds - FULL * timing.scoring - timing.final_scoring) / (FULL * timing.epoch)
    if longest < epochs:
        epochs, data = max(1, int(longest)), min(1.0, longest)
    if data < LEAST_DATA:
        raise _too_little(timing, seconds, FULL / SHARES["full"])
    return epochs, data


def _too_little(timing: Timing, seconds: float, trainings: float) -> SettingError:
    """Return the error for a budget too small for `count` trainings on the smallest share of the items."""
    least = trainings * (LEAST_DATA * timing.epoch + timing.scoring) + timing.final_scoring + timing.start
    return SettingError(
        f"One epoch of one network takes {timing.epoch:.3g} seconds here and its scoring {timing.scoring:.3g}, so that "
        f"{max(0.0, seconds):.0f} seconds, without those of the start, pay for no search: give a budget of "
        f"{1.1 * least / (1 - RESERVE):.0f} seconds or more, a smaller space or task, or a faster device."
    )
