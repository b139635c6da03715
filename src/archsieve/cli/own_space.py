"""The command that shows what a model of one's own offers to be searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsieve.cli import printing as console
from archsieve.cli.options import Json, Plugins, Seed, TaskName, load
from archsieve.cli.own_network import input_of
from archsieve.errors import SettingError, require
from archsieve.networks.form import inputs_of
from archsieve.plans.changes import apply_changes
from archsieve.plans.read import load_model, make
from archsieve.randomness import generator
from archsieve.spaces.contract import size
from archsieve.spaces.form import Form
from archsieve.tasks.form_only import FormOnly

if TYPE_CHECKING:
    from archsieve.spaces.choices.exploration import Decision
    from archsieve.spaces.choices.space import OwnSpace
    from archsieve.spaces.contract import Architecture


@dataclass(frozen=True)
class NetworkSize:
    """An architecture in its notation and its size; `macs` is None where it does not take the inputs."""

    architecture: str
    params: int
    macs: int | None


@dataclass(frozen=True)
class SpaceReport:
    """What a model offers: its decisions, how many codes they have, and some of its networks.

    Attributes:
        least: the smallest network that single moves reach, by parameters.
        most: the largest.
        sample: one drawn by the seed.
        note: why multiply-adds are not known; else empty.
    """

    factory: str
    decisions: tuple[Decision, ...]
    codes: int
    runs: int
    default: NetworkSize
    least: NetworkSize
    most: NetworkSize
    sample: NetworkSize
    note: str


def show_space(
    factory: Annotated[
        str, typer.Argument(help="module:name of a class or function that returns a network. It is run.")
    ],
    vary: Annotated[
        list[str] | None,
        typer.Option(help="Options of an argument, as a list of TOML: width=\\[8, 16]. Repeatable."),
    ] = None,
    task: TaskName = None,
    shape: Annotated[str | None, typer.Option(help="Shape of an input, e.g. 3x224x224 or 128:tokens=30522.")] = None,
    outputs: Annotated[int, typer.Option(min=1, help="Outputs of the network, with --shape.")] = 10,
    explore: Annotated[
        int,
        typer.Option(
            min=1, help="Stop looking for decisions after this many random runs in a row that find no new one."
        ),
    ] = 30,
    seed: Seed = 0,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Show the search space of your own model: its decisions, its range of sizes and a sample."""
    with console.guarded():
        require("torch", "torch")
        plugins, name = load(plugin), load_model(factory)
        parts: dict[str, dict[str, Any]] = {"vary": {}}
        apply_changes(parts, vary or (), own="vary")
        settings = {"name": "own", "factory": name, "vary": parts["vary"], "explore": explore}
        space: OwnSpace = make("space", settings, [name.partition(":")[0]])
        report = _report(space, _form(task, shape, outputs, plugins), seed)
        if as_json:
            console.out_json(report)
        else:
            _print(report)


def _form(task: str | None, shape: str | None, outputs: int, plugins: list[str]) -> Any:
    """Return what networks are counted for: the task's form, or inputs of a shape."""
    if shape is None:
        return FormOnly.of(make("task", task or "cifar10", plugins))
    if task is not None:
        raise SettingError(f"--task {task} and --shape both define the inputs: use one of them.")
    given = input_of(shape)
    return Form(given.shape, outputs, (given,))


def _report(space: OwnSpace, task: Any, seed: int) -> SpaceReport:
    notes: dict[str, None] = {}

    def sized(arch: Architecture) -> NetworkSize:
        from archsieve.networks.counting import count_macs, count_params, examined
        from archsieve.networks.inputs import example_of

        params = examined(lambda: space.build(arch, task), lambda network: count_params(network, example_of(task)))
        macs = None
        try:
            macs = examined(lambda: space.build(arch, task), lambda network: count_macs(network, example_of(task)))
        except Exception as error:  # of any kind: a network that does not take these inputs
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            notes[f"No multiply-adds: it does not take {_inputs(task)} ({reason[:150]}): say --shape or --task."] = None
        return NetworkSize(space.describe(arch), int(params), macs)

    least, most = (space.climbed(to_most=to_most) for to_most in (False, True))
    sample = space.sample(generator(seed, "sample", "shown"))
    return SpaceReport(
        factory=space.factory,
        decisions=space.decisions,
        codes=size(space),
        runs=space.explored.runs,
        default=sized(space.default),
        least=sized(least),
        most=sized(most),
        sample=sized(sample),
        note=" ".join(notes),
    )


def _inputs(task: Any) -> str:
    return f"inputs of {' and '.join(map(str, inputs_of(task)))}"


def _print(report: SpaceReport) -> None:
    """Print the decisions as a table, and the sizes of four networks."""
    if not report.decisions:
        console.out(f"{report.factory} asks for no decision: it is one network.")
    else:
        console.out(f"{report.factory}: {len(report.decisions)} decisions, {report.codes:,} codes at most.\n")
        console.table(
            ("decision", "options", "of modules"),
            [(d.name, ", ".join(d.options), "yes" if d.is_module else "") for d in report.decisions],
        )
    console.out()
    shown = [("default", report.default)]
    shown += [("least", report.least), ("most", report.most), ("sample", report.sample)] if report.decisions else []
    console.table(("network", "params", "macs"), [(name, n.params, n.macs) for name, n in shown])
    for name, network in shown if report.decisions else ():
        console.out(f"{name}: {network.architecture}")
    if report.decisions:
        console.out("Least and most by parameters are what single changes reach; others may lie beyond.")
    if report.note:
        console.note(report.note)
    console.note(f'In a plan: [space] name = "own", factory = "{report.factory}"; give its file by --plugin.')
