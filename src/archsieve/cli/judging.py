"""Commands that judge estimators."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import Annotated

import numpy as np
import typer

from archsieve.benchmarks.contract import caution_of
from archsieve.cli import printing as console
from archsieve.cli.notes import cost_notes
from archsieve.cli.options import (
    Bootstrap,
    Changes,
    Device,
    Durable,
    Epsilon,
    Json,
    Lookups,
    OnRay,
    Plugins,
    Proxies,
    Recompute,
    Repair,
    RunFolder,
    Seed,
    TaskName,
    Wide,
    Workers,
    WorkerTimeout,
    baselines,
    estimators_named,
    load,
    lookups,
    shared_by_all,
    space_and_task,
    task_for,
)
from archsieve.errors import EstimatorError
from archsieve.judging.judge import judge
from archsieve.plans.parts import make
from archsieve.registry import BENCHMARKS
from archsieve.runs.session import Session
from archsieve.spaces.limits import Limits


def measure(
    space: Annotated[str, typer.Argument(help="Name of the space.")],
    proxy: Proxies = None,
    lookup: Lookups = None,
    truth: Annotated[
        str | None, typer.Option(help="Column of the benchmark that is the truth. (default: that of the benchmark)")
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Name of the benchmark. (default: the first one whose data are present)")
    ] = None,
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Count each distinct network once, instead of every code.")
    ] = False,
    max_params: Annotated[float | None, typer.Option(help="Only networks with at most this many parameters.")] = None,
    max_macs: Annotated[float | None, typer.Option(help="Only networks with at most this many multiply-adds.")] = None,
    epsilon: Epsilon = 0.1,
    bootstrap: Bootstrap = 0,
    task: TaskName = None,
    change: Changes = None,
    seed: Seed = 0,
    device: Device = "cpu",
    workers: Workers = 1,
    worker_timeout: WorkerTimeout = None,
    ray: OnRay = False,
    recompute: Recompute = False,
    repair: Repair = False,
    durable: Durable = False,
    out: RunFolder = None,
    plugin: Plugins = None,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """Measure how well estimators rank a space with known truth: tau, regret, minimum keeping ratio.

    The baselines are always included: parameters, multiply-adds and chance.
    """
    with console.guarded(out, "the same command", "--out"), ExitStack() as stack:
        plugins, shared = (
            load(plugin),
            shared_by_all(stack, workers, ray, recompute, worker_timeout, repair=repair, durable=durable),
        )
        the_space, chosen_task = space_and_task(space, task, change, plugins, benchmark)
        estimators = estimators_named(proxy or [], plugins)
        estimators += lookups(lookup or (), [benchmark] if benchmark else (), plugins)
        estimators += [make("estimator", n) for n in baselines(the_space) if n not in {e.name for e in estimators}]
        is_limited = max_params is not None or max_macs is not None
        limits = Limits(max_params=max_params, max_macs=max_macs) if is_limited else None
        session = stack.enter_context(
            Session(
                out or stack.enter_context(tempfile.TemporaryDirectory()),
                the_space,
                task_for(chosen_task, estimators, plugins, the_space, None if recompute else seed, benchmark, device),
                seed=seed,
                device=device,
                plugins=plugins,
                scratch=out is None,
                **shared,
            )
        )
        judgements = judge(
            session,
            estimators,
            truth=truth,
            benchmark=benchmark,
            distinct=distinct,
            limits=limits,
            epsilon=epsilon,
            bootstraps=bootstrap,
        )
        stack.close()
        for note in cost_notes(estimators, the_space, [the_space.sample(np.random.default_rng(seed))], session.task):
            console.note(note)
        if as_json:
            console.out_json(judgements)
        else:
            console.judgements(judgements, session.pictures(), is_wide=wide)
        if not as_json and (caution := caution_of(BENCHMARKS[judgements[0].benchmark])):
            console.out(caution)
        if blind := [j for j in judgements if j.failures == j.count]:
            what = "; ".join(f"{j.estimator} ({j.first_failure})" for j in blind)
            raise EstimatorError(f"None of {blind[0].count} codes could be scored by {what}.", session.tracebacks)


def judge_scores(
    file: Annotated[
        Path,
        typer.Argument(help="CSV, TSV or parquet file: one row per architecture, one column of scores per estimator."),
    ],
    truth: Annotated[str, typer.Option(help="Column that holds the truth.")],
    lower_is_better: Annotated[
        list[str] | None,
        typer.Option(
            help="Column (truth or estimator) in which lower is better, such as a loss or latency. Repeatable."
        ),
    ] = None,
    epsilon: Epsilon = 0.1,
    bootstrap: Bootstrap = 0,
    seed: Seed = 0,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """Measure how well the scores in your own file rank your own truth."""
    from archsieve.judging.judge_file import judge_file  # here: `measure` reads no such file

    with console.guarded():
        judgements = judge_file(
            file,
            truth,
            lower_is_better=lower_is_better or (),
            epsilon=epsilon,
            bootstraps=bootstrap,
            seed=seed,
            note=console.note,
        )
        if as_json:
            console.out_json(judgements)
        else:
            console.judgements(judgements, is_wide=wide)
