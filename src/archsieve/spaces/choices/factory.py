"""The factory of a space: a class or function found by name, and its arguments."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsieve.errors import SettingError, UnknownNameError, line_of
from archsieve.registry import near_miss, near_miss_in
from archsieve.spaces.choices.options import options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from archsieve.spaces.choices.options import Options
    from archsieve.spaces.form import Form
    from archsieve.tasks.contract import Task

OF_THE_TASK = ("task", "input_shape", "num_outputs")
"""Arguments that a factory gets if it names them."""


def name_of(factory: Callable[..., Any] | str) -> str:
    """Return the "module:name" of a factory, by which workers import it.

    Raises:
        SettingError: it has no such name, as a lambda or a function inside another has none.
        UnknownNameError: its module has no such name.
    """
    if isinstance(factory, str):
        return factory
    module, qualname = getattr(factory, "__module__", None), getattr(factory, "__qualname__", None)
    if not (callable(factory) and module and qualname) or "<" in qualname:
        what = "a lambda" if qualname and "<lambda>" in qualname else f"{factory!r:.100}"
        raise SettingError(
            f"The factory must be a class or function at the top of a module, which workers import by name, but is "
            f"{what}: write a function with def there."
        )
    if module == "__main__":
        module = _main_module()
    name = f"{module}:{qualname}"
    if found_by(name) is not factory:
        raise SettingError(f"The name {name} names another object than this factory: give each its own name.")
    return name


def _main_module() -> str:
    """Return the name under which other processes can import the running script.

    Raises:
        SettingError: it is no file.
    """
    file = getattr(sys.modules["__main__"], "__file__", None)
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None:
        return str(spec.name)
    if file is None or not Path(file).stem.isidentifier():
        raise SettingError("The factory is defined in no file that workers could import: put it into a module.")
    return Path(file).stem


def found_by(name: str) -> Callable[..., Any]:
    """Return the factory named "module:name".

    Raises:
        SettingError: it is no such name, or the module cannot be imported.
        UnknownNameError: the module has no such name.
    """
    module, colon, qualname = name.partition(":")
    if not (module and colon and qualname):
        raise SettingError(f"A factory is named as module:name, e.g. my_net:ResNetLike, but got {name!r}.")
    found: Any = _imported(module)
    for part in qualname.split("."):
        if not hasattr(found, part):
            raise UnknownNameError(f"The module {module!r} has no {qualname!r}.{near_miss_in(part, vars(found))}")
        found = getattr(found, part)
    if not callable(found):
        raise SettingError(f"The factory {name} must be a class or function, but is {found!r:.100}.")
    return found  # type: ignore[no-any-return]


def result_of(name: str) -> Any:
    """Return what the function "module:name" returns, called without arguments.

    Raises:
        UnknownNameError: the module has no such function.
        SettingError: it is no function, or cannot be called without arguments.
        Exception: whatever it raises.
    """
    function = found_by(name)
    try:
        return function()
    except TypeError as error:
        # The first frame is this one: from further inside, the call itself went well.
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise
        raise SettingError(f"{name} must be callable without arguments, but: {error}.") from error


def _imported(module: str) -> Any:
    main = sys.modules.get("__main__")
    if module not in sys.modules and main is not None and "__file__" in vars(main) and _main_module() == module:
        return main
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:  # of any kind: a user's file
        place = f" ({line})" if (line := line_of(error, module)) else ""
        raise SettingError(
            f"The module {module!r} of the factory cannot be imported: {type(error).__name__}: {error}{place}."
        ) from error


def check_arguments(name: str, factory: Callable[..., Any], vary: Collection[str]) -> None:
    """Check that a factory accepts the varied arguments, and requires no others.

    Raises:
        SettingError: one is not taken, or another has no default.
    """
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # a builtin
        return
    kinds = {p.kind for p in parameters.values()}
    named = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for argument in vary:
        if argument not in named and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise SettingError(f"{name} has no argument {argument!r} to vary.{near_miss(argument, named)}")
    for argument, parameter in parameters.items():
        is_open = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if not (is_open or argument in vary or argument in OF_THE_TASK or parameter.default is not parameter.empty):
            raise SettingError(
                f"{name} needs the argument {argument!r}, which gets no value: vary it, give it a default, or name a "
                f"function that calls it. A factory gets {', '.join(OF_THE_TASK)} if it names them."
            )


def names_argument(factory: Callable[..., Any], argument: str) -> bool:
    """Whether a factory has an argument with this name."""
    try:
        return argument in inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return False


def default_of(factory: Callable[..., Any], argument: str) -> Any:
    """Return the default of an argument of a factory; None where there is none."""
    if not names_argument(factory, argument):
        return None
    default = inspect.signature(factory).parameters[argument].default
    return None if default is inspect.Parameter.empty else default


def varied_options(factory: Callable[..., Any], vary: Mapping[str, Any]) -> dict[str, Options]:
    """Return the options of the varied arguments; a default is the factory's own if it is an option."""
    options = {name: options_of(name, offered) for name, offered in vary.items()}
    for name, offered in vary.items():
        own = default_of(factory, name)
        if any(own is value or (type(own) is type(value) and own == value) for value in options[name].values):
            options[name] = options_of(name, offered, own)
    return options


def arguments_for(factory: Callable[..., Any], task: Task | Form, vary: Collection[str]) -> dict[str, Any]:
    """Return a factory's arguments for a task: those in `OF_THE_TASK` that it accepts, and the fixed ones."""
    try:
        named: Mapping[str, Any] = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
    known = {"task": task, "input_shape": tuple(task.input_shape), "num_outputs": task.num_outputs}
    return {name: value for name, value in known.items() if name in named and name not in vary}
