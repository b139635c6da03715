"""What archsieve does with any network: initialise it by name, count it, and hold many of them in one."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archsieve.errors import ScoringError, SettingError
from archsieve.randomness import Purpose, derive_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task


class Supernet(Protocol):
    """A network that holds every network of a space; the architecture is an argument, never a state.

    Law: `extract(a)(x) == supernet(x, a)`, in training and in evaluation mode; what is extracted shares no storage
    with the supernet and loads strictly into `build(a)`.

    A layer of which paths use a part also has `part(name, smaller)`, what a smaller layer has of its tensor of that
    name, so that `extract_path` can extract it.
    """

    def __call__(self, inputs: Tensor, arch: Architecture) -> Tensor:
        """Return the outputs of the path `arch`, shape (n, outputs)."""

    def extract(self, arch: Architecture) -> nn.Module:
        """Return a network of its own with the path's weights."""


def extract_path(supernet: nn.Module, space: SearchSpace, task: Task, arch: Architecture) -> nn.Module:
    """Return the network of `arch` with copies of the supernet's weights, in its mode and on its device.

    Weights go by name; a layer that may be smaller in the network says which part of its own that has.
    """
    with torch.device("meta"):  # draws no random numbers
        network = space.build(arch, task)
    state, own = supernet.state_dict(), {}
    for name in network.state_dict():
        path, _, leaf = name.rpartition(".")
        part = getattr(supernet.get_submodule(path), "part", None)
        tensor = state[name] if part is None else part(leaf, network.get_submodule(path)).detach()
        own[name] = tensor.clone()
    network.load_state_dict(own, assign=True)
    return network.train(supernet.training)


def torch_generator(run_seed: int, purpose: Purpose, *path: str | int) -> torch.Generator:
    """Return a torch generator on the CPU for one purpose and place: the same numbers on every device."""
    return torch.Generator().manual_seed(derive_seed(run_seed, purpose, *path))


@contextmanager
def drawing(seed: int, device: str = "cpu") -> Iterator[None]:
    """Let everything drawn meanwhile (dropout) depend on `seed`, and leave the caller's generators as they were.

    The generators are those that a network's own code may use: torch's, numpy's global one and Python's.
    """
    put_back = remember_draws(device)
    try:
        seed_draws(seed, device)
        yield
    finally:
        put_back()


def remember_draws(device: str = "cpu") -> Callable[[], None]:
    """Return a function that puts the generators of `drawing` back to where they stand now."""
    on_cpu, of_python, of_numpy = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    on_cuda = torch.cuda.get_rng_state(device) if torch.device(device).type == "cuda" else None

    def put_back() -> None:
        torch.set_rng_state(on_cpu)
        if on_cuda is not None:
            torch.cuda.set_rng_state(on_cuda, device)
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002

    return put_back


def draw_state(device: str = "cpu") -> tuple[object, ...]:
    """Return where the generators of `drawing` stand: two equal states mean that nothing was drawn in between."""
    is_cuda = torch.device(device).type == "cuda"
    tensors = [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if is_cuda else [])]
    kind, keys, place, *_ = np.random.get_state()  # noqa: NPY002
    return *(t.numpy().tobytes() for t in tensors), random.getstate(), kind, np.asarray(keys).tobytes(), place


def seed_draws(seed: int, device: str = "cpu") -> None:
    """Let everything drawn from here on depend on `seed`; no other device's generator is touched."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the global one is meant
    (torch.default_generator.manual_seed if device == "cpu" else torch.manual_seed)(seed)


def initialise(network: nn.Module, run_seed: int) -> nn.Module:
    """Give every module the initial weights its own class prescribes, drawn by seed and by the module's name.

    The network lies on the CPU: no other device's generator is touched. A name says position and option, so a block
    has the same weights in every network that holds it, and in the supernet. Weights that belong to no module with
    `reset_parameters` are left as built.
    """
    with torch.random.fork_rng(devices=[]):
        for name, module in network.named_modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                torch.default_generator.manual_seed(derive_seed(run_seed, "init", name))
                reset()
    return network


def laid_out(network: nn.Module, device: str) -> nn.Module:
    """Return the network on the device, channels last: about twice as fast on a CPU."""
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def as_inputs(batch: Tensor) -> Tensor:
    """Return a copy of a batch for a network, which may write to it; pictures in the layout of `laid_out` networks."""
    inputs = batch.contiguous(memory_format=torch.channels_last) if batch.dim() == 4 else batch
    return inputs.clone() if inputs.data_ptr() == batch.data_ptr() else inputs


def check_device(device: str) -> None:
    """Check that torch can compute on `device`.

    Raises:
        SettingError: it cannot.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either, by the kind of device
        reason = str(error).partition("\n")[0]
        raise SettingError(f"The device {device!r} cannot be used here: {reason}") from error


def build_network(
    space: SearchSpace, arch: Architecture, task: Task, run_seed: int, *, as_built: bool = False
) -> nn.Module:
    """Return the network of `arch`, in training mode on the CPU, with weights by seed, position and option.

    With `as_built` the weights are those the space's own code gave it.
    """
    with drawing(derive_seed(run_seed, "init")):
        network = space.build(arch, task)
    return (network if as_built else initialise(network, run_seed)).train()


def build_supernet(space: SearchSpace, task: Task, run_seed: int) -> nn.Module:
    """Return the space's supernet, initialised as its networks are.

    Raises:
        SettingError: the space offers no supernet.
    """
    if not hasattr(space, "supernet"):
        raise SettingError(
            f"The space {space.name} has no supernet: give it a method supernet(task), or use an estimator that "
            f"needs none."
        )
    with drawing(derive_seed(run_seed, "init")):
        supernet: nn.Module = space.supernet(task)
    return initialise(supernet, run_seed).train()


def outputs_of(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return a network's outputs; of several it is the first that counts.

    Raises:
        ScoringError: it returns no tensor.
    """
    return first_tensor(network(inputs))


def first_tensor(outputs: object) -> Tensor:
    """Return a tensor itself, or the first one of a tuple, list or dictionary.

    Raises:
        ScoringError: there is none.
    """
    while not isinstance(outputs, Tensor):
        parts = list(outputs.values()) if isinstance(outputs, dict) else outputs
        if not isinstance(parts, list | tuple) or not parts:
            raise ScoringError(f"The network returns no tensor, but {type(outputs).__name__}.")
        outputs = parts[0]
    return outputs


def count_params(network: nn.Module) -> int:
    """Return the number of parameters, each counted once."""
    return sum(p.numel() for p in network.parameters())


class Sizes(NamedTuple):
    """Parameters of a network without its auxiliary head, those of the head, and MACs of one input in evaluation."""

    params: int
    auxiliary_params: int
    macs: int


def sizes_of(space: SearchSpace, arch: Architecture, task: Task) -> Sizes:
    """Return the sizes of the network of `arch`, counted on the meta device."""
    with torch.device("meta"):
        network = space.build(arch, task)
    auxiliary = count_auxiliary_params(network, task.input_shape)
    return Sizes(count_params(network) - auxiliary, auxiliary, count_macs(network, task.input_shape))


def count_auxiliary_params(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the number of parameters of modules that are called in training only: those of auxiliary heads.

    The network may lie on the meta device; elsewhere its running statistics move.
    """
    called: dict[bool, set[nn.Module]] = {True: set(), False: set()}
    handles = [m.register_forward_hook(lambda m, *_: called[network.training].add(m)) for m in network.modules()]
    was_training = network.training
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            for training in called:
                network.train(training)(torch.zeros(2, *input_shape, device=device))
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    own = {p for m in called[False] for p in m.parameters(recurse=False)}
    extra = {p for m in called[True] - called[False] for p in m.parameters(recurse=False)} - own
    return sum(p.numel() for p in extra)


def count_macs(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the multiply-adds of one input through `network` (which may lie on the meta device).

    Half of what `torch.utils.flop_counter` counts: products of convolutions, linear layers and attention; no bias,
    normalisation, activation or pooling.
    """
    with FlopCounterMode(display=False) as counter:
        _forward_one(network, input_shape)
    return int(counter.get_total_flops()) // 2


def count_flops(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return "flops" as NASLib and NAS-Bench-Suite-Zero print them (arXiv 2210.03230), for one input.

    MACs, plus per output element 1 for a ReLU, 2 for a batch normalisation (1 for one without parameters) and the
    window's size for a pooling. The window of an adaptive pooling is taken one larger a side than it is, as their
    counter does.
    """
    extra = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal extra
        extra += output.numel() * _flops_an_element(module, inputs[0], output)

    counted = [m for m in network.modules() if not list(m.children())]
    handles = [m.register_forward_hook(add) for m in counted]
    try:
        macs = count_macs(network, input_shape)
    finally:
        for handle in handles:
            handle.remove()
    return macs + extra


def _flops_an_element(module: nn.Module, inputs: Tensor, output: Tensor) -> int:
    if isinstance(module, nn.ReLU):
        return 1
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return 2 if module.affine else 1
    if isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
        size = module.kernel_size
        return size * size if isinstance(size, int) else size[0] * size[1]
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return int((inputs.shape[-2] // output.shape[-2] + 1) * (inputs.shape[-1] // output.shape[-1] + 1))
    return 0


def _forward_one(network: nn.Module, input_shape: tuple[int, ...]) -> None:
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    modes = {module: module.training for module in network.modules()}
    network.eval()
    # Fused attention is not counted, or otherwise on other devices; taken apart it is matrix products.
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            network(torch.zeros(1, *input_shape, device=device))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    for module, training in modes.items():
        module.training = training
