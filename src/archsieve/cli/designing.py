"""The command that designs a funnel from a pilot."""

from __future__ import annotations

import shlex
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from archsieve.benchmarks.contract import caution_of, find_benchmark
from archsieve.cli import printing as console
from archsieve.cli.design_report import print_design, report_of, write_plan
from archsieve.cli.options import (
    AllowCommands,
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
    WorkerTimeout,
    estimators_named,
    load,
    offers_tables,
    shared_by_all,
)
from archsieve.design.choices import prices_apart_from_pilot, taught_by_pilot, with_mean_rank
from archsieve.design.designer import check_size, check_wishes, design, plan_of, prices_of
from archsieve.design.pilot import CODES, read_pilot
from archsieve.errors import SettingError
from archsieve.estimators.contract import scores_metric
from archsieve.estimators.lookup import Lookup
from archsieve.fingerprints import fingerprint
from archsieve.plans.contract import unit
from archsieve.plans.named_code import commands_allowed
from archsieve.plans.parts import is_called
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan
from archsieve.plans.run import knowing_most, tables_about
from archsieve.runs.session import Session
from archsieve.values import number_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.spaces.contract import Architecture


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
        typer.Option(
            help="Largest cost in network-epochs, or in hours of one worker (e.g. 3h). The pilot is not included."
        ),
    ] = None,
    epoch_seconds: Annotated[
        float | None,
        typer.Option(
            help="Seconds that one network-epoch takes on this machine. (default: as measured, if the pilot is trained)"
        ),
    ] = None,
    change: PlanChanges = None,
    out: Annotated[Path | None, typer.Option(help="Write the designed plan to this file.")] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Run folder: scores are stored here, and an interrupted run resumes from here."),
    ] = None,
    device: Device = "cpu",
    workers: Workers = 1,
    worker_timeout: WorkerTimeout = None,
    ray: OnRay = False,
    recompute: Recompute = False,
    repair: Repair = False,
    durable: Durable = False,
    plugin: Plugins = None,
    allow_commands: AllowCommands = False,
    as_json: Json = False,
) -> None:
    """Design the cheapest funnel that keeps the best network at a stated risk, from a pilot."""
    with console.guarded(run, "the same command", "--run"), ExitStack() as stack:
        if (pilot is None) == (pilot_size is None):
            raise SettingError("A design needs a pilot: either --pilot FILE or --pilot-size N.")
        if epoch_seconds is not None and not epoch_seconds > 0:
            raise SettingError(f"`epoch_seconds > 0` must hold, but got {epoch_seconds}.")
        amount, is_hours = (None, False) if budget is None else _amount(budget)
        check_wishes(delta, amount)  # before what takes long
        if pilot_size is not None:
            check_size(pilot_size)
        plugins, shared = (
            load(plugin),
            shared_by_all(stack, workers, ray, recompute, worker_timeout, repair=repair, durable=durable),
        )
        with commands_allowed(allow_commands):
            plan = load_plan(find_plan(estimators), plugins, change or [])
        if not is_called(plan.space, space, plugins) or plan.final is None:
            what = "has no final training" if plan.final is None else f"is about the space {plan.space.name}"
            raise SettingError(f"The plan {estimators} {what}: a design for {space} needs another.")
        if not recompute:
            offers_tables(device, plan.space, plan.seed)
        named = estimators_named(proxy or [], plugins)
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
        report = report_of(result, designed, candidates, len(archs), prices, epoch_seconds)
        report = replace(report, pictures=session.pictures())
        print_design(report, str(unit(designed)), as_json=as_json)
        if out is not None:
            write_plan(out, designed, report)
            if not as_json:
                again = [
                    "archsieve",
                    "search",
                    str(out),
                    *(word for name in plugin or [] for word in ("--plugin", name)),
                    *(["--allow-commands"] if allow_commands else []),
                ]
                console.out(f"\nPlan: {out}. Run it: {shlex.join(again)}")


def _truth(
    session: Session, final: AnyEstimator, archs: Sequence[Architecture], column: str | None, benchmark: str | None
) -> Any:
    """Return the truth of the networks: a benchmark's column if one is present or named, else the final scores.

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
    """Whether the final scores of the pilot cost nothing more: they are recorded, or were just computed."""
    if find_spec("sklearn") is None:
        return False
    if isinstance(final, Lookup):
        return True
    known, _ = tables_about(session.space, session.task)
    return scores_metric(final) and knowing_most(known, archs) is None


def _with_truth(archs: list[Architecture], values: Any) -> tuple[list[Architecture], Any]:
    """Return the networks that have a truth; networks whose training failed are omitted."""
    known = np.isfinite(values)
    if not known.all():
        console.note(f"Excluded from the pilot because they have no truth: {int((~known).sum())} networks.")
    return [arch for arch, is_known in zip(archs, known.tolist(), strict=True) if is_known], values[known]


def _amount(budget: str) -> tuple[float, bool]:
    """Return the number in a budget, and whether its unit is hours.

    Raises:
        SettingError: it is no number.
    """
    text = budget.strip()
    try:
        return number_in(text.removesuffix("h")), text.endswith("h")
    except ValueError:
        raise SettingError(
            f"A budget must be a number of network-epochs or of hours (e.g. 3h), but got {budget!r}."
        ) from None


def _network_epochs(hours: float, epoch_seconds: float | None) -> float:
    """Return the network-epochs that one worker trains in `hours`.

    Raises:
        SettingError: nobody knows what an epoch takes.
    """
    if epoch_seconds is None:
        raise SettingError(
            f"A budget of {hours:g}h needs the seconds of one network-epoch: pass --epoch-seconds, or give the "
            "budget in network-epochs."
        )
    return hours * 3600 / epoch_seconds
