"""The command that studies searches."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import Annotated, Literal

import typer

from archsieve.cli import printing as console
from archsieve.cli.options import (
    Changes,
    Durable,
    Json,
    Lookups,
    Plugins,
    Proxies,
    Recompute,
    Repair,
    Seed,
    Workers,
    WorkerTimeout,
    estimators_named,
    load,
    lookups,
    shared_by_all,
    space_and_task,
    task_for,
)
from archsieve.errors import require
from archsieve.judging.mkr_study import PROXIES as STUDIED
from archsieve.judging.mkr_study import STUDY_FILE, mkr_study
from archsieve.report.as_files import draw_study
from archsieve.runs.folder import write_json
from archsieve.runs.score_tables import whole_tables
from archsieve.runs.session import Session
from archsieve.spaces.contract import size


def study(
    kind: Annotated[
        Literal["mkr"],
        typer.Argument(
            help="The study: mkr (does the minimum keeping ratio predict what a search finds, or tau, or nDCG?)."
        ),
    ],
    space: Annotated[str, typer.Argument(help="Name of the space.")],
    out: Annotated[Path, typer.Option(help="Folder for the figures, the numbers and the scores.")],
    proxy: Proxies = None,
    lookup: Lookups = None,
    truth: Annotated[
        list[str] | None, typer.Option(help="Column of the benchmark that is the truth. Repeatable.")
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="Name of the benchmark. Repeatable. (default: the first one whose data are present)"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of searches for each pair of proxy and searcher.")] = 20,
    budget: Annotated[int, typer.Option(min=50, help="Evaluations of each search.")] = 1000,
    change: Changes = None,
    seed: Seed = 0,
    workers: Workers = 1,
    worker_timeout: WorkerTimeout = None,
    recompute: Recompute = False,
    repair: Repair = False,
    durable: Durable = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Study which figure of a proxy's ranking (tau, nDCG, minimum keeping ratio, ...) predicts what a search finds."""
    with console.guarded(out, "the same command"), ExitStack() as stack:
        require("matplotlib", "report")  # before what takes long
        plugins, shared = (
            load(plugin),
            shared_by_all(stack, workers, False, recompute, worker_timeout, repair=repair, durable=durable),
        )
        first = benchmark[0] if benchmark else None
        the_space, _ = space_and_task(space, None, change, plugins, first)
        named = proxy or (() if lookup else STUDIED)
        estimators = estimators_named(named, plugins)
        estimators += lookups(lookup or (), benchmark or (), plugins)
        if not (proxy or lookup or recompute):  # what no shipped table holds would take hours
            kept = [e for e in estimators if not hasattr(e, "needs") or whole_tables(the_space, [e], seed)]
            if absent := [e.name for e in estimators if e not in kept]:
                console.note(
                    f"Skipped, because no shipped table holds their scores (name them with --proxy to compute them): "
                    f"{', '.join(absent)}."
                )
            estimators = kept
        the_task = task_for(None, estimators, plugins, the_space, None if recompute else seed, first)
        session = stack.enter_context(Session(out, the_space, the_task, seed=seed, plugins=plugins, **shared))
        result = mkr_study(
            session,
            estimators,
            truths=truth or (),
            benchmark=benchmark,
            seeds=seeds,
            budget=budget,
            command=shlex.join(["archsieve", *sys.argv[1:]]),
        )
        stack.close()
        if size(the_space) > 2 * result.count:
            console.note(
                f"The table has {result.count:,} codes; {the_space.name} has up to {size(the_space):,}. The searches "
                f"drew and moved among those of the table."
            )
        write_json(out / STUDY_FILE, asdict(result))
        figures = draw_study(result, out)
        if as_json:
            console.out_json(result)
            return
        console.study(result)
        count = sum(figure.suffix == ".png" for figure in figures)
        console.out(f"Numbers: {out}/{STUDY_FILE}. Figures: {count} in {out}, as PNG and SVG.")
