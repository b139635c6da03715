"""The command line: every command ends with a result or one sentence, never with a traceback.

A command's module is imported when the command is called: `archsieve --help` needs none of them, nor numpy.
"""

import gc
import io
import os
import sys
import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

try:
    import typer
    from typer.core import TyperGroup
    from typer.main import get_command
except KeyboardInterrupt:
    sys.stderr.write("Interrupted.\n")
    raise SystemExit(130) from None

COMMANDS = {
    "list": (
        "catalogue:list_names",
        "List the names of all spaces, tasks, proxies, estimators, searchers, plans and more.",
    ),
    "score": ("scoring:score", "Score architectures of a space with proxies and costs."),
    "score-model": (
        "own_network:score_model",
        "Score your own PyTorch network with proxies and costs.",
    ),
    "space": (
        "own_space:show_space",
        "Show the search space of your own model: its decisions, its range of sizes and a sample.",
    ),
    "measure": (
        "judging:measure",
        "Measure how well estimators rank a space with known truth: tau, regret, minimum keeping ratio.",
    ),
    "judge": (
        "judging:judge_scores",
        "Measure how well the scores in your own file rank your own truth.",
    ),
    "study": (
        "studying:study",
        "Study which figure of a proxy's ranking (tau, nDCG, minimum keeping ratio, ...) predicts what a search finds.",
    ),
    "plan": (
        "planning:make_plan",
        "Make a plan for a time budget, from the time that a few networks take on this device.",
    ),
    "design": (
        "designing:design_funnel",
        "Design the cheapest funnel that keeps the best network at a stated risk, from a pilot.",
    ),
    "search": ("searching:search", "Run the search of a plan. The same command resumes an interrupted search."),
    "audit": (
        "auditing:audit_run",
        "Audit a search: score a random sample of the networks that it removed, and report what it lost and where.",
    ),
    "ask": (
        "asking:ask",
        "Print the architectures that a search waits for, one per line; nothing if the search is over.",
    ),
    "tell": ("asking:tell", "Store the score of an architecture that `ask` printed, or the reason why it has none."),
    "report": ("searching:report", "Report the results in the folder of a run (finished or not) or of a study."),
    "export": (
        "exporting:export",
        "Export a network of a finished search: source code, torch.export program, ONNX and weights.",
    ),
    "train": (
        "training:train",
        "Train an architecture, or the winner of a search, by a recipe. The same command resumes.",
    ),
    "verify": (
        "verifying:verify",
        "Recompute the figures of a card, in part or in full, and report whether they agree within the tolerance.",
    ),
    "data": (
        "catalogue:data",
        "List the data files that archsieve can use: which are present, and where to get the others.",
    ),
}
"""By name: the function of a command as "module:function" in this package, and its line on the help page."""


def function_of(name: str) -> Any:
    """Return the function of a command, whose module is imported now."""
    module, _, function = COMMANDS[name][0].partition(":")
    path = f"{__name__}.{module}"
    if path not in sys.modules:
        gc.disable()  # nothing of what is imported will ever be garbage, so that nobody need look for it
        try:
            import_module(path)
        finally:
            gc.freeze()
            gc.enable()
    return getattr(sys.modules[path], function)


class LazyCommands(TyperGroup):
    """Commands known by name and help line only; a command's module is imported when it is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name, the command with its options, and the remaining arguments."""
        name, line, rest = super().resolve_command(ctx, args)
        if name not in COMMANDS:
            return name, line, rest
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        # A score may begin with a minus sign, which is then no option.
        settings = {"ignore_unknown_options": name == "tell"}
        alone.command(name, context_settings=settings)(function_of(name))
        return name, get_command(alone), rest


def _line() -> None:
    """Return a placeholder for a command whose module is not imported yet."""


app = typer.Typer(
    name="archsieve",
    cls=LazyCommands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Neural architecture search as a funnel of performance estimators.",
)
for _name, (_, _help) in COMMANDS.items():
    app.command(_name, help=_help)(_line)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        try:
            own = version("archsieve")
        except PackageNotFoundError:
            own = "of an unknown version"
        typer.echo(f"archsieve {own}")
        raise typer.Exit


@app.callback()
def _options(
    is_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Neural architecture search as a funnel of performance estimators."""


_began: list[float] = []  # when this process did, where it is a command's


def began() -> float | None:
    """Return the `time.perf_counter` value at the start of this process; None if the process runs several commands."""
    return _began[0] if _began else None


def _open_streams() -> None:
    """Put the null device in the place of closed standard streams.

    A file opened later would take the number of a closed stream, and what a worker or a library prints would go
    into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)  # which makes it inheritable
            if null != number:
                os.close(null)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _escape_the_unprintable() -> None:
    """Let standard streams write an escape for a character that their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line."""
    _began.append(time.perf_counter() - time.process_time())
    _open_streams()
    _escape_the_unprintable()
    from archsieve._interrupts import end_at_once_on_signals

    end_at_once_on_signals()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:  # of what no command prints: its help, the version
        from archsieve.cli.lines import discard, note, output_fails

        discard(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            note(f"Error: {output_fails(error)}")
        sys.exit(1)
