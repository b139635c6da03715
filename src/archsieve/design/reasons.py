"""The reasons for the numbers of a plan for a budget, written as comments in its file."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from archsieve.design.sizes import COMPLETE, GUIDED, MOST_GUIDED, SHARES, Sizes

if TYPE_CHECKING:
    from archsieve.design.timing import Timing
    from archsieve.plans.contract import Plan

Reasons = tuple[tuple[str, str], ...]


def reasons_of(plan: Plan, sizes: Sizes, timing: Timing, known: set[str]) -> Reasons:
    """Return the comments of the plan's numbers by the beginnings of their lines, in order.

    Args:
        plan: the plan.
        sizes: what the budget pays for.
        timing: what was measured.
        known: features that are looked up.
    """
    reasons = [("seed = ", "of everything drawn")]
    if sizes.pool is not None:
        reasons.append(("sample = ", _why_pool(sizes, timing)))
    for stage in plan.stages:
        if stage.label == "proxies":
            where = ", from shipped tables" if set(sizes.features) <= known else ""
            reasons.append(("top = ", f"as many as are trained next{where}"))
        elif stage.label == "supernet":
            reasons.append(("top = ", f"{SHARES['full']:.0%} of the budget trains them"))
            a_pass = (timing.supernet or (0.0, 0.0))[0]
            share = f"{SHARES['short']:.0%} of the budget or less"
            reasons += _written(
                stage.estimator,
                epochs=f"{share}; an epoch of the supernet takes {a_pass:.3g} s here",
                scoring_items="of the validation items, the first",
            )
        else:
            reasons += _of_training(stage, sizes, timing)
    if plan.final is not None:
        same = dict.fromkeys(("horizon", "fraction_of_data"), "the same")
        reasons += _written(plan.final, epochs="as the full training, scored on the test split", **same)
    return tuple(reasons)


def _written(thing: Any, **comments: str) -> list[tuple[str, str]]:
    """Return the comments of the settings that the plan file contains; settings at their default are not written."""
    defaults = {field.name: field.default for field in fields(thing)}
    return [(f"{name} = ", text) for name, text in comments.items() if getattr(thing, name) != defaults[name]]


def _of_training(stage: Any, sizes: Sizes, timing: Timing) -> list[tuple[str, str]]:
    recipe, an_epoch = stage.estimator, f"an epoch of one network takes {timing.epoch:.3g} s here"
    reasons = []
    if stage.search is not None:
        paid = f"{an_epoch}, and the rest of a training {timing.scoring:.2g} s"
        most = f"the most of a guided search; {an_epoch}" if sizes.full == MOST_GUIDED else f"what is paid for; {paid}"
        first = _written(stage.search, population="asked for before a model is fitted")
        reasons += [("budget = ", most), *first]
    share = SHARES["short" if stage.label == "short training" else "full"]
    reasons.append(("top = ", f"{share:.0%} of the budget; {an_epoch}" if stage.top != 1 else "the winner"))
    return reasons + _written(
        recipe,
        epochs=_why_epochs(recipe, sizes),
        horizon="the learning rate falls to 0 by then",
        fraction_of_data="share of the items of each epoch: a whole one is too dear",
    )


def _why_pool(sizes: Sizes, timing: Timing) -> str:
    each, what = sum(timing.features[name] for name in sizes.features) + timing.draw, "the proxies"
    what = what if sizes.features else "drawing"
    if sizes.form == "supernet":
        each, what = (timing.supernet or (0.0, 0.0))[1] + timing.draw, "the supernet"
    return f"networks to choose from: {SHARES['proxies']:.0%} of the budget or less, at {each:.2g} s each for {what}"


def _why_epochs(recipe: Any, sizes: Sizes) -> str:
    if recipe.epochs < sizes.epochs:
        return f"1/{round(sizes.epochs / recipe.epochs)} of the full training"
    if sizes.form != "guided":
        return f"the most with which the budget pays for {sizes.full} full trainings"
    if sizes.full >= COMPLETE:
        return "a complete training"
    return f"as many as leave about {GUIDED} trainings, or a complete training"
