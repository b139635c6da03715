"""Runs of a factory for one space; decisions are cached, so that most queries need no run."""

from __future__ import annotations

import io
import re
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from archsieve._shortage import machine_number
from archsieve.errors import ArchsieveError, SettingError, line_of
from archsieve.spaces.choices.factory import arguments_for, varied_options
from archsieve.spaces.choices.replay import Ask, Pick, Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from archsieve.spaces.choices.options import Options
    from archsieve.spaces.form import Form
    from archsieve.tasks.contract import Task

_MOST_NODES = 300_000  # remembered before all is forgotten: some 100 MB


class Trail(NamedTuple):
    """The decisions of one run, with answers; `refused` lists answers that were not offered, `failure` is an error."""

    asks: tuple[tuple[Ask, str], ...]
    refused: Ask | None = None
    failure: str = ""

    @property
    def asked(self) -> list[Ask]:
        """The decisions asked, including one without an answer."""
        return [ask for ask, _ in self.asks] + ([] if self.refused is None else [self.refused])

    @property
    def is_whole(self) -> bool:
        """Whether the run made a network."""
        return self.refused is None and not self.failure


class Played(NamedTuple):
    """A trail, with the network if the run made one."""

    trail: Trail
    network: nn.Module | None


@dataclass
class _Node:
    """A node of the decision tree: the next decision; without `ask`, whether the run ended, and its failure."""

    ask: Ask | None = None
    is_end: bool = False
    failure: str = ""
    after: dict[str, _Node] = field(default_factory=dict)


class Player:
    """Runs one factory.

    Args:
        name: of the factory, for messages.
        factory: returns a network.
        vary: the arguments that vary, with their options.

    Attributes:
        checked: the forms of tasks for which a network was seen to ask for nothing while it computes.
        explored: what exploring brought, by how thoroughly it was done.
    """

    def __init__(self, name: str, factory: Callable[..., Any], vary: Mapping[str, Options]) -> None:
        self.name, self.vary = name, vary
        self.checked: set[Form] = set()
        self.explored: dict[int, Any] = {}
        self._factory = factory
        self._root = _Node()
        self._nodes = 0
        self._needs_values = False  # a constructor that reads tensors cannot run on the meta device

    def trail(self, pick: Pick, form: Form) -> Trail:
        """Return the decisions of a network with answers from `pick`, which is called once for each, in order."""
        node = self._root
        asks: list[tuple[Ask, str]] = []
        picked: dict[str, str] = {}
        while node.ask is not None:
            label = pick(node.ask)
            if label is None:
                return Trail(tuple(asks), node.ask)
            picked[node.ask.name] = label
            asks.append((node.ask, label))
            if label not in node.after:
                break
            node = node.after[label]
        else:
            if node.is_end:
                return Trail(tuple(asks), None, node.failure)
        return self.play(lambda ask: picked.get(ask.name) or pick(ask), form).trail

    def play(self, pick: Pick, form: Form, seed: int = 0) -> Played:
        """Run the factory without computing weights if possible; random states are left unchanged.

        Raises:
            SettingError: a choice is not written as it must be, or the factory returns no network.
            ImportError: of the user's code, as any OSError: no architecture is to blame for it.
        """
        chosen: dict[str, str | None] = {}

        def once(ask: Ask) -> str | None:
            if ask.name not in chosen:
                chosen[ask.name] = pick(ask)
            return chosen[ask.name]

        if not self._needs_values:
            played = self._played(Replay(once, _class_of(self._factory)), form, seed, "meta")
            if not played.trail.failure:
                return self._remembered(played)
        played = self._played(Replay(once, _class_of(self._factory)), form, seed, "cpu")
        self._needs_values |= not played.trail.failure
        return self._remembered(played)

    def _played(self, replay: Replay, form: Form, seed: int, device: str) -> Played:
        import torch

        from archsieve.networks.generators import drawing

        network, failure = None, ""
        quiet = redirect_stdout(io.StringIO())  # what it says in the run that counts is enough
        with drawing(seed), warnings.catch_warnings(action="ignore"), torch.device(device), quiet:
            try:
                network = self._made(replay, form)
            except (ArchsieveError, ImportError, OSError, MemoryError):
                raise
            except (Exception, SystemExit) as error:  # of any kind: a constructor of the user
                if machine_number(error):
                    raise
                failure = described(error, self._factory.__module__)
        return Played(Trail(tuple(replay.asks), replay.refused, failure), None if replay.refused else network)

    def build(self, pick: Pick, task: Task | Form) -> tuple[Trail, nn.Module]:
        """Return the network for a task, on the default device, and its decisions.

        Raises:
            Exception: whatever the factory raises.
        """
        replay = Replay(pick, _class_of(self._factory))
        network = self._made(replay, task)
        return Trail(tuple(replay.asks), replay.refused), network

    def _made(self, replay: Replay, task: Task | Form) -> nn.Module:
        from torch import nn

        from archsieve.networks.compiled import uncompiled
        from archsieve.networks.settings import kept_settings

        with kept_settings():
            made = replay.run(self._factory, arguments_for(self._factory, task, self.vary), self.vary)
        if not isinstance(made, nn.Module):
            raise SettingError(f"{self.name} must return a torch.nn.Module, but returned {type(made).__name__}.")
        return uncompiled(made)

    def _remembered(self, played: Played) -> Played:
        """Add a trail to the decision tree."""
        if self._nodes > _MOST_NODES:
            self._root, self._nodes = _Node(), 0
        node, trail = self._root, played.trail
        for ask, label in trail.asks:
            node.ask = ask
            if label not in node.after:
                node.after[label] = _Node()
                self._nodes += 1
            node = node.after[label]
        if trail.refused is not None:
            node.ask = trail.refused
        else:
            node.is_end, node.failure = True, trail.failure
        return played


@lru_cache(maxsize=8)
def player_of(name: str, factory: Callable[..., Any], vary: Mapping[str, Any], shape: tuple[int, ...]) -> Player:
    """Return the player of a factory in this process, shared by copies of a space.

    The shape only tells spaces apart that were explored otherwise.
    """
    return Player(name, factory, varied_options(factory, vary))


def _class_of(factory: object) -> type | None:
    return factory if isinstance(factory, type) else None


def described(error: BaseException, module: str) -> str:
    """Return an error of the user's code as one line, with the place in their file."""
    text, line = " ".join(str(error).split()).rstrip("."), line_of(error, module)
    said = f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
    return f"{said} ({line})" if line else said


def layers_of(network: nn.Module) -> list[str]:
    """Return what distinguishes networks apart from weights: the `repr`, and the shapes of all tensors."""
    from torch.nn.parameter import is_lazy

    lines = [re.sub(r" at 0x[0-9a-fA-F]+", "", repr(network))]
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        lines.append(f"{name} {'lazy' if is_lazy(tensor) else tuple(tensor.shape)} {tensor.dtype}")
    return lines


def flags_of(network: nn.Module) -> list[str]:
    """Return the plain attributes of all modules, in which networks of equal `repr` may differ."""
    plain = (bool, int, str)
    return [
        f"{name}.{key}={value!r}"
        for name, module in network.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, plain) and key != "training"
    ]
