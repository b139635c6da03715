"""The size of an architecture, by its space's closed form or counted on the built network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from archsieve.errors import SettingError, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

SizeName: TypeAlias = Literal["params", "macs", "flops", "published_flops", "activation_bytes"]


def size_of(space: SearchSpace, arch: Architecture, task: Task, name: SizeName) -> int:
    """Return a size: "params", "macs" of one input, "flops" as NASLib counts them, and two more.

    "activation_bytes" is the most memory of live tensors in a pass of one input. "published_flops" is the count by
    which the networks of a space are published, where that is another one: only the space knows it. Needs torch only
    where the space has no method of that name.

    Raises:
        SettingError: published FLOPs are asked for, and the space has none of its own.
    """
    closed_form: Any = getattr(space, name, None)
    return int(closed_form(arch, task) if closed_form else count_size(space, arch, task, name))


def count_size(space: SearchSpace, arch: Architecture, task: Task, name: SizeName) -> int:
    """Return a size counted on the built network; raises as `size_of`."""
    if name == "published_flops":
        raise SettingError(f'The space {space.name} has no `published_flops` of its own: use "macs".')
    require("torch", "torch")
    from archsieve.networks import counting
    from archsieve.networks.inputs import example_of

    counts = {
        "params": counting.count_params,
        "macs": counting.count_macs,
        "flops": counting.count_flops,
        "activation_bytes": counting.count_activation_bytes,
    }
    return counting.examined(lambda: space.build(arch, task), lambda network: counts[name](network, example_of(task)))


def notes_on(space: SearchSpace, archs: Sequence[Architecture], task: Task, name: SizeName) -> tuple[str, ...]:
    """Return sentences on what a size of these architectures leaves out, each once.

    Where the size is counted, that counts it once more.
    """
    if name not in ("macs", "flops") or getattr(space, name, None):
        return ()
    from archsieve.networks.counting import count, examined
    from archsieve.networks.inputs import example_of

    example = example_of(task)
    builds = (partial(space.build, arch, task) for arch in archs)
    counts = (examined(build, lambda network: count(network, example)) for build in builds)
    return tuple(dict.fromkeys(note for network_counts in counts for note in network_counts.notes(name)))
