"""`network.py`: a network as source code that runs without archsieve."""

from __future__ import annotations

import ast
import importlib
import sysconfig
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, NamedTuple

from archsieve.errors import SettingError
from archsieve.spaces.choices.factory import found_by, names_argument
from archsieve.spaces.form import form_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from archsieve.spaces.choices.space import OwnSpace
    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

SOURCE_FOLDER = "source"

_LOAD_PROGRAM = '''"""{title}

A program of torch.export, with its weights: the space {space} is part of archsieve, and its source stays there.
It needs torch {torch} or later, and nothing else.
"""

from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent


def network():
    """Return the network with its weights."""
    return torch.export.load(HERE / "network.pt2").module()


if __name__ == "__main__":
    print(network())
'''

_HEAD = '''"""{title}

It needs torch{more}. {weights}{output}
"""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

from torch import nn

HERE = Path(__file__).resolve().parent
ANSWERS = {answers}
"""What was asked for, in order: the name, and the place of the option taken."""

_left = []


def choice(name, options, default=None):
    """Stand for archsieve.choice: give what was found; outside `network` the default, else the first."""
    values = list(options.values()) if hasattr(options, "values") else list(options)
    if not _left:
        labels = list(map(str, options))
        return values[labels.index(str(default)) if default is not None and str(default) in labels else 0]
    asked, place = _left.pop(0)
    if asked != name:
        raise RuntimeError(f"The source asks for {{name!r}} where it asked for {{asked!r}}: it was changed.")
    return values[place]


def one_of(name, options, default=None):
    """Stand for archsieve.one_of."""
    option = choice(name, options, default)
    return option if isinstance(option, nn.Module) else option()


class _Nothing:
    """Stands for all else of archsieve that the source names beside its model."""

    def __getattr__(self, name):
        return _nothing(name)

    def __call__(self, *values, **named):
        return values[0] if len(values) == 1 and callable(values[0]) else self

    def __mro_entries__(self, bases):
        return ()


def _nothing(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return _Nothing()


def _stand_in():
    module = ModuleType("archsieve")
    module.choice, module.one_of, module.__getattr__ = choice, one_of, _nothing
    return module


def network():
    """Return the network{with_weights}."""
    path, modules = list(sys.path), dict(sys.modules)
{forget}    sys.path.insert(0, str(HERE / "source"))
    sys.modules["archsieve"] = _stand_in()
    _left[:] = ANSWERS
    try:
        from {module} import {name}

        made = {call}
    finally:
        _left.clear()
        sys.path[:] = path
        sys.modules.pop("archsieve", None)
        sys.modules.update(modules)
{load}    return made.eval()


if __name__ == "__main__":
    print(network())
'''

_LOAD_WEIGHTS = """    from safetensors.torch import load_file

    names = {name.replace("_orig_mod.", ""): name for name in made.state_dict()}  # torch.compile adds this part
    weights = load_file(HERE / "weights.safetensors")
    made.load_state_dict({names.get(name, name): weight for name, weight in weights.items()})
"""


class Source(NamedTuple):
    """The text of `network.py`, and the user's files that it needs, by path in the folder `source`."""

    text: str
    files: Mapping[str, Path]


def of_program(title: str, space: str, torch_version: str) -> Source:
    """Return source that loads a torch.export program."""
    return Source(_LOAD_PROGRAM.format(title=title, space=space, torch=torch_version.partition("+")[0]), {})


def of_own(space: OwnSpace, arch: Architecture, task: Task, title: str, *, is_trained: bool, weights: str) -> Source:
    """Return the source of a user's own network: the user's files, and the arguments of the constructor.

    Raises:
        SettingError: an argument that varies has a value that cannot be written as source.
    """
    from archsieve.networks.building import precisions_of

    module, _, name = space.factory.partition(":")
    files = _files_of(module)
    answers, arguments = space.told(arch, task)
    if is_trained and names_argument(found_by(space.factory), "pretrained"):
        arguments.setdefault("pretrained", False)  # all weights come from the file beside
    cast = ".float()" if precisions_of(space.as_written(arch, task)) else ""  # as it was trained
    imports: dict[str, str] = {}
    call = ", ".join(f"{key}={_written(key, value, imports)}" for key, value in arguments.items())
    lines = [f"from {home} import {what}" for what, home in imports.items()]
    load = _LOAD_WEIGHTS if is_trained else ""
    own = sorted({path.partition("/")[0].removesuffix(".py") for path in files})
    forget = "".join(f'    sys.modules.pop("{each}", None)\n' for each in own)
    text = _HEAD.format(
        title=title,
        more=" and safetensors" if is_trained else "",
        weights=weights,
        answers=_listed(answers),
        with_weights=" with its weights" if is_trained else ", newly initialised",
        forget=forget,
        module=module,
        name=name.partition(".")[0],
        call=f"{name}({call}){cast}",
        load=load,
        output=f" Of its outputs {space.output!r} is meant." if space.output else "",
    )
    if lines:
        text = text.replace("        made = ", indent("\n".join(lines), "        ") + "\n\n        made = ", 1)
    return Source(text, files)


def _listed(answers: list[tuple[str, int]]) -> str:
    return "[\n" + "".join(f"    ({name!r}, {place}),\n" for name, place in answers) + "]" if answers else "[]"


def _written(argument: str, value: Any, imports: dict[str, str]) -> str:
    """Return a value as source code; classes and functions are added to the imports.

    Raises:
        SettingError: it cannot be written.
    """
    if value is None or type(value) in (bool, int, float, str):
        return repr(value)
    if isinstance(value, tuple | list):
        inner = ", ".join(_written(argument, part, imports) for part in value)
        return f"({inner}{',' if len(value) == 1 else ''})" if isinstance(value, tuple) else f"[{inner}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_written(argument, v, imports)}" for k, v in value.items()) + "}"
    home, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if callable(value) and home and name.isidentifier():
        imports[name] = home
        return str(name)
    form = getattr(value, "input_shape", None)
    if form is not None:  # a task: the factory is told its form
        given = form_of(value)
        shape = f"input_shape={tuple(given.input_shape)!r}, num_outputs={given.num_outputs}"
        return f"SimpleNamespace(name={getattr(value, 'name', 'task')!r}, {shape})"
    raise SettingError(
        f"The argument {argument}={value!r:.100} cannot be written into network.py: vary numbers, texts, classes or "
        f"functions, or export another form."
    )


def _files_of(module: str) -> dict[str, Path]:
    """Return the user's files of a module by path; empty for an installed library."""
    top, _, inner = module.partition(".")
    file = Path(getattr(importlib.import_module(top), "__file__", None) or "")
    if top == "__main__" or not file.suffix or _is_installed(file):
        return {}
    if inner or file.name == "__init__.py":
        home = file.parent
        return {f"{top}/{path.relative_to(home).as_posix()}": path for path in sorted(home.rglob("*.py"))}
    found: dict[str, Path] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path.name in found:
            continue
        found[path.name] = path
        waiting += [near for name in _imported_by(path) if (near := file.parent / f"{name}.py").is_file()]
    return found


def _is_installed(file: Path) -> bool:
    homes = {sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(file.resolve().is_relative_to(Path(home).resolve()) for home in homes) or "site-packages" in file.parts


def _imported_by(path: Path) -> Iterator[str]:
    """Yield the top-level names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
