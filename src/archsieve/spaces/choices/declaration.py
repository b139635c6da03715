"""`space_of`: the space of a user's own model."""

from __future__ import annotations

import pickle
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from archsieve.errors import SettingError
from archsieve.spaces.choices.factory import name_of
from archsieve.spaces.choices.space import OwnSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn


def space_of(
    factory: Callable[..., nn.Module] | str,
    vary: Mapping[str, Any] | None = None,
    *,
    version: int = 1,
    explore: int = 30,
    weights: Literal["fresh", "given"] = "fresh",
    shape: Sequence[int] = (),
    output: str | None = None,
) -> OwnSpace:
    """Return the space of the networks that a class or function makes, with decisions from `choice` and `one_of`.

    The factory is run, some hundred times, to find its decisions.

    Args:
        factory: a class or function that workers can import by its name, or that name, "module:name". It gets those of
            `task`, `input_shape` and `num_outputs` that it names as arguments.
        vary: options of other arguments of it, by the argument; a model that nobody touched is searched so.
        version: raise it when a change of the code changes networks and no decision.
        explore: random runs in a row that bring nothing new before the search for decisions ends.
        weights: "fresh", or "given" to start each training from the weights that the factory gives.
        shape: of an input, for a factory that names `input_shape` and takes neither 3x32x32, 3x128 nor 16.
        output: which output is meant where the networks return several: a name, or a place such as "0"; None for
            `logits`, else the first.

    Raises:
        SettingError: the factory has no name that can be imported, needs other arguments, fails, draws at random, or
            its options are not written as they must be.
        UnknownNameError: there is no such factory.
    """
    space = OwnSpace(name_of(factory), vary or {}, version, explore, weights, tuple(shape), output)
    try:
        pickle.dumps({f.name: getattr(space, f.name) for f in fields(space)})
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SettingError(f"The options in `vary` must be values that can be sent to workers: {error}.") from error
    _ = space.explored
    return space
