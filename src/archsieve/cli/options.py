"""Options shared by several commands, and the objects made from them."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
import tomli_w
import typer

from archsieve._checksums import with_checksum_line
from archsieve._files import write_text
from archsieve._reading import LARGEST_TOML, read_text
from archsieve.benchmarks.contract import columns_of, task_of
from archsieve.cli import printing as console
from archsieve.cli.progress import progress
from archsieve.errors import SettingError, require
from archsieve.estimators.contract import leaves_of
from archsieve.estimators.size import Size
from archsieve.networks.form import inputs_of
from archsieve.plans.changes import apply_changes, changed_plan, part_in, read_plan
from archsieve.plans.parts import make
from archsieve.plans.plugins import load_plugin
from archsieve.registry import BENCHMARKS, PROXIES
from archsieve.runs.arithmetic import CPU, kind_of
from archsieve.runs.executors import Processes, Ray, Serial
from archsieve.runs.folder import PLAN_FILE
from archsieve.runs.recorded_scores import pictures_of
from archsieve.runs.score_tables import Recorded, shipped, whole_tables
from archsieve.spaces.form import form_of
from archsieve.tasks.contract import completed_task
from archsieve.tasks.form_only import FormOnly
from archsieve.values import seconds_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.spaces.contract import SearchSpace

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Wide = Annotated[bool, typer.Option("--wide", help="Print all figures, in a table wider than 80 columns.")]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin", help="Import this Python file (or module) first: it registers your own parts. Repeatable."
    ),
]
AllowCommands = Annotated[
    bool,
    typer.Option(
        "--allow-commands", help="Run the shell commands in the plan's estimators. Only for plans that you trust."
    ),
]
Proxies = Annotated[
    list[str] | None,
    typer.Option(
        "--proxy",
        help="Proxy to score with, or params, macs. NAME:SETTING=VALUE changes a setting (nwot:batch_size=32), "
        "NAME\\[OPTION=VALUE] an option of the proxy (meco\\[channels=8]), "
        "NAME:repeats=5 scores it so often. Repeatable.",
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of all random draws.")]
Device = Annotated[str, typer.Option(help="Device: cpu, cuda or mps.")]
Workers = Annotated[int, typer.Option(min=1, help="Number of worker processes.")]
WorkerTimeout = Annotated[
    str | None,
    typer.Option(
        "--worker-timeout",
        help="Stop a worker process that needs longer for one chunk of work (e.g. 10m), and retry the chunk. "
        "(default: no limit)",
    ),
]
OnRay = Annotated[bool, typer.Option("--ray", help="Score on Ray instead of local processes.")]
TaskName = Annotated[
    str | None,
    typer.Option(
        "--task", help="Name of the task. (default: that of the space; noise of its shape if its data are missing)"
    ),
]
Recompute = Annotated[
    bool, typer.Option("--recompute", help="Compute every score, even if a shipped score table holds it.")
]
Repair = Annotated[
    bool,
    typer.Option("--repair", help="Leave out damaged rows of the results file, and compute these scores again."),
]
Durable = Annotated[
    bool,
    typer.Option("--durable", help="Write every score to the disk before continuing: a power failure then loses none."),
]
RunFolder = Annotated[
    Path | None,
    typer.Option("--out", help="Run folder: results are stored here, and an interrupted run resumes from here."),
]
Epsilon = Annotated[
    float,
    typer.Option(
        min=0,
        help="Margin below the best true value within which a code counts as near-optimal, in the unit of the truth.",
    ),
]
Bootstrap = Annotated[int, typer.Option(min=0, help="Bootstrap resamples for confidence intervals (0: none).")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a setting: NAME=VALUE of the space (e.g. width=16), task.NAME=VALUE of the task. Repeatable.",
    ),
]
Lookups = Annotated[
    list[str] | None, typer.Option(help="Use a recorded column of the benchmark as an estimator. Repeatable.")
]
PlanChanges = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change the plan: NAME=VALUE of its space (e.g. width=16), task.NAME=VALUE, limits.NAME=VALUE or "
        "seed=VALUE. Repeatable.",
    ),
]
BASELINES = ("params", "macs", "chance")


def baselines(space: SearchSpace) -> tuple[str, ...]:
    """Return the names of the baseline estimators of a measurement; sizes only if the space builds networks."""
    return ("chance",) if getattr(space, "is_recorded", False) else BASELINES


_NOISE_VALUES = 16 * 3 * 224 * 224  # approximate size of a batch of noise in the form of large pictures


def load(plugins: Sequence[str] | None) -> list[str]:
    """Import the user's plugins, and return the names of their modules."""
    return [load_plugin(name) for name in plugins or []]


def lookups(columns: Sequence[str], benchmarks: Sequence[str], plugins: Sequence[str]) -> list[AnyEstimator]:
    """Return the estimators that `--lookup` names: columns of the named benchmarks, else of any of the space."""
    made = []
    for column in columns:
        names = (name for name in benchmarks if column in columns_of(BENCHMARKS[name]))
        part = {"name": "lookup", "column": column, "benchmark": next(names, "")}
        made.append(make("estimator", part, plugins))
    return made


def estimators_named(names: Sequence[str], plugins: Sequence[str], init: str = "") -> list[AnyEstimator]:
    """Return the estimators that `--proxy` names, with their settings; `init` is the default initialisation.

    Raises:
        SettingError: two have the same name and other settings, so that their scores would be called the same.
    """
    made: dict[str, AnyEstimator] = {}
    for text in names:
        table = part_in(text)
        inner = table["estimator"] if isinstance(table.get("estimator"), dict) else table
        if init and inner["name"] in PROXIES:
            inner.setdefault("init", init)
        estimator = make("estimator", table, plugins)
        if made.setdefault(estimator.name, estimator) != estimator:
            raise SettingError(f"Two of --proxy are called {estimator.name!r}: ask for one of them at a time.")
    return [*made.values()]


def space_and_task(
    space: str, task: str | None, changes: Sequence[str] | None, plugins: Sequence[str], benchmark: str | None = None
) -> tuple[SearchSpace, Any]:
    """Return the named space and task with the settings from `--set`; the task is an argument of `task_for`.

    Where a benchmark is named that is about such a space, the settings are those of the benchmark.
    """
    parts: dict[str, dict[str, Any]] = {"space": {}, "task": {}}
    apply_changes(parts, changes or (), own="space")
    the_space = cast("SearchSpace", make("space", {"name": space, **parts["space"]}, plugins))
    if benchmark is not None and (recorded_space := BENCHMARKS[benchmark].space).name == space:
        changed: Any = recorded_space
        the_space = replace(changed, **{name: getattr(the_space, name) for name in parts["space"]})
    if not parts["task"]:
        return the_space, task
    default = the_space.default_task if benchmark is None else BENCHMARKS[benchmark].task
    return the_space, {"name": task or default, **parts["task"]}


def with_settings(task: str | None, changes: Sequence[str] | None) -> str | dict[str, Any] | None:
    """Return the name of a task, or a table of its name and the settings from `--set`.

    Raises:
        SettingError: there are settings, but no task is named.
        PlanError: a setting is not written so.
    """
    if not changes:
        return task
    if task is None:
        raise SettingError(f"--set {changes[0]} is a setting of the task: name the task with --task.")
    parts: dict[str, dict[str, Any]] = {"task": {}}
    apply_changes(parts, changes, own="task")
    return {"name": task, **parts["task"]}


def task_for(
    name: str | dict[str, Any] | None,
    estimators: Sequence[AnyEstimator],
    plugins: Sequence[str],
    space: SearchSpace | None = None,
    seed: int | None = None,
    benchmark: str | None = None,
    device: str = CPU,
) -> Any:
    """Return the named task, else the benchmark's or the space's if its data are present, else noise of its shape.

    Where nothing but costs is asked for it is the task's form alone, which needs no data. Where shipped tables of this
    seed hold all the scores, and the device is the CPU, it is that of the table.
    """
    if space is not None and seed is not None and not offers_tables(device, space, seed):
        seed = None
    if benchmark is None and all(isinstance(leaf, Size) for e in estimators for leaf in leaves_of(e)):
        return FormOnly.of(make("task", name or (space.default_task if space else "cifar10"), plugins))
    if name is not None:
        return make("task", name, plugins)
    if benchmark is not None and BENCHMARKS[benchmark].task != "cifar10":
        task, seed = task_of(BENCHMARKS[benchmark]), None  # no shipped table is about it
    else:
        task = make("task", space.default_task if space else "cifar10", plugins)
    if completed_task(task).is_present():
        return task
    if space is not None and seed is not None:
        proxies = [e for e in estimators if hasattr(e, "needs")]
        if proxies and (tables := whole_tables(space, proxies, seed)):
            names = f"table{'s' * (len(tables) > 1)} {', '.join(table.name for table in tables)}"
            console.note(
                f"The images of {task.name} are missing: the scores come from the shipped {names}, computed on "
                f"{pictures_of(tables[0])}."
            )
            return Recorded(tables[0].name)
    if any("data" in getattr(e, "needs", ()) for e in estimators):
        amount = "" if _is_small(task) else f"{_noise_items(task)} items of "
        console.note(
            f"The images of {task.name} are missing (see `archsieve data`): scoring on {amount}noise of their shape."
        )
    return _noise_of(task)


def _noise_of(task: Any) -> Any:
    """Return a task of the same input and output shapes whose items are noise."""
    if _is_small(task):
        return make("task", "synthetic")
    require("torch", "torch")
    from archsieve.training.rehearsal import noise_like

    return noise_like(task, _noise_items(task))


def _is_small(task: Any) -> bool:
    return form_of(make("task", "synthetic")) == form_of(task)


def _noise_items(task: Any) -> int:
    """Return the number of noise items for a proxy; large items give fewer, to limit memory."""
    return int(np.clip(_NOISE_VALUES // sum(each.size for each in inputs_of(task)), 8, 64))


def offers_tables(device: str, space: SearchSpace, seed: int) -> bool:
    """Whether shipped tables may be used on the device; print a note if only the device rules them out.

    Raises:
        SettingError: the device is not there.
    """
    if kind_of(device) == CPU:
        return True
    from archsieve.networks.building import check_device

    check_device(device)
    if any(table.is_about(space, seed) for table in shipped()):
        console.note(f"The shipped score tables were computed on a CPU: they are not used with --device {device}.")
    return False


def shared_by_all(
    stack: ExitStack,
    workers: int,
    ray: bool,
    recompute: bool = False,
    timeout: str | None = None,
    *,
    repair: bool = False,
    durable: bool = False,
) -> dict[str, Any]:
    """Return the session settings common to all commands; `stack` closes the executor and the progress display."""
    limit = None if timeout is None else seconds_in(timeout, "A --worker-timeout")
    executor: Any = nullcontext(Serial())
    if ray:
        executor = Ray(workers, limit_seconds=limit)
    elif workers > 1 or limit is not None:
        executor = Processes(workers, limit_seconds=limit)
    shared: dict[str, Any] = {"executor": stack.enter_context(executor), "progress": stack.enter_context(progress())}
    shared |= {"notify": console.note, "repair": repair, "durable": durable}
    return shared | ({"tables": ()} if recompute else {})


def keep_plan(path: Path, folder: Path, changes: Sequence[str]) -> None:
    """Store the plan, with its changes, in the run folder."""
    if not changes and path.resolve() == (folder / PLAN_FILE).resolve():
        return
    text = read_text(path, LARGEST_TOML)
    if changes:
        table = tomli_w.dumps(changed_plan(read_plan(path), changes))
        text = f"# {path.name}, changed: {'; '.join(changes)}\n{table}"
    write_text(folder / PLAN_FILE, with_checksum_line(text))
