"""The report of `archsieve design`: as values, as text and as a plan file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsieve._files import replace_file, writing
from archsieve.cli import printing as console
from archsieve.design.choices import NOT_FOR, WithoutPromise, without_promise
from archsieve.plans.contract import forecast
from archsieve.plans.write import plan_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from archsieve.design.designer import Design, Offer, Prices
    from archsieve.estimators.contract import AnyEstimator
    from archsieve.plans.contract import Plan, StageForecast


@dataclass(frozen=True)
class Choice:
    """One possible funnel: estimators, fractions kept, cost in network-epochs without the pilot, and risk."""

    estimators: tuple[str, ...]
    keep: tuple[float, ...]
    network_epochs: float
    risk: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class DesignReport:
    """The report of `archsieve design`: the chosen funnel, its stages, and the alternatives at other budgets.

    `another_hour` is the safest funnel that an hour more buys; None where it buys none of less risk, or nobody knows
    `epoch_seconds`, what a network-epoch takes one worker. `pictures` says which scores of the pilot were not made on
    the pictures of the plan's task. `without_promise` are the costs of searches that promise no risk.
    """

    chosen: Choice
    stages: Sequence[StageForecast]
    delta: float
    is_met: bool
    pilot: int
    pilot_network_epochs: float
    exhaustive_network_epochs: float
    choices: Sequence[Choice]
    epoch_seconds: float | None
    another_hour: Choice | None
    pictures: tuple[str, ...] = ()
    without_promise: tuple[WithoutPromise, ...] = ()


def _choice(offer: Offer, estimators: Sequence[AnyEstimator]) -> Choice:
    names, keep = tuple(estimators[e].name for e, _ in offer.chain), tuple(k for _, k in offer.chain)
    return Choice(names, keep, offer.cost, offer.risk, offer.interval)


def report_of(
    result: Design,
    designed: Plan,
    estimators: Sequence[AnyEstimator],
    pilot: int,
    prices: Prices,
    epoch_seconds: float | None,
) -> DesignReport:
    """Return the report of a design whose pilot has `pilot` networks."""
    reach = result.chosen.cost + 3600 / epoch_seconds if epoch_seconds else 0.0
    better = [o for o in result.offers if result.chosen.cost < o.cost <= reach and o.risk < result.chosen.risk]
    return DesignReport(
        chosen=_choice(result.chosen, estimators),
        stages=forecast(designed),
        delta=result.delta,
        is_met=result.is_met,
        pilot=pilot,
        pilot_network_epochs=pilot * prices.final,
        exhaustive_network_epochs=prices.of(()),
        choices=[_choice(offer, estimators) for offer in result.offers],
        epoch_seconds=epoch_seconds,
        another_hour=_choice(better[-1], estimators) if better else None,
        without_promise=without_promise(estimators, prices),
    )


def write_plan(path: Path, designed: Plan, report: DesignReport) -> None:
    """Write the designed plan, with its estimated risk as comments."""
    low, high = report.chosen.interval
    comments = [
        f"Designed by archsieve from a pilot of {report.pilot} networks.",
        f"Estimated risk of losing the best network: {report.chosen.risk:.3f} ({low:.3f} to {high:.3f}).",
    ]
    with writing(path), replace_file(path) as temporary:
        temporary.write_text(plan_text(designed, comments), encoding="utf-8")


def print_design(report: DesignReport, network_epoch: str, *, as_json: bool) -> None:
    """Print a design: its forecast, its risk, and the alternatives at other budgets."""
    if as_json:
        console.out_json(report)
        return
    console.forecast(report.stages, as_json=False, unit=network_epoch)
    low, high = report.chosen.interval
    everything = report.exhaustive_network_epochs
    share = f"{report.chosen.network_epochs / everything:.1%} of training all" if everything else "Training is free"
    console.out(
        f"Estimated risk of losing the best network: {report.chosen.risk:.3f} (95 %: {low:.3f} to {high:.3f}), "
        f"requested: {report.delta:g}."
    )
    console.out(
        f"{share}; the pilot of {report.pilot} networks cost {report.pilot_network_epochs:.0f} network-epochs more."
    )
    if not report.is_met:
        console.out("The budget is too small for the requested risk; this is the lowest risk that it buys.")
    for sentence in report.pictures:
        console.out(sentence)
    console.out("\nWhat a budget buys:")
    rows = [[c.network_epochs, _hours(c, report), c.risk, _told(c)] for c in report.choices]
    header = ("network-epochs", "hours", "risk", "estimators")
    columns = [i for i, name in enumerate(header) if name != "hours" or report.epoch_seconds is not None]
    console.table([header[i] for i in columns], [[row[i] for i in columns] for row in rows])
    if report.another_hour is not None:
        more = report.another_hour
        console.out(
            f"\nOne more hour lowers the risk to {more.risk:.3f}: {_told(more)}, {_hours(more, report):.3g} hours."
        )
    elif report.epoch_seconds is not None:
        console.out("\nOne more hour does not lower the risk.")
    if "predictor" in report.chosen.estimators:
        console.out(
            "\nThe predictor learns from the trainings of the pilot: run the plan in the folder of --run, or they are "
            "made again."
        )
    console.out("\nWithout a promise of what is kept:")
    for other in report.without_promise:
        console.out(f"  {other.network_epochs:.0f} network-epochs: {other.search}. {other.record}")
    console.out(NOT_FOR)


def _hours(choice: Choice, report: DesignReport) -> float | None:
    return None if report.epoch_seconds is None else choice.network_epochs * report.epoch_seconds / 3600


def _told(choice: Choice) -> str:
    return " > ".join(choice.estimators) or "train all"
