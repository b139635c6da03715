"""Commands for a search whose networks are trained elsewhere: `ask` and `tell`."""

from __future__ import annotations

import shlex
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsieve.cli import printing as console
from archsieve.cli.options import (
    AllowCommands,
    Durable,
    Json,
    Plugins,
    Repair,
    RunFolder,
    keep_plan,
    load,
    shared_by_all,
)
from archsieve.errors import EstimatorError, RunFolderError
from archsieve.plans.conversation import Asked, go_on
from archsieve.plans.conversation import tell as tell_score
from archsieve.plans.named_code import commands_allowed
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan
from archsieve.runs.folder import PLAN_FILE
from archsieve.runs.session import Session
from archsieve.spaces.text import as_digits
from archsieve.tasks.contract import measure_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.plans.contract import Plan

_PATIENCE = 30.0  # seconds that `tell` waits for another command on the folder


def ask(
    source: Annotated[
        str, typer.Argument(metavar="RUN", help="Run folder. To begin a search: a plan, with --out RUN.")
    ],
    at_most: Annotated[int, typer.Option("-n", min=1, help="Print at most this many architectures.")] = 1,
    out: RunFolder = None,
    repair: Repair = False,
    durable: Durable = False,
    plugin: Plugins = None,
    allow_commands: AllowCommands = False,
    as_json: Json = False,
) -> None:
    """Print the architectures that a search waits for, one per line; nothing if the search is over."""
    folder = Path(source) if Path(source).is_dir() else out or Path("runs") / Path(source).stem
    again = ["archsieve", "ask", str(folder)] + [word for name in plugin or [] for word in ("--plugin", name)]
    again += ["--allow-commands"] * allow_commands
    with console.guarded(folder, shlex.join(again)), ExitStack() as stack:
        plugins = load(plugin)
        path = _plan_of(folder) if Path(source).is_dir() else find_plan(source, "run folder or plan file")
        with commands_allowed(allow_commands):
            plan = load_plan(path, plugins)
        shared = shared_by_all(stack, 1, ray=False, repair=repair, durable=durable)
        session = stack.enter_context(_opened(folder, plan, plugins, **shared))
        keep_plan(path, folder, ())
        answer = go_on(plan, session, command=shlex.join(again))
        stack.close()
        if isinstance(answer, Asked):
            _print_asked(answer, plan, folder, at_most, as_json)
            return
        if as_json:
            console.out_json({"asked": [], "waiting": 0, "finished": True})
        if answer.failure:
            raise EstimatorError(answer.failure, session.tracebacks)
        console.note(
            f"The search is finished. Best: {answer.digits}. Details: archsieve report {shlex.quote(str(folder))}"
        )


def tell(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    arch: Annotated[str, typer.Argument(help="Architecture, as `archsieve ask` printed it.")],
    score: Annotated[float | None, typer.Argument(help="Score of the architecture; higher is better.")] = None,
    failed: Annotated[str | None, typer.Option("--failed", help="Reason why the architecture has no score.")] = None,
    durable: Durable = False,
    plugin: Plugins = None,
) -> None:
    """Store the score of an architecture that `ask` printed, or the reason why it has none."""
    with console.guarded():
        plugins = load(plugin)
        with commands_allowed():  # none is run
            plan = load_plan(_plan_of(run), plugins)
        with _opened(run, plan, plugins, durable=durable) as session:
            tell_score(plan, session, arch, score, failed)


def _plan_of(folder: Path) -> Path:
    if not (folder / PLAN_FILE).is_file():
        run = shlex.quote(str(folder))
        raise RunFolderError(
            f"There is no {PLAN_FILE} in {folder}: begin a search with `archsieve ask PLAN --out {run}`."
        )
    return folder / PLAN_FILE


def _opened(folder: Path, plan: Plan, plugins: Sequence[str], **shared: object) -> Session:
    """Return the session of a folder; wait while another command has it open."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return Session(folder, plan.space, plan.task, seed=plan.seed, plugins=plugins, **shared)  # type: ignore[arg-type]
        except RunFolderError as error:
            if "in use" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(0.1)


def _print_asked(asked: Asked, plan: Plan, folder: Path, at_most: int, as_json: bool) -> None:
    digits = [as_digits(arch, plan.space.choices) for arch in asked.archs]
    if as_json:
        console.out_json({"asked": digits[:at_most], "waiting": len(digits), "finished": False})
    else:
        for line in digits[:at_most]:
            console.record(line)
    if len(digits) < at_most:
        console.note(f"Only {len(digits)} can be scored in parallel now. {asked.pace}".rstrip())
    run, measure = shlex.quote(str(folder)), measure_of(plan.task)
    scores = "1 score" if len(digits) == 1 else f"{len(digits)} scores"
    console.note(f"Waiting for {scores} of {asked.estimator!r}: archsieve tell {run} ARCHITECTURE SCORE")
    if not asked.measure.higher_is_better:
        console.note(f"The score is the {asked.measure.title}.")
    elif not measure.higher_is_better:
        console.note(
            f"Of a score higher is better: tell a {measure.name} with a minus sign. To tell it as it is, begin a "
            f"search whose plan says is_metric = true for {asked.estimator!r}."
        )
