"""`choice` and `one_of`: the functions that mark decisions in a model."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from archsieve.errors import SettingError
from archsieve.spaces.choices.options import options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

    from archsieve.spaces.choices.options import Options

T = TypeVar("T")


class Answers(Protocol):
    """Answers `choice` and `one_of` while a factory runs inside a search."""

    def answer(self, options: Options, *, is_module: bool) -> Any:
        """Return the chosen option; for modules the module itself."""


ASKED: ContextVar[Answers | None] = ContextVar("asked", default=None)
"""What answers now; None outside a search."""


def choice(name: str, options: Sequence[T] | Mapping[str, T], default: T | None = None) -> T:
    """Return one of the options: in a search the architecture's, else the default.

    Call it in the constructor of a model, or in any function that builds one. The name is that of a decision of this
    place: four blocks that ask for "kernel" have four decisions, `Block0.kernel` to `Block3.kernel`. To share one,
    ask once and pass the value on.

    Args:
        name: of the decision.
        options: values, or values by their labels. They may depend on earlier choices.
        default: the option outside a search, or its label; the first if None.

    Raises:
        SettingError: no options, two with one label, or a default that is none of them.

    >>> choice("width", [8, 16]), choice("kernel", [3, 5], default=5)
    (8, 5)
    """
    asked, offered = ASKED.get(), options_of(name, options, default)
    return cast("T", offered.preferred if asked is None else asked.answer(offered, is_module=False))


def one_of(
    name: str,
    options: Sequence[nn.Module | Callable[[], nn.Module]] | Mapping[str, nn.Module | Callable[[], nn.Module]],
    default: object = None,
) -> nn.Module:
    """Return one of several modules: in a search the architecture's, else the default.

    Args:
        name: of the decision.
        options: modules, or functions (classes) without arguments that return one, of which only the chosen one is
            called; or such by their labels. An option may ask for decisions itself.
        default: the option outside a search, or its label; the first if None.

    Raises:
        SettingError: as `choice` does, or the option is no module and makes none.
    """
    asked, offered = ASKED.get(), options_of(name, options, default)
    if asked is None:
        return module_of(offered, offered.default)
    return cast("nn.Module", asked.answer(offered, is_module=True))


def module_of(options: Options, place: int) -> nn.Module:
    """Return the module of an option: the option itself, or the result of calling it.

    Raises:
        SettingError: it is no module and makes none.
    """
    from torch import nn

    option, label = options.values[place], options.labels[place]
    if isinstance(option, nn.Module):
        return option
    if not callable(option):
        raise SettingError(
            f"The option {label!r} of the choice {options.name!r} must be a module, or make one without arguments, but "
            f"is {option!r:.100}. For no layer give nn.Identity."
        )
    try:
        module = option()
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise  # from further inside
        raise SettingError(
            f"The option {label!r} of the choice {options.name!r} cannot be called without arguments ({error}): wrap "
            f"it, e.g. lambda: nn.Conv2d(8, 8, 3)."
        ) from error
    if not isinstance(module, nn.Module):
        raise SettingError(
            f"The option {label!r} of the choice {options.name!r} must make a torch.nn.Module, but made "
            f"{type(module).__name__}."
        )
    return module
