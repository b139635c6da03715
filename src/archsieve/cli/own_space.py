"""The command that shows the search space of a user's own model."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsieve.cli import printing as console
from archsieve.cli.options import Json, Plugins, Seed, TaskName, load
from archsieve.cli.own_network import input_of
from archsieve.errors import SettingError, require
from archsieve.networks.form import inputs_of
from archsieve.plans.changes import apply_changes
from archsieve.plans.parts import make
from archsieve.plans.plugins import load_model
from archsieve.randomness import generator
from archsieve.spaces.choices.factory import OF_THE_TASK, found_by
from archsieve.spaces.contract import size
from archsieve.spaces.form import Form
from archsieve.tasks.form_only import FormOnly

if TYPE_CHECKING:
    from archsieve.spaces.choices.exploration import Decision
    from archsieve.spaces.choices.space import OwnSpace
    from archsieve.spaces.contract import Architecture


@dataclass(frozen=True)
class NetworkSize:
    """An architecture in its notation and its size; `macs` is None if the network rejects the inputs."""

    architecture: str
    params: int
    macs: int | None


@dataclass(frozen=True)
class SpaceReport:
    """The search space of a model: its decisions, its number of codes, and sample networks.

    Attributes:
        least: the smallest network that single moves reach, by parameters.
        most: the largest.
        sample: one drawn by the seed.
        note: why multiply-adds are not known; else empty.
        shape: of an input, where the factory was told that of the task; else empty.
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
    shape: tuple[int, ...] = ()


def show_space(
    factory: Annotated[
        str, typer.Argument(help="module:name of a class or function that returns a network. It is run.")
    ],
    vary: Annotated[
        list[str] | None,
        typer.Option(help="Options of an argument, as a list of TOML: width=\\[8, 16]. Repeatable."),
    ] = None,
    task: TaskName = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting of the task: NAME=VALUE. Repeatable.")
    ] = None,
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
        parts: dict[str, dict[str, Any]] = {"vary": {}, "task": {}}
        apply_changes(parts, vary or (), own="vary")
        apply_changes(parts, change or (), own="task")
        settings = {"name": "own", "factory": name, "vary": parts["vary"], "explore": explore}
        trusted = [*plugins, name.partition(":")[0]]
        form = _form(task, parts["task"], shape, outputs, trusted)
        space: OwnSpace = make("space", settings, trusted)
        if (task or shape) and space.is_told_shape:
            space = replace(space, shape=tuple(form.input_shape))
        report = _report(space, form, seed)
        if as_json:
            console.out_json(report)
        else:
            _print(report)


def _form(task: str | None, settings: dict[str, Any], shape: str | None, outputs: int, plugins: list[str]) -> Any:
    """Return the input form that networks are counted for: the task's, or one given by a shape."""
    if settings and task is None:
        raise SettingError(f"--set changes the task ({', '.join(settings)}): name it with --task.")
    if shape is None:
        return FormOnly.of(make("task", {"name": task or "cifar10", **settings}, plugins))
    if task is not None:
        raise SettingError(f"--task {task} and --shape both define the inputs: use one of them.")
    given = input_of(shape)
    return Form(given.shape, outputs, (given,))


def _report(space: OwnSpace, task: Any, seed: int) -> SpaceReport:
    reasons: list[str] = []

    def sized(arch: Architecture) -> NetworkSize:
        from archsieve.networks.counting import count_macs, count_params, examined
        from archsieve.networks.inputs import example_of

        params = examined(lambda: space.build(arch, task), lambda network: count_params(network, example_of(task)))
        macs = None
        try:
            macs = examined(lambda: space.build(arch, task), lambda network: count_macs(network, example_of(task)))
        except Exception as error:  # of any kind: a network that does not take these inputs
            reasons.append(shortened(str(error)) or type(error).__name__)
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
        note=f"No multiply-adds: it does not take {_inputs(task)}. Name its inputs with --shape or --task. "
        f"Its error was: {reasons[0]}"
        if reasons
        else "",
        shape=space.shape,
    )


def shortened(text: str, most: int = 150) -> str:
    """Return a text as one line, cut between words, with dots in place of the rest."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most].rpartition(' ')[0]} ..."


def _arguments(factory: str) -> str:
    """Return the arguments of a factory that may be varied, as text."""
    arguments = inspect.signature(found_by(factory)).parameters
    return ", ".join(name for name in arguments if name not in OF_THE_TASK)


def _inputs(task: Any) -> str:
    return f"inputs of {' and '.join(map(str, inputs_of(task)))}"


def _print(report: SpaceReport) -> None:
    """Print the decisions as a table, and the sizes of four networks."""
    if not report.decisions:
        arguments = _arguments(report.factory)
        console.out(
            f"{report.factory} asks for no decision: it is one network. Its constructor may ask: "
            f'`width = archsieve.choice("width", [16, 32])`'
            + (f'; or give options of an argument: --vary "NAME=[...]", of {arguments}.' if arguments else ".")
        )
    else:
        count = len(report.decisions)
        console.out(f"{report.factory}: {count} decision{'s' * (count > 1)}, {report.codes:,} codes at most.\n")
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
    shape = f", shape = {list(report.shape)}" if report.shape else ""
    console.note(f'In a plan: [space] name = "own", factory = "{report.factory}"{shape}; pass its file with --plugin.')
