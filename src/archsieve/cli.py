"""The command line: every command ends in one sentence or a result, never in a traceback.

Over 300 lines, since a command is mostly the declaration of its options.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from archsieve import console
from archsieve.benchmark import task_of
from archsieve.config import find_plan, load_model, load_plan, load_plugin, make, noise_task, plan_names
from archsieve.errors import require
from archsieve.executor import Processes, Ray, Serial
from archsieve.figures import study_figures
from archsieve.files import replace_file
from archsieve.judge import judge, judge_file
from archsieve.plan import forecast, run_plan
from archsieve.registry import BENCHMARKS, ESTIMATORS, PROXIES, SEARCHERS, SPACES, TASKS
from archsieve.report import read_rows, read_run, to_csv
from archsieve.run_folder import PLAN_FILE, write_json
from archsieve.session import Session
from archsieve.spaces.own_model import ONLY, OwnModel, check_fit
from archsieve.study import PROXIES as STUDIED
from archsieve.study import mkr_study
from archsieve.tables import Recorded, shipped, whole_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.space import Architecture, SearchSpace

app = typer.Typer(
    name="archsieve",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Neural architecture search as a funnel of performance estimators.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Plugins = Annotated[list[str] | None, typer.Option("--plugin", help="A Python file of yours to import first.")]
Proxies = Annotated[list[str] | None, typer.Option("--proxy", help="A proxy or cost; may be repeated.")]
Seed = Annotated[int, typer.Option(help="Seed of everything drawn.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or mps.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes to score in.")]
OnRay = Annotated[bool, typer.Option("--ray", help="Score on Ray instead of local processes.")]
TaskName = Annotated[str | None, typer.Option("--task", help="Name of the task. [default: cifar10, else noise]")]
Recompute = Annotated[bool, typer.Option("--recompute", help="Compute also what the shipped score tables hold.")]
RunFolder = Annotated[Path | None, typer.Option("--out", help="Folder to keep results in, and to go on from.")]
Epsilon = Annotated[float, typer.Option(min=0, help="What lacks no more to the best is near it, in the truth's unit.")]
Bootstrap = Annotated[int, typer.Option(min=0, help="Draw the codes anew so often, for intervals.")]
BASELINES = ("params", "macs", "chance")
CATALOGUES = {
    "spaces": SPACES,
    "tasks": TASKS,
    "benchmarks": BENCHMARKS,
    "proxies": PROXIES,
    "estimators": ESTIMATORS,
    "searchers": SEARCHERS,
}


def main() -> None:
    """Run the command line."""
    app()


@app.command("list")
def list_names(
    kind: Annotated[str | None, typer.Argument(help=f"One of {', '.join(CATALOGUES)}, plans, tables.")] = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """List what is there by name."""
    with console.guarded():
        _load(plugin)
        names = {k: list(catalogue) for k, catalogue in CATALOGUES.items()} | {"plans": plan_names()}
        names["tables"] = [table.name for table in shipped()]
        if kind is not None and kind not in names:
            raise typer.BadParameter(f"{kind!r} is none of {', '.join(names)}.")
        chosen = names if kind is None else {kind: names[kind]}
        if as_json:
            console.out_json(chosen)
            return
        for title, entries in chosen.items():
            console.out(f"{title}: {', '.join(entries)}")


@app.command()
def score(
    space: Annotated[str, typer.Argument(help="Name of the space.")],
    archs: Annotated[list[str], typer.Argument(help="Architectures in the space's notation.")],
    proxy: Proxies = None,
    task: TaskName = None,
    seed: Seed = 0,
    device: Device = "cpu",
    workers: Workers = 1,
    ray: OnRay = False,
    recompute: Recompute = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Score architectures by proxies and costs."""
    with console.guarded(), ExitStack() as stack:
        plugins, shared = _load(plugin), _shared(stack, workers, ray, recompute)
        estimators = [make("estimator", name, plugins) for name in proxy or ["params", "macs"]]
        the_space = make("space", space, plugins)
        codes = [the_space.parse(text) for text in archs]
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        the_task = _task(task, estimators, plugins, the_space, None if recompute else seed)
        session = Session(folder, the_space, the_task, seed=seed, device=device, plugins=plugins, **shared)
        _score(stack, session, estimators, codes, as_json)


@app.command("score-model")
def score_model(
    model: Annotated[str, typer.Argument(help="module:function that returns a torch.nn.Module; it is run.")],
    proxy: Proxies = None,
    task: TaskName = None,
    shape: Annotated[str | None, typer.Option(help="Shape of an input of noise, e.g. 3x224x224.")] = None,
    outputs: Annotated[int | None, typer.Option(min=2, help="Classes. [default: the task's]")] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Score a network of your own by proxies and costs, with the weights its own code gives it."""
    with console.guarded(), ExitStack() as stack:
        space = OwnModel(load_model(model))
        plugins = [*_load(plugin), space.factory.partition(":")[0]]
        settings = [
            {"name": name, "init": "as_built"} if name in PROXIES else name for name in proxy or ["params", "macs"]
        ]
        estimators = [make("estimator", setting, plugins) for setting in settings]
        the_task = noise_task(shape, outputs) if shape or outputs else _task(task, estimators, plugins)
        check_fit(space, the_task)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        session = Session(
            folder, space, the_task, seed=seed, device=device, plugins=plugins, **_shared(stack, 1, False)
        )
        _score(stack, session, estimators, [ONLY], as_json)


@app.command()
def measure(
    space: Annotated[str, typer.Argument(help="Name of the space.")],
    proxy: Proxies = None,
    lookup: Annotated[list[str] | None, typer.Option(help="A recorded column as estimator; may be repeated.")] = None,
    truth: Annotated[str | None, typer.Option(help="The true column. [default: the benchmark's]")] = None,
    benchmark: Annotated[str | None, typer.Option(help="Name of the table. [default: the first one present]")] = None,
    distinct: Annotated[bool, typer.Option("--distinct", help="One code a network, instead of all codes.")] = False,
    max_params: Annotated[float | None, typer.Option(help="Only among networks of so many parameters.")] = None,
    max_macs: Annotated[float | None, typer.Option(help="Only among networks of so many multiply-adds.")] = None,
    epsilon: Epsilon = 0.1,
    bootstrap: Bootstrap = 0,
    task: TaskName = None,
    seed: Seed = 0,
    device: Device = "cpu",
    workers: Workers = 1,
    ray: OnRay = False,
    recompute: Recompute = False,
    out: RunFolder = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Measure how well estimators rank a whole space: tau, precision, regret, minimum keeping ratio.

    Beside them stand the baselines: parameters, multiply-adds, and chance.
    """
    with console.guarded(out, "the same command"), ExitStack() as stack:
        plugins, shared = _load(plugin), _shared(stack, workers, ray, recompute)
        the_space = _space(space, benchmark, plugins)
        estimators = [make("estimator", name, plugins) for name in proxy or []]
        estimators += [make("estimator", {"name": "lookup", "column": column}, plugins) for column in lookup or []]
        estimators += [make("estimator", n) for n in BASELINES if n not in {e.name for e in estimators}]
        limits = {"params": max_params, "macs": max_macs}
        session = stack.enter_context(
            Session(
                out or stack.enter_context(tempfile.TemporaryDirectory()),
                the_space,
                _task(task, estimators, plugins, the_space, None if recompute else seed, benchmark),
                seed=seed,
                device=device,
                plugins=plugins,
                **shared,
            )
        )
        found = judge(
            session,
            estimators,
            truth=truth,
            benchmark=benchmark,
            distinct=distinct,
            limits={cost: most for cost, most in limits.items() if most is not None},
            epsilon=epsilon,
            bootstraps=bootstrap,
        )
        stack.close()
        if as_json:
            console.out_json(found)
            return
        console.judgements(found)


@app.command("judge")
def judge_scores(
    file: Annotated[Path, typer.Argument(help="CSV or parquet file with a column of scores an estimator.")],
    truth: Annotated[str, typer.Option(help="The column that holds the truth.")],
    epsilon: Epsilon = 0.1,
    bootstrap: Bootstrap = 0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Judge scores of your own against a truth of your own, as `measure` does."""
    with console.guarded():
        found = judge_file(file, truth, epsilon=epsilon, bootstraps=bootstrap, seed=seed)
        (console.out_json if as_json else console.judgements)(found)


@app.command()
def study(
    kind: Annotated[Literal["mkr"], typer.Argument(help="mkr: does it, or tau, tell what a search will find?")],
    space: Annotated[str, typer.Argument(help="Name of the space.")],
    out: Annotated[Path, typer.Option(help="Folder for figures, numbers and scores.")],
    proxy: Proxies = None,
    truth: Annotated[list[str] | None, typer.Option(help="A true column; may be repeated.")] = None,
    benchmark: Annotated[str | None, typer.Option(help="Name of the table. [default: the first one present]")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Searches by proxy and searcher.")] = 20,
    budget: Annotated[int, typer.Option(min=50, help="Evaluations of a search.")] = 1000,
    seed: Seed = 0,
    workers: Workers = 1,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Study how what searches find goes with tau and with the minimum keeping ratio of what they maximise."""
    with console.guarded(out, "the same command"), ExitStack() as stack:
        require("matplotlib", "report")  # before what takes long
        plugins, shared = _load(plugin), _shared(stack, workers, False)
        the_space = _space(space, benchmark, plugins)
        estimators = [make("estimator", name, plugins) for name in proxy or STUDIED]
        if not proxy:  # what no shipped table holds would take hours
            kept = [e for e in estimators if not hasattr(e, "needs") or whole_table(the_space, [e], seed)]
            if absent := [e.name for e in estimators if e not in kept]:
                console.note(f"Left out, since no shipped table holds it (ask by --proxy): {', '.join(absent)}.")
            estimators = kept
        the_task = _task(None, estimators, plugins, the_space, seed, benchmark)
        session = stack.enter_context(Session(out, the_space, the_task, seed=seed, plugins=plugins, **shared))
        found = mkr_study(session, estimators, truths=truth or (), benchmark=benchmark, seeds=seeds, budget=budget)
        stack.close()
        write_json(out / "study.json", asdict(found))
        figures = study_figures(found, out)
        if as_json:
            console.out_json(found)
            return
        console.study(found)
        console.out(
            f"Figures and numbers: {', '.join(str(p) for p in figures if p.suffix == '.png')}, {out}/study.json"
        )


@app.command()
def search(
    plan: Annotated[str, typer.Argument(help="A plan file, or the name of a shipped plan.")],
    out: RunFolder = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the stages, counts and estimated costs, and stop.")
    ] = False,
    device: Device = "cpu",
    workers: Workers = 1,
    ray: OnRay = False,
    recompute: Recompute = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Keep losses for TensorBoard.")] = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Search by a plan; started again, it goes on from what its folder holds."""
    folder = out or Path("runs") / Path(plan).stem
    again = ["archsieve", "search", plan, "--out", str(folder)] + ["--ray"] * ray
    again += [] if device == "cpu" else ["--device", device]
    again += [] if workers == 1 else ["--workers", str(workers)]
    again += ["--recompute"] * recompute + ["--tensorboard"] * tensorboard
    again += [word for name in plugin or [] for word in ("--plugin", name)]
    with console.guarded(None if dry_run else folder, shlex.join(again)), ExitStack() as stack:
        plugins = _load(plugin)
        path = find_plan(plan)
        chosen = load_plan(path, plugins)
        if dry_run:
            console.forecast(forecast(chosen), as_json)
            return
        shared = _shared(stack, workers, ray, recompute)
        shared |= {"seed": chosen.seed, "device": device, "plugins": plugins, "tensorboard": tensorboard}
        session = stack.enter_context(Session(folder, chosen.space, chosen.task, **shared))
        if path.resolve() != (folder / PLAN_FILE).resolve():
            with replace_file(folder / PLAN_FILE) as copy:
                shutil.copyfile(path, copy)
        result = run_plan(chosen, session, on_round=console.note_round)
        stack.close()
        if as_json:
            console.out_json(result)
        else:
            console.result(result, folder)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    csv: Annotated[bool, typer.Option("--csv", help="Print every stored score as CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Report what a run folder holds, finished or not."""
    with console.guarded():
        if csv:
            typer.echo(to_csv(read_rows(run)), nl=False)
            return
        found = read_run(run)
        if as_json:
            console.out_json(found)
            return
        if found.result is None:
            console.out("This run is not finished. Stored so far:")
        else:
            console.stages(found.result["stages"])
            console.out(f"\nBest: {found.result['best']}\n")
        stored = ("estimator", "scored", "failures", "seconds", "best", "best_score")
        console.table(stored, [[getattr(e, c) for c in stored] for e in found.estimators])
        for failure in found.failures:
            console.out(f"{failure.estimator} could not score {failure.architecture}: {failure.reason}")


@app.command()
def data(
    check: Annotated[bool, typer.Option("--check", help="Compare every file's hash with the recorded one.")] = False,
    as_json: Json = False,
) -> None:
    """List the data files archsieve knows, which are there, and where the others come from."""
    with console.guarded():
        rows = [
            {"used_by": name, "file": s.file, "state": s.state(check=check), "licence": s.licence}
            | {"origin": s.origin, "citation": s.citation, "path": str(s.find() or "")}
            for name, s in _sources()
        ]
        if as_json:
            console.out_json(rows)
        else:
            for row in rows:
                console.out(f"{row['file']}: {row['state']}  (for {row['used_by']}; licence: {row['licence']})")
                console.out(f"    {row['path'] or 'from ' + row['origin']}")
        if check and any(row["state"] == "differs" for row in rows):
            console.note("A file differs from the version archsieve knows: see the state above, and fetch it again.")
            raise typer.Exit(1)


def _score(
    stack: ExitStack, session: Session, estimators: Sequence[Any], codes: Sequence[Architecture], as_json: bool
) -> None:
    """Score and print a row an architecture; what could not be scored is said below."""
    stack.enter_context(session)
    found = session.scores(estimators, codes)
    errors = {e.name: session.failures(e, codes) for e in estimators if hasattr(e, "version")}
    stack.close()
    describe = session.space.describe
    rows = [
        {"architecture": describe(code), **dict(zip([e.name for e in estimators], row, strict=True))}
        for code, row in zip(codes, found.tolist(), strict=True)
    ]
    if as_json:
        console.out_json(rows)
    else:
        console.table(list(rows[0]), [list(row.values()) for row in rows])
    for name, reasons in errors.items():
        for code, reason in reasons.items():
            console.note(f"{name} could not score {describe(code)}: {reason}")


def _sources() -> list[tuple[str, Any]]:
    benchmarks = [(name, BENCHMARKS[name].source) for name in BENCHMARKS]
    tasks = [(name, source) for name in TASKS for source in getattr(TASKS[name], "sources", ())]
    return benchmarks + tasks


def _load(plugins: Sequence[str] | None) -> list[str]:
    return [load_plugin(name) for name in plugins or []]


def _space(name: str, benchmark: str | None, plugins: Sequence[str]) -> SearchSpace:
    """Return the named space, with the settings of the benchmark that is named, if it is about such a space."""
    if benchmark is not None and (found := BENCHMARKS[benchmark].space).name == name:
        return cast("SearchSpace", found)
    return cast("SearchSpace", make("space", name, plugins))


def _task(
    name: str | None,
    estimators: Sequence[Any],
    plugins: Sequence[str],
    space: SearchSpace | None = None,
    seed: int | None = None,
    benchmark: str | None = None,
) -> Any:
    """Return the named task, else that of the benchmark, else CIFAR-10 where its images are, else noise of that shape.

    Where shipped tables of this seed hold all the scores, it is that of the table.
    """
    if name is not None:
        return make("task", name, plugins)
    if benchmark is not None and BENCHMARKS[benchmark].task != "cifar10":
        return task_of(BENCHMARKS[benchmark])
    task = make("task", "cifar10")
    if task.is_present():
        return task
    if space is not None and seed is not None:
        proxies = [e for e in estimators if hasattr(e, "needs")]
        if proxies and (table := whole_table(space, proxies, seed)):
            console.note(f"The images of cifar10 are not here: these are the scores of the shipped table {table.name}.")
            return Recorded(table.name)
    if any("data" in getattr(e, "needs", ()) for e in estimators):
        console.note("The images of cifar10 are not here (see `archsieve data`): scoring on noise of their shape.")
    return make("task", "synthetic")


def _shared(stack: ExitStack, workers: int, ray: bool, recompute: bool = False) -> dict[str, Any]:
    """Return what sessions of every command have: the executor and the progress, both ended with the stack; tables."""
    executor = Ray(workers) if ray else Processes(workers) if workers > 1 else nullcontext(Serial())
    shared = {"executor": stack.enter_context(executor), "progress": stack.enter_context(console.progress())}
    return shared | ({"tables": ()} if recompute else {})
