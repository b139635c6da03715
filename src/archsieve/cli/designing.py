"""The command that designs a funnel from a pilot."""

from __future__ import annotations

import shlex
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from archsieve._files import replace_file, writing
from archsieve.benchmarks.contract import caution_of, find_benchmark
from archsieve.cli import printing as console
from archsieve.cli.options import (
    Device,
    Durable,
    Json,
    OnRay,
    PlanChanges,
    Plugins,
    Proxies,
    Recompute,
    Repair,
    Workers,
    load,
    offers_tables,
    shared_by_all,
)
from archsieve.design.choices import (
    NOT_FOR,
    WithoutPromise,
    prices_apart_from_pilot,
    taught_by_pilot,
    with_mean_rank,
    without_promise,
)
from archsieve.design.designer import check_size, check_wishes, design, plan_of, prices_of
from archsieve.design.pilot import CODES, read_pilot
from archsieve.errors import SettingError
from archsieve.estimators.contract import scores_metric
from archsieve.estimators.lookup import Lookup
from archsieve.fingerprints import fingerprint
from archsieve.plans.contract import forecast, unit
from archsieve.plans.read import find_plan, is_called, load_plan, make
from archsieve.plans.run import knowing_most, tables_about
from archsieve.plans.write import plan_text
from archsieve.runs.session import Session
from archsieve.values import number_in

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


def design_funnel(
    space: Annotated[str, typer.Argument(help="Name of the space.")],
    estimators: Annotated[
        str,
        typer.Option(
            help="Plan file or name of a shipped plan: the estimators to choose from, and the final training."
        ),
    ],
    pilot: Annotated[
        Path | None,
        typer.Option(help=f"The pilot: CSV or parquet file with a column {CODES!r} and a column of their truth."),
    ] = None,
    pilot_size: Annotated[
        int | None,
        typer.Option(
            help="Draw a pilot of this many networks. A benchmark gives their truth, or else the final training."
        ),
    ] = None,
    truth: Annotated[str | None, typer.Option(help="Column of the file or benchmark that is the truth.")] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Name of the benchmark. (default: the first one whose data are present)")
    ] = None,
    proxy: Proxies = None,
    delta: Annotated[float, typer.Option(help="Largest accepted probability of losing the best network.")] = 0.1,
    budget: Annotated[
        str | None,
        typer.Option(help="Largest cost in network-epochs, or in hours of one worker (e.g. 3h); without the pilot."),
    ] = None,
    epoch_seconds: Annotated[
        float | None,
        typer.Option(help="Seconds of one network-epoch here. (default: as measured, if the pilot is trained)"),
    ] = None,
    change: PlanChanges = None,
    out: Annotated[Path | None, typer.Option(help="Write the designed plan to this file.")] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Run folder: scores are stored here, and an interrupted run resumes from here."),
    ] = None,
    device: Device = "cpu",
    workers: Workers = 1,
    ray: OnRay = False,
    recompute: Recompute = False,
    repair: Repair = False,
    durable: Durable = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Design the cheapest funnel that keeps the best network at a stated risk, from a pilot."""
    with console.guarded(run, "the same command"), ExitStack() as stack:
        if (pilot is None) == (pilot_size is None):
            raise SettingError("A design needs a pilot: either --pilot FILE or --pilot-size N.")
        if epoch_seconds is not None and not epoch_seconds > 0:
            raise SettingError(f"`epoch_seconds > 0` must hold, but got {epoch_seconds}.")
        amount, is_hours = (None, False) if budget is None else _amount(budget)
        check_wishes(delta, amount)  # before what takes long
        if pilot_size is not None:
            check_size(pilot_size)
        plugins, shared = load(plugin), shared_by_all(stack, workers, ray, recompute, repair=repair, durable=durable)
        plan = load_plan(find_plan(estimators), plugins, change or [])
        if not is_called(plan.space, space, plugins) or plan.final is None:
            what = "has no final training" if plan.final is None else f"is about the space {plan.space.name}"
            raise SettingError(f"The plan {estimators} {what}: a design for {space} needs another.")
        if not recompute:
            offers_tables(device, plan.space, plan.seed)
        named = [make("estimator", name, plugins) for name in proxy or []]
        candidates = list({fingerprint(e): e for e in [*(stage.estimator for stage in plan.stages), *named]}.values())
        candidates = with_mean_rank(candidates)
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
        count = plan.pool.count(plan.space, shared["progress"])
        if pilot is not None:
            archs, values = read_pilot(pilot, plan.space, truth)
        else:
            archs = session.pool(pilot_size)
            values = _truth(session, plan.final, archs, truth, benchmark)
            final_price = prices_of(candidates, plan.final, plan.space, plan.task, count).final
            if epoch_seconds is None and final_price:  # 0 where nothing was trained
                epoch_seconds = session.work_seconds() / (final_price * len(archs)) or None
            archs, values = _with_truth(archs, values)
            if truth is None and benchmark is None and _is_scored(session, plan.final, archs):
                candidates.append(taught_by_pilot(plan.final, pilot_size or len(archs)))
        prices = prices_apart_from_pilot(candidates, plan.final, plan.space, plan.task, count)
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
    console.note(f"No benchmark for this space and task is present: {final.name} scores {len(archs)} networks.")
    trained = session.scores([final], archs)[:, 0]
    session.require_scores(final, archs, trained)
    return trained


def _is_scored(session: Session, final: AnyEstimator, archs: Sequence[Architecture]) -> bool:
    """Whether a model can learn the final estimator's scores of a pilot for nothing: recorded, or trained just now."""
    if find_spec("sklearn") is None:
        return False
    if isinstance(final, Lookup):
        return True
    known, _ = tables_about(session.space, session.task)
    return scores_metric(final) and knowing_most(known, archs) is None


def _with_truth(archs: list[Architecture], values: Any) -> tuple[list[Architecture], Any]:
    """Return the networks with a truth: one whose training failed is left out, as an empty field of a file is."""
    known = np.isfinite(values)
    if not known.all():
        console.note(f"Excluded from the pilot because they have no truth: {int((~known).sum())} networks.")
    return [arch for arch, is_known in zip(archs, known.tolist(), strict=True) if is_known], values[known]


def _amount(budget: str) -> tuple[float, bool]:
    """Return the number of a budget, and whether it is one of hours.

    Raises:
        SettingError: it is no number.
    """
    text = budget.strip()
    try:
        return number_in(text.removesuffix("h")), text.endswith("h")
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
            f"A budget of {hours:g}h needs the seconds of one network-epoch: pass --epoch-seconds, or give the "
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
        without_promise=without_promise(estimators, prices),
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
