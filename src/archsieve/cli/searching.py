"""Commands that run a search and report its results."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from archsieve.cli import printing as console
from archsieve.cli.foreign import Benchmark, Columns, Notation, answered, keep_served
from archsieve.cli.notes import budget_notes, cost_notes, weights_notes
from archsieve.cli.options import (
    AllowCommands,
    Device,
    Durable,
    Json,
    OnRay,
    PlanChanges,
    Plugins,
    Recompute,
    Repair,
    RunFolder,
    Workers,
    WorkerTimeout,
    keep_plan,
    load,
    offers_tables,
    shared_by_all,
)
from archsieve.cli.progress import progress
from archsieve.errors import EstimatorError, require
from archsieve.judging.agreement import sentences
from archsieve.judging.mkr_study import STUDY_FILE
from archsieve.plans.contract import Plan, estimators_of, forecast, unit
from archsieve.plans.forecast import hours_of
from archsieve.plans.named_code import commands_allowed
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan
from archsieve.plans.run import run_plan
from archsieve.report.as_files import write_run, write_study
from archsieve.report.load import damage_of, meaning_of_scores, own_of, read_run, read_views
from archsieve.report.load_study import read_study
from archsieve.report.outcome import outcome, weights_of, winner
from archsieve.report.run_page import MOST_FAILURES, run_page, without_result
from archsieve.report.stored import csv_parts, ordered_rows
from archsieve.report.study_page import study_page
from archsieve.report.views import Ranking, agreements_of
from archsieve.runs.folder import read_mark
from archsieve.runs.provenance import folder_in_command
from archsieve.runs.session import Session


def search(
    plan: Annotated[str, typer.Argument(help="Plan file, or name of a shipped plan.")],
    out: RunFolder = None,
    change: PlanChanges = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the stages, counts and estimated costs. Compute nothing else.")
    ] = False,
    no_timing: Annotated[
        bool, typer.Option("--no-timing", help="In a dry run, do not time networks: print no hours.")
    ] = False,
    benchmark: Benchmark = None,
    column: Columns = None,
    truth: Annotated[str | None, typer.Option(help="Column of --benchmark that is the truth.")] = None,
    codes: Annotated[str, typer.Option(help="Column of the file that holds the architectures.")] = "",
    notation: Notation = "",
    device: Device = "cpu",
    workers: Workers = 1,
    worker_timeout: WorkerTimeout = None,
    ray: OnRay = False,
    recompute: Recompute = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Score architectures again if they could not be scored before.")
    ] = False,
    repair: Repair = False,
    durable: Durable = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write training losses for TensorBoard.")] = False,
    plugin: Plugins = None,
    allow_commands: AllowCommands = False,
    as_json: Json = False,
) -> None:
    """Run the search of a plan. The same command resumes an interrupted search."""
    folder = out or Path("runs") / Path(plan).stem
    again = ["archsieve", "search", plan, "--out", str(folder)] + ["--ray"] * ray
    again += [] if device == "cpu" else ["--device", device]
    again += [] if workers == 1 else ["--workers", str(workers)]
    again += [] if worker_timeout is None else ["--worker-timeout", worker_timeout]
    again += ["--recompute"] * recompute + ["--tensorboard"] * tensorboard + ["--durable"] * durable
    again += [word for text in change or [] for word in ("--set", text)]
    again += [word for name in plugin or [] for word in ("--plugin", name)]
    again += ["--allow-commands"] * allow_commands
    again += [] if benchmark is None else ["--benchmark", benchmark]
    again += [word for text in column or [] for word in ("--column", text)]
    for option, value in (("--truth", truth), ("--codes", codes), ("--notation", notation)):
        again += [option, value] if value else []
    with console.guarded(None if dry_run else folder, shlex.join(again)), ExitStack() as stack:
        plugins = load(plugin)
        path = find_plan(plan)
        with commands_allowed(allow_commands):
            chosen = load_plan(path, plugins, change or ())
        served = answered(chosen, benchmark, column, truth=truth, codes=codes, notation=notation)
        chosen = chosen if served is None else served.plan
        if dry_run:
            _say_forecast(chosen, device, workers, not no_timing, as_json)
            return
        shared = shared_by_all(stack, workers, ray, recompute, worker_timeout, repair=repair, durable=durable)
        if not recompute:
            offers_tables(device, chosen.space, chosen.seed)
        shared |= {"seed": chosen.seed, "device": device, "plugins": plugins, "tensorboard": tensorboard}
        shared |= {"retry_failed": retry_failed}
        session = stack.enter_context(Session(folder, chosen.space, chosen.task, **shared))
        if served is None:
            keep_plan(path, folder, change or ())
        else:
            keep_served(served, path, folder)
        for note in weights_notes(estimators_of(chosen), chosen.space):
            console.note(note)
        told_by = None if served is None else served.benchmark
        notes = console.round_notes()
        result = run_plan(chosen, session, on_round=notes, command=shlex.join(again), benchmark=told_by)
        stack.close()
        for note in cost_notes(estimators_of(chosen), chosen.space, [result.code] if result.code else [], chosen.task):
            console.note(note)
        for note in budget_notes(chosen.stages, [stage.candidates for stage in result.stages]):
            console.note(note)
        if as_json:
            console.out_json(result)
        else:
            named = folder_in_command(str(folder), asdict(result))
            console.result(result, folder)
            for sentence in sentences(agreements_of(read_views(folder, asdict(result))), named):
                console.out(sentence)
        console.note_failures(result, folder, shlex.join(again))
        if result.failure:
            raise EstimatorError(result.failure, session.tracebacks)


def _say_forecast(plan: Plan, device: str, workers: int, is_timed: bool, as_json: bool) -> None:
    """Print what each stage of a plan will do, and its estimated time on this machine."""
    with progress() as shown:
        if not plan.is_open:
            plan.pool.count(plan.space, shown)  # may take long where networks are built for it, and is remembered
    rows = forecast(plan)
    if is_timed:
        if device != "cpu":
            require("torch", "torch")
            from archsieve.networks.building import check_device

            check_device(device)
        hours = hours_of(plan, device=device, workers=workers)
        rows = [replace(row, hours=hour) for row, hour in zip(rows, hours, strict=True)]
    console.forecast(rows, as_json, unit=str(unit(plan)), timed=f"{device}, workers: {workers}" if is_timed else "")


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run or of a study.")],
    html: Annotated[Path | None, typer.Option(help="Write a self-contained HTML page to this file.")] = None,
    files: Annotated[
        Path | None, typer.Option(help="Write the figures (PNG, SVG) and the numbers (CSV) to this folder.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print all stored scores as CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Report the results in the folder of a run (finished or not) or of a study."""
    with console.guarded():
        is_study = (run / STUDY_FILE).is_file()
        if html is not None:
            (study_page(read_study(run)) if is_study else run_page(run)).write(html)
            console.out(f"Page: {html}")
        if files is not None:
            written = (write_study if is_study else write_run)(run, files)
            console.out(f"Files: {', '.join(sorted(path.name for path in written))}, in {files}")
        if html is not None or files is not None:
            return
        if csv:
            _print_csv(run)
            return
        if is_study:
            (console.out_json if as_json else console.study)(read_study(run))
            return
        run_report = read_run(run)
        if as_json:
            console.out_json(run_report)
            return
        named = folder_in_command(str(run), run_report.result or {})
        if run_report.result is None:
            console.out(f"{without_result(run)} Stored so far:")
        else:
            console.stages(run_report.result["stages"])
            console.out()
            lines = [*outcome(run_report.result, named), *weights_of(run_report.space)]
            for line in [*winner(run_report.result), *lines]:
                console.out(line)
            if run_report.result["failure"]:
                console.out(f"{run_report.result['failure']}\n")
            console.out()
        for sentence in sentences(run_report.agreements, named):
            console.out(sentence)
        if run_report.audit is not None:
            console.audit(run_report.audit)
            console.out()
        if run_report.fates:
            console.out("Stage that cut each of the truly best:")
            rows = [
                [f.architecture, f.truth, f.cut_by or "kept", ", ".join(map(str, f.places))] for f in run_report.fates
            ]
            console.table(("code", "truth", "cut by", "place by stage"), rows)
            console.out()
        if run_report.rankings:
            _print_rankings(run_report.rankings)
        stored = ("estimator", "scored", "failures", "seconds", "learning_seconds", "best")
        more = ("pictures",) if any(e.pictures for e in run_report.estimators) else ()
        rows = [
            [*(getattr(e, c) for c in stored), e.best_value, *(getattr(e, c) for c in more)]
            for e in run_report.estimators
        ]
        console.table((*stored, "best_score", *more), rows)
        if run_report.damaged:
            console.out(damage_of(run_report))
        if meaning := meaning_of_scores(run_report):
            console.out(meaning)
        for failure in run_report.failures[:MOST_FAILURES]:
            console.out(f"{failure.estimator} could not score {failure.architecture}: {failure.reason}")
        if (hidden := len(run_report.failures) - MOST_FAILURES) > 0:
            console.out(f"And {hidden:,} more, which --json and --csv list.")


def _print_rankings(rankings: tuple[Ranking, ...]) -> None:
    """Print how well the estimator of each stage, sizes and chance rank the candidates."""
    console.out("How well each stage ranked its candidates:")
    columns = ("stage", "by", "count", "tau", "ndcg", "mkr", "kept", "regret")
    rows = [[f"{row.number}. {row.stage}", *(getattr(row, column) for column in columns[1:])] for row in rankings]
    console.table(columns, rows)
    console.out()


def _print_csv(run: Path) -> None:
    """Print the stored scores in parts, so that memory use does not depend on their number."""
    with ordered_rows(run, own_of(run)) as (rows, damage):
        for part in csv_parts(rows, read_mark(run)):
            console.write(part)
        if damaged := damage():
            console.note(damaged)
