"""The command that designs a funnel from a pilot."""

from __future__ import annotations

import shlex
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from archsieve._files import replace_file, writing
from archsieve.benchmarks.contract import caution_of, find_benchmark
from archsieve.cli import printing as console
from archsieve.cli.options import (
    Device,
    Json,
    OnRay,
    Plugins,
    Proxies,
    Recompute,
    Workers,
    load,
    offers_tables,
    shared_by_all,
)
from archsieve.design.designer import check_size, check_wishes, design, plan_of, prices_of
from archsieve.design.pilot import CODES, read_pilot
from archsieve.errors import SettingError
from archsieve.fingerprints import fingerprint
from archsieve.plans.contract import forecast, unit
from archsieve.plans.read import find_plan, is_called, load_plan, make
from archsieve.plans.run import knowing_most, tables_about
from archsieve.plans.write import plan_text
from archsieve.runs.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.design.designer import Design, Offer, Prices
    from archsieve.estimators.contract import AnyEstimator
    from archsieve.plans.contract import Plan, StageForecast
    from archsieve.spaces.contract import Architecture


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
    """The report of `archsieve design`: the chosen funnel, its stages, and what other budgets would buy.

    `another_hour` is the safest funnel that an hour more buys; None where it buys none of less risk, or nobody knows
    `epoch_seconds`, what a network-epoch takes one worker. `pictures` says which scores of the pilot were not made on
    the pictures of the plan's task.
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


def design_funnel(
    space: Annotated[str, typer.Argument(help="Name of the space.")],
    estimators: Annotated[
        str, typer.Option(help="A plan, by file or name: its estimators are chosen from, its final training ends it.")
    ],
    pilot: Annotated[
        Path | None, typer.Option(help=f"CSV or parquet file with a column {CODES!r} and the truth of each.")
    ] = None,
    pilot_size: Annotated[
        int | None, typer.Option(help="Draw so many networks; a benchmark, else the final training, says their truth.")
    ] = None,
    truth: Annotated[str | None, typer.Option(help="The true column of the file or benchmark.")] = None,
    benchmark: Annotated[str | None, typer.Option(help="Name of the table. [default: the first one present]")] = None,
    proxy: Proxies = None,
    delta: Annotated[float, typer.Option(help="The most probability of losing the best network.")] = 0.1,
    budget: Annotated[
        str | None, typer.Option(help="The most network-epochs, or hours of one worker, e.g. 3h, the pilot's apart.")
    ] = None,
    epoch_seconds: Annotated[
        float | None,
        typer.Option(
            help="Seconds that a network-epoch takes here. [default: as measured, where the pilot is trained]"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Plan file to write.")] = None,
    run: Annotated[Path | None, typer.Option("--run", help="Folder to keep scores in, and to go on from.")] = None,
    device: Device = "cpu",
    workers: Workers = 1,
    ray: OnRay = False,
    recompute: Recompute = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Design a funnel: the cheapest chain of estimators that keeps the best network, with the risk stated."""
    with console.guarded(run, "the same command"), ExitStack() as stack:
        if (pilot is None) == (pilot_size is None):
            raise SettingError("A design needs a pilot: either --pilot FILE or --pilot-size N.")
        if epoch_seconds is not None and not epoch_seconds > 0:
            raise SettingError(f"`epoch_seconds > 0` must hold, but got {epoch_seconds}.")
        amount, is_hours = (None, False) if budget is None else _amount(budget)
        check_wishes(delta, amount)  # before what takes long
        if pilot_size is not None:
            check_size(pilot_size)
        plugins, shared = load(plugin), shared_by_all(stack, workers, ray, recompute)
        plan = load_plan(find_plan(estimators), plugins)
        if not is_called(plan.space, space, plugins) or plan.final is None:
            what = "has no final training" if plan.final is None else f"is about the space {plan.space.name}"
            raise SettingError(f"The plan {estimators} {what}: a design for {space} needs another.")
        if not recompute:
            offers_tables(device, plan.space, plan.seed)
        named = [make("estimator", name, plugins) for name in proxy or []]
        candidates = list({fingerprint(e): e for e in [*(stage.estimator for stage in plan.stages), *named]}.values())
        session = stack.enter_context(
            Session(
                run or stack.enter_context(tempfile.TemporaryDirectory()),
                plan.space,
                plan.task,
                seed=plan.seed,
                device=device,
                plugins=plugins,
                **shared,
            )
        )
        prices = prices_of(
            candidates, plan.final, plan.space, plan.task, plan.pool.count(plan.space, shared["progress"])
        )
        if pilot is not None:
            archs, values = read_pilot(pilot, plan.space, truth)
        else:
            archs = session.pool(pilot_size)
            values = _truth(session, plan.final, archs, truth, benchmark)
            if epoch_seconds is None and prices.final:  # 0 where nothing was trained
                epoch_seconds = session.work_seconds() / (prices.final * len(archs)) or None
            archs, values = _with_truth(archs, values)
        most = _network_epochs(amount, epoch_seconds) if amount is not None and is_hours else amount
        scores = session.scores(candidates, archs)
        for candidate, column in zip(candidates, scores.T, strict=True):
            session.require_scores(candidate, archs, column)
        result = design(scores, values, prices, delta=delta, budget=most)
        designed = replace(
            plan_of(result.chosen, candidates, plan.final, session, plan.pool), stands_for=plan.stands_for
        )
        stack.close()
        report = _report(result, designed, candidates, len(archs), prices, epoch_seconds)
        report = replace(report, pictures=session.pictures())
        _print(report, str(unit(designed)), as_json)
        if out is not None:
            _write(out, designed, report)
            if not as_json:
                again = [
                    "archsieve",
                    "search",
                    str(out),
                    *(word for name in plugin or [] for word in ("--plugin", name)),
                ]
                console.out(f"\nPlan: {out}. Run it: {shlex.join(again)}")


def _truth(
    session: Session, final: AnyEstimator, archs: Sequence[Architecture], column: str | None, benchmark: str | None
) -> Any:
    """Return the truth that a benchmark of the task records; if none is present and none was named, train.

    Raises:
        DataError: the file of a benchmark is here and cannot be read: it is not passed over, since training is dear.
        EstimatorError: none of the pilot could be trained.
    """
    if column is not None or benchmark is not None:
        recipe: Any = find_benchmark(session.space, column, benchmark)
        table: Any = recipe.load()
    else:
        known, errors = tables_about(session.space, session.task)
        if errors:
            raise errors[0]
        recipe, table = knowing_most(known, archs) or (None, None)
    if table is not None:
        values = table.lookup(column or str(recipe.truth), archs)
        caution = f" {caution_of(recipe)}".rstrip()
        console.note(f"The truth of the pilot is {column or recipe.truth} of {recipe.name}.{caution}")
        return values
    console.note(f"No benchmark of this space and task is here: {len(archs)} networks are scored by {final.name}.")
    trained = session.scores([final], archs)[:, 0]
    session.require_scores(final, archs, trained)
    return trained


def _with_truth(archs: list[Architecture], values: Any) -> tuple[list[Architecture], Any]:
    """Return the networks with a truth: one whose training failed is left out, as an empty field of a file is."""
    known = np.isfinite(values)
    if not known.all():
        console.note(f"Left out of the pilot, since they have no truth: {int((~known).sum())} networks.")
    return [arch for arch, is_known in zip(archs, known.tolist(), strict=True) if is_known], values[known]


def _amount(budget: str) -> tuple[float, bool]:
    """Return the number of a budget, and whether it is one of hours.

    Raises:
        SettingError: it is no number.
    """
    text = budget.strip()
    try:
        return float(text.removesuffix("h")), text.endswith("h")
    except ValueError:
        raise SettingError(
            f"A budget is a number of network-epochs, or of hours, e.g. 3h, but got {budget!r}."
        ) from None


def _network_epochs(hours: float, epoch_seconds: float | None) -> float:
    """Return hours of one worker in network-epochs.

    Raises:
        SettingError: nobody knows what an epoch takes.
    """
    if epoch_seconds is None:
        raise SettingError(
            f"A budget of {hours:g}h needs to know what a network-epoch takes: say it by --epoch-seconds, or give the "
            "budget in network-epochs."
        )
    return hours * 3600 / epoch_seconds


def _choice(offer: Offer, estimators: Sequence[AnyEstimator]) -> Choice:
    names, keep = tuple(estimators[e].name for e, _ in offer.chain), tuple(k for _, k in offer.chain)
    return Choice(names, keep, offer.cost, offer.risk, offer.interval)


def _report(
    result: Design,
    designed: Plan,
    estimators: Sequence[AnyEstimator],
    pilot: int,
    prices: Prices,
    epoch_seconds: float | None,
) -> DesignReport:
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
    )


def _write(path: Path, designed: Plan, report: DesignReport) -> None:
    low, high = report.chosen.interval
    comments = [
        f"Designed by archsieve from a pilot of {report.pilot} networks.",
        f"Estimated risk of losing the best network: {report.chosen.risk:.3f} ({low:.3f} to {high:.3f}).",
    ]
    with writing(path), replace_file(path) as temporary:
        temporary.write_text(plan_text(designed, comments), encoding="utf-8")


def _print(report: DesignReport, network_epoch: str, as_json: bool) -> None:
    if as_json:
        console.out_json(report)
        return
    console.forecast(report.stages, as_json=False, unit=network_epoch)
    low, high = report.chosen.interval
    everything = report.exhaustive_network_epochs
    share = f"{report.chosen.network_epochs / everything:.1%} of training all" if everything else "Training is free"
    console.out(
        f"Estimated risk of losing the best network: {report.chosen.risk:.3f} (95 %: {low:.3f} to {high:.3f}), "
        f"asked for: {report.delta:g}."
    )
    console.out(f"{share}; the pilot of {report.pilot} took {report.pilot_network_epochs:.0f} more.")
    if not report.is_met:
        console.out("The budget does not reach the risk asked for; this is the least it buys.")
    for sentence in report.pictures:
        console.out(sentence)
    console.out("\nWhat a budget buys:")
    rows = [[c.network_epochs, _hours(c, report), c.risk, _told(c)] for c in report.choices]
    header = ("network-epochs", "hours", "risk", "estimators")
    columns = [i for i, name in enumerate(header) if name != "hours" or report.epoch_seconds is not None]
    console.table([header[i] for i in columns], [[row[i] for i in columns] for row in rows])
    if report.another_hour is not None:
        more = report.another_hour
        console.out(f"\nAnother hour buys a risk of {more.risk:.3f}: {_told(more)}, {_hours(more, report):.3g} hours.")
    elif report.epoch_seconds is not None:
        console.out("\nAnother hour buys nothing of less risk.")


def _hours(choice: Choice, report: DesignReport) -> float | None:
    return None if report.epoch_seconds is None else choice.network_epochs * report.epoch_seconds / 3600


def _told(choice: Choice) -> str:
    return " > ".join(choice.estimators) or "train all"
