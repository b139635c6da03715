"""Pages of reference made from the code: commands, plan file, parts by name, Python, errors."""

from __future__ import annotations

import inspect
import re
import typing
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from typer.models import OptionInfo

import archsieve
from archsieve import errors
from archsieve.cli import COMMANDS, function_of
from archsieve.plans.contract import Plan, Pool
from archsieve.registry import BENCHMARKS, ESTIMATORS, PROXIES, SEARCHERS, SPACES, TASKS
from archsieve.retraining.recipe_files import recipe_names
from archsieve.searchers.contract import Stage
from archsieve.spaces.limits import Limits
from archsieve.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

ROW_OF_DROP = (
    "drop",
    "list of fractions",
    "",
    "Instead of `keep`: after epoch i of a training estimator, drop the fraction `drop[i]`. One stage for each epoch.",
)


def commands() -> str:
    """Return the page of all commands with their arguments and options."""
    lines = ["# Commands", "", "Made from the command line itself: `archsieve COMMAND --help` prints the same.", ""]
    lines += ["| command | what it does |", "|---|---|"]
    lines += [f"| [`{name}`](#archsieve-{name}) | {line} |" for name, (_, line) in COMMANDS.items()]
    lines += ["", "Exit codes: 0 success, 1 an error (one sentence on standard error), 2 wrong usage, 130 interrupted.", ""]
    for name in COMMANDS:
        lines += _command(name)
    return "\n".join(lines)


def _command(name: str) -> list[str]:
    """Return the lines of a command: usage, what it does, arguments, options."""
    function = function_of(name)
    arguments, options = [], []
    for parameter in parameters_of(function):
        (options if isinstance(parameter.info, OptionInfo) else arguments).append(parameter)
    usage = " ".join([name, *(_placeholder(p) for p in arguments), "[OPTIONS]"])
    lines = [f"## archsieve {name}", "", f"    archsieve {usage}", "", inspect.cleandoc(function.__doc__ or ""), ""]
    if arguments:
        lines += ["| argument | type | meaning |", "|---|---|---|"]
        lines += [f"| `{_placeholder(p)}` | {p.type} | {_help(p)} |" for p in arguments]
        lines.append("")
    lines += ["| option | type | default | meaning |", "|---|---|---|---|"]
    lines += [f"| `{', '.join(_spellings(p))}` | {p.type} | {p.shown} | {_help(p)} |" for p in options]
    return [*lines, ""]


class Parameter(typing.NamedTuple):
    """An argument or option of a command."""

    name: str
    info: Any
    type: str
    default: Any

    @property
    def shown(self) -> str:
        """The default as the page has it."""
        if self.default is inspect.Parameter.empty:
            return "required"
        return "" if self.default in (None, False, "") else f"`{self.default}`"


def parameters_of(function: Any) -> list[Parameter]:
    """Return the arguments and options of a command's function."""
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = []
    for name, each in inspect.signature(function).parameters.items():
        kind, info = typing.get_args(hints[name])[:2]
        parameters.append(Parameter(name, info, _kind(kind), each.default))
    return parameters


def _kind(annotation: Any) -> str:
    """Return the type of an argument or option in words."""
    text = getattr(annotation, "__name__", str(annotation)) if isinstance(annotation, type) else str(annotation)
    text = text.removesuffix(" | None")
    if options := typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ():
        return "one of " + ", ".join(map(str, options))
    words = {"bool": "switch", "int": "whole number", "float": "number", "str": "text", "list[str]": "text, repeatable"}
    return words.get(text, "path" if "Path" in text else text)


def _help(parameter: Parameter) -> str:
    """Return the help of an argument or option as a cell, without the backslashes that keep brackets out of markup."""
    return _cell((parameter.info.help or "").replace("\\[", "["))


def _spellings(parameter: Parameter) -> list[str]:
    declared = (parameter.info.default, *(parameter.info.param_decls or ()))  # typer puts the first one there
    spellings = [each for each in declared if isinstance(each, str) and each.startswith("-")]
    return spellings or ["--" + parameter.name.replace("_", "-")]


def _placeholder(parameter: Parameter) -> str:
    name = (parameter.info.metavar or parameter.name).upper()
    name += "..." if "repeatable" in parameter.type else ""
    return name if parameter.default is inspect.Parameter.empty else f"[{name}]"


def plan_file() -> str:
    """Return the page of all keys of a plan file."""
    lines = [
        "# Plan file",
        "",
        "A plan is a TOML file. [Write a plan](../plans.md) explains it by example; this page lists every key. A key",
        "that nobody knows is an error, and the error names the closest known key.",
        "",
        "A **part** (space, task, estimator, searcher) is a name, `space = \"nasbench201\"`, or a table of a name and",
        "settings, `space = { name = \"nasbench201\", width = 8 }`. [Parts by name](catalogue.md) lists names and settings.",
        "",
        "## Top level",
        "",
        *_table(Plan, rename={"stages": "stage", "ceiling": ""}),
        "| `limits` | table | none | Limits of size and latency: only architectures within them are searched. See below. |",
        "| `objectives` | list of estimators | none | The estimators of the last stage, where there are several objectives. |",
        "",
        "## `[[stage]]`",
        "",
        _first_line(Stage),
        "",
        *_table(Stage),
        "| `" + "` | ".join(ROW_OF_DROP[:1]) + "` | " + " | ".join(ROW_OF_DROP[1:]) + " |",
        "",
        "## `[pool]`",
        "",
        "`pool = \"all\"` (the default) takes every network of the space. A table has these keys:",
        "",
        *_table(Pool),
        "",
        "## `[limits]`",
        "",
        *_table(Limits),
        "| `max_latency_ms` | number | none | Limit of what `latency` measures. See [latency](../latency.md). |",
        "| `latency` | estimator | `latency` | What measures: `latency` or a `command`. |",
        "| `latency_edge` | number | 0.1 | How near the limit a network is measured again, as a share of the limit. |",
        "",
        "## Recipe of a training",
        "",
        "`archsieve train --recipe FILE` reads another kind of TOML file. Its keys, beside the tables `[space]` and "
        "`[task]` (`epochs` stands for `horizon`):",
        "",
        *_table(Recipe),
        "",
        f"Shipped recipes: {', '.join(f'`{name}`' for name in recipe_names())}.",
        "",
    ]
    return "\n".join(lines)


def catalogue() -> str:
    """Return the page of all parts by name, with their settings."""
    lines = ["# Parts by name", "", "`archsieve list` prints the names. A plan sets the settings.", ""]
    for title, registry in (
        ("Spaces", SPACES),
        ("Tasks", TASKS),
        ("Estimators", ESTIMATORS),
        ("Searchers", SEARCHERS),
    ):
        lines += [f"## {title}", ""]
        for name in sorted(registry):
            lines += _part(name, registry[name])
    lines += ["## Proxies", "", "[Zero-cost proxies](../proxies.md) says what each one reads and where it works.", ""]
    lines += ["| proxy | what it scores |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(_scored(PROXIES[name].function))} |" for name in sorted(PROXIES)]
    lines += ["", "## Benchmarks", "", "| benchmark | what it knows |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(_first_line(type(BENCHMARKS[name])))} |" for name in sorted(BENCHMARKS)]
    return "\n".join([*lines, ""])


def python() -> str:
    """Return the page of the public names of Python, which mkdocstrings fills from the sources."""
    lines = [
        "# Python",
        "",
        "Public is what `archsieve.__all__` lists, with the modules `archsieve.testing`, `archsieve.randomness` and",
        "`archsieve.spaces.layers`. All other modules may change ([what stays stable](../promises.md)).",
        "",
    ]
    homes = archsieve._HOMES  # noqa: SLF001 - the one place that says where a public name lives
    registries = sorted(name for name, home in homes.items() if home == "registry")
    lines += [f"The catalogues are {', '.join(f'`{name}`' for name in registries)}: mappings from a name to a part.", ""]
    lines += [f"::: archsieve.{homes[name]}.{name}\n" for name in sorted(homes, key=str.lower) if name not in registries]
    lines += ["::: archsieve.randomness\n    options:\n      show_root_full_path: true\n"]
    return "\n".join(lines)


def error_page() -> str:
    """Return the page of all errors."""
    lines = [
        "# Errors",
        "",
        "Every error that archsieve raises on purpose is an `archsieve.ArchsieveError`, and also the built-in error that",
        "a caller would guess. At the command line an error is one sentence and exit code 1, never a traceback. The",
        "sentence says what is wrong, the value, and what to do.",
        "",
        "| error | is also | when |",
        "|---|---|---|",
    ]
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.ArchsieveError)]
    for each in classes:
        builtin = next((b.__name__ for b in each.__mro__ if b.__module__ == "builtins"), "")
        lines.append(f"| `{each.__name__}` | `{builtin}` | {_cell(_first_line(each))} |")
    return "\n".join([*lines, "", (_WHAT_TO_DO).strip(), ""])


_WHAT_TO_DO = """
## What to do

| message begins | reason | what to do |
|---|---|---|
| `There is no space 'x'` (task, estimator, ...) | the name is not registered | take the suggested name, or add `--plugin FILE` |
| `In the plan FILE: ... has no key 'x'` | a misspelt key | take the suggested key; [all keys](plan_file.md) |
| `This needs the package 'x'` | an optional package is missing | run the printed `pip install 'archsieve[EXTRA]'` |
| `... is not there` for a data file | the file is not in `ARCHSIEVE_DATA` | `archsieve data` prints where it comes from |
| a run folder was made for another space or task | the folder holds other scores | choose another `--out` |
| a run folder is in use | another process writes into it | wait for it, or stop it |
| `... would run code of the module` | a plan names Python code | if you trust it, add `--plugin FILE` |

A network that cannot be scored is no error of the run: the reason is stored, the network ranks last, and the report
counts it. `archsieve search PLAN --out RUN --retry-failed` scores again what failed.
"""

PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands,
    "reference/plan_file.md": plan_file,
    "reference/catalogue.md": catalogue,
    "reference/python.md": python,
    "reference/errors.md": error_page,
}
"""By path in the site: the function that makes the page."""


def _part(name: str, entry: Any) -> list[str]:
    """Return the lines of a part: what it is, and its settings."""
    cls = entry.func if isinstance(entry, partial) else entry
    lines = [f"### {name}", "", _first_line(cls), ""]
    if is_dataclass(cls) and any(f.init for f in fields(cls)):
        lines += [*_table(typing.cast("type", cls)), ""]
    return lines


def _table(cls: type, rename: dict[str, str] | None = None) -> list[str]:
    """Return a table of a dataclass's settings, by the names of plans; a setting renamed to nothing is left out."""
    meanings = arguments_of(cls)
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for f in fields(cls):  # type: ignore[arg-type]
        if f.init and (rename or {}).get(f.name, f.name):
            kind = f.metadata.get("catalogue") or _plain(str(f.type))
            default = "" if f.default is MISSING and f.default_factory is MISSING else _value(f)
            key = (rename or {}).get(f.name, f.name)
            lines.append(f"| `{key}` | {_cell(kind)} | {_cell(default)} | {_cell(meanings.get(f.name, ''))} |")
    return lines


def arguments_of(cls: type) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each argument."""
    meanings: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        text = inspect.cleandoc(each.__doc__ or "") + "\n"
        for section in re.findall(r"^(?:Args|Attributes):\n((?:[ ]+.*\n|\n)+)", text, re.MULTILINE):
            for match in re.finditer(r"^    (\w+(?:, \w+)*): (.*(?:\n {8,}.*)*)", section, re.MULTILINE):
                for name in match[1].split(", "):
                    meanings[name] = " ".join(match[2].split())
    return meanings


def _first_line(thing: Any) -> str:
    text = (inspect.getdoc(thing) or inspect.getdoc(type(thing)) or "").split("\n\n")[0]
    return " ".join(text.split())


def _scored(function: Any) -> str:
    """Return what a function returns, in its own words."""
    text = _first_line(function).removeprefix("Return ")
    return text[:1].upper() + text[1:]


def _value(f: Any) -> str:
    if f.default is MISSING:
        return "set by the part"
    if isinstance(f.default, Pool):
        return "`\"all\"`"
    return "none" if f.default is None else f"`{f.default!r}`"


def _plain(annotation: str) -> str:
    """Return a type in words."""
    base = annotation.removesuffix(" | None")
    words = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false", "Task": "task"}
    words |= {"AnyEstimator": "estimator", "SearchSpace": "space", "Pool": "\"all\" or table", "Path": "path"}
    words |= {"tuple[Stage, ...]": "list of tables"}
    if base in words:
        return words[base]
    for start, text in (("tuple[int", "list of whole numbers"), ("tuple[float", "list of numbers"), ("tuple[", "list")):
        if base.startswith(start):
            return text
    return f"`{base}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


