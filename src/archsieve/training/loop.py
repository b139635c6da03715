"""The training loop for supernets, partial and final training; exactly resumable on the CPU, deterministic by seed."""

from __future__ import annotations

import math
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from archsieve._spent import tell_spent
from archsieve.networks.building import as_inputs, laid_out
from archsieve.networks.drop_path import set_drop_path
from archsieve.networks.generators import drawing, draws_of, restore_draws, seed_draws
from archsieve.networks.inputs import call, items_in
from archsieve.randomness import derive_seed, generator
from archsieve.tasks.contract import reads_ahead
from archsieve.tasks.data.batching import ahead, in_steps, joined, pending_batches
from archsieve.training.checkpoint import Place, load_checkpoint, save_checkpoint
from archsieve.training.distributed import Statistics, World
from archsieve.training.divergence import check_losses, check_weights, steps_between_checks
from archsieve.training.interrupts import delayed_signals
from archsieve.training.losses import loss_of
from archsieve.training.optimiser import optimiser_of, rate_of, rates_of, set_rate
from archsieve.training.scalars import scalars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import numpy as np

    from archsieve.networks.form import Given
    from archsieve.tasks.contract import Task
    from archsieve.tasks.data.batching import Batch, Share
    from archsieve.training.losses import Outputs
    from archsieve.training.recipe import Recipe

Forward: TypeAlias = "Callable[[Given, np.random.Generator], Iterable[Outputs]]"


class Step(NamedTuple):
    """A step of an epoch, from 1: the number of micro-batches, and this process's ones with positions."""

    number: int
    parts: int
    own: list[tuple[int, Batch]]


class Epoch(NamedTuple):
    """A finished epoch, from 1: mean training loss, last learning rate, seconds."""

    number: int
    loss: float
    rate: float
    seconds: float


def train(
    network: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    epochs: int,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
    forward: Forward | None = None,
    on_epoch: Callable[[int], None] | None = None,
    tell: Callable[[Epoch], None] | None = None,
    log: Path | None = None,
    world: World | None = None,
    toward: str = "",
) -> None:
    """Train `network`, in place, until it has seen `epochs` epochs in total; on CUDA in mixed precision.

    Order, augmentation and dropout of an epoch depend on seed and epoch alone, so that training in pieces equals
    training at once. `checkpoint` is read if it is there and written after every epoch, and inside one when SIGTERM
    or SIGINT comes: training goes on after the last step taken. Several processes train as one process does that
    takes as many micro-batches a step.

    Args:
        network: moved to `device`, left in training mode. Of several outputs the first is the network's, the rest
            are those of auxiliary heads.
        task: gives batches and loss.
        recipe: optimiser and schedule.
        epochs: at least as many as the checkpoint holds.
        seed: the run's seed.
        device: where to train.
        checkpoint: file to go on from and to keep.
        forward: yields outputs from inputs and a generator of the step's choices, one by one; their gradients are
            summed before the step is taken. The network itself if None.
        on_epoch: called with the epochs trained after each; what it draws or switches it puts back.
        tell: called with the figures of each epoch, the one before a resumption once more: the process may have ended
            before they were told.
        log: folder for TensorBoard: training loss and learning rate of every epoch.
        world: the processes that train together; this one alone if None. The first of them writes.
        toward: what is trained for; seconds that ended processes spent on the same are told to
            `archsieve._spent.collected_seconds`.

    Raises:
        SettingError: the task's loss has no label smoothing, batches do not part evenly, or the network has no part
            that the recipe names.
        MissingPackageError: `log` is given, and tensorboard is not installed.
        DivergenceError: the loss or a weight is no finite number any more. Nothing of that is saved.
    """
    trainer = trainer_of(network, task, recipe, seed=seed, device=device, forward=forward, world=world)
    trainer.checkpoint, trainer.toward = checkpoint, toward
    trainer.resume()
    with scalars(log) as write:
        if tell is not None and trainer.epochs and not trainer.inside:
            tell(trainer.figures)
        while trainer.epochs < epochs:
            if trainer.advance():
                figures = trainer.figures
                write(trainer.epochs, {"loss": figures.loss, "learning_rate": figures.rate})
                if tell is not None:
                    tell(figures)
                if on_epoch is not None:
                    on_epoch(trainer.epochs)


def trainer_of(
    network: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    device: str = "cpu",
    forward: Forward | None = None,
    world: World | None = None,
) -> Trainer:
    """Return the trainer of a network that has seen no epoch yet; see `train`."""
    laid_out(network, device).train()
    return Trainer(
        network,
        list(network.parameters()),
        optimiser_of(network, recipe),
        task,
        recipe,
        seed,
        device,
        forward or _whole(network),
        world or World(),
        loss_of(task, recipe),
        rates_of(recipe, task, world.size if world else 1),
    )


@dataclass
class Trainer:
    """A network in training: its complete epochs, and its position within an interrupted epoch."""

    network: nn.Module
    weights: list[nn.Parameter]  # of the network; listing those of a large supernet takes milliseconds
    optimiser: torch.optim.Optimizer
    task: Task
    recipe: Recipe
    seed: int
    device: str
    forward: Forward
    world: World
    loss: Callable[[Outputs, Tensor], Tensor]
    rate: Callable[[int, int], float]
    checkpoint: Path | None = None
    epochs: int = 0
    inside: dict[str, Any] = field(default_factory=dict)
    losses: list[Tensor] = field(default_factory=list)  # of the steps of this epoch
    seconds: float = 0.0
    is_checked: bool = True  # whether a training that diverges is stopped
    toward: str = ""
    spent: float = 0.0  # seconds of ended processes on the same
    begun: float = 0.0

    @property
    def parts(self) -> int:
        """The number of micro-batches per batch, over all processes."""
        return self.recipe.micro_batches * self.world.size

    @property
    def figures(self) -> Epoch:
        """The figures of the last epoch."""
        loss = float(torch.stack(self.losses).mean()) if self.losses else math.nan
        return Epoch(self.epochs, loss, rate_of(self.optimiser), self.seconds)

    def resume(self) -> None:
        """Load the checkpoint, if there is one."""
        self.begun = time.perf_counter()
        if self.checkpoint and self.checkpoint.exists():
            place = load_checkpoint(self.checkpoint, self.network, self.optimiser)
            self.epochs, self.inside = place.epochs, place.inside
            self.losses, self.seconds = [*place.losses.to(self.device)], place.seconds
            if place.toward == self.toward:
                self.spent = place.spent
                tell_spent(place.spent)

    def advance(self, most: int | None = None) -> bool:
        """Train to the end of the current epoch and save. Return False if a signal or `most` stopped it early.

        Losses are checked on the way, and weights before they are saved. If a signal comes, or after `most` steps, the
        position inside the epoch is saved; a signal then takes effect.

        Raises:
            DivergenceError: the loss or a weight is no finite number any more.
        """
        epoch, begun = self.epochs, time.perf_counter()
        if not self.inside:
            self.losses, self.seconds = [], 0.0
        earlier = self.seconds
        if self.recipe.drop_path or self.recipe.first_drop_path:
            set_drop_path(self.network, self.recipe.drop_path_at(epoch))
        choices = generator(self.seed, "sample", epoch)
        every, checked = steps_between_checks(self.device), len(self.losses)
        with delayed_signals() as came, drawing(derive_seed(self.seed, "train", epoch), self.device):
            if self.inside:
                choices.bit_generator.state = self.inside["choices"]
                draws = self.inside["draws"]  # the CPU's alone in older checkpoints
                restore_draws([draws] if isinstance(draws, Tensor) else draws, self.device)
            for step in self._steps():
                set_rate(self.optimiser, self.rate(epoch, step.number - 1))
                ends = self._take(step, choices, came)
                if self.is_checked and step.number % every == 0:
                    check_losses(self.losses[checked:], epoch + 1, rate_of(self.optimiser))
                    checked = len(self.losses)
                if ends or step.number == most:
                    place = {"steps": step.number, "choices": choices.bit_generator.state}
                    self.inside = {**place, "draws": draws_of(self.device)}
                    self.seconds = earlier + time.perf_counter() - begun
                    self._save(epoch)
                    return False
            self.epochs, self.inside = epoch + 1, {}
            self.seconds = earlier + time.perf_counter() - begun
            self._save(epoch)
        return True

    def _steps(self) -> Iterator[Step]:
        """Yield the remaining steps of the epoch."""
        size = self.recipe.micro_batch_size(self.world.size)
        order = generator(self.seed, "train", self.epochs)
        batches = pending_batches(self.task, "train", batch_size=size, rng=order, augment=True, device=self.device)
        whole = joined(batches, least=min(2, size))  # one item has no statistics
        shares = enumerate(in_steps(whole, self.parts, self.world.rank, self.world.size), 1)
        pending = (partial(_made, number, share) for number, share in shares if number > self.inside.get("steps", 0))
        return ahead(pending) if reads_ahead(self.task) else (make() for make in pending)

    def _take(self, step: Step, choices: np.random.Generator, came: Callable[[], bool]) -> bool:
        """Take a step, and return whether a signal arrived."""
        self.optimiser.zero_grad(set_to_none=True)
        if self.parts == 1:
            for loss in self._losses(step.own[0][1], choices):
                loss.backward()  # type: ignore[no-untyped-call]
                self.losses.append(loss.detach())
        else:
            ends = self._accumulate(step, choices, came)
        nn.utils.clip_grad_norm_(self.weights, self.recipe.clip)
        self.optimiser.step()
        return came() if self.parts == 1 else ends

    def _accumulate(self, step: Step, choices: np.random.Generator, came: Callable[[], bool]) -> bool:
        """Compute the gradient of a batch in parts; return whether a signal arrived in any process."""
        if step.parts < self.parts:  # then not all statistics move
            self.world.average_statistics(self.network)
        state, statistics = choices.bit_generator.state, Statistics(self.network, self.recipe.micro_batches)
        sums = torch.zeros(4, device=self.device)  # items, losses and what they are over, signals
        for part, batch in step.own:
            # A part draws by its number and takes the step's choices, whichever process has it.
            seed_draws(derive_seed(self.seed, "train", self.epochs, step.number, part), self.device)
            choices.bit_generator.state = state
            items = items_in(batch[0])
            sums[0] += items
            for loss in self._losses(batch, choices):
                (loss * items).backward()  # type: ignore[no-untyped-call]
                sums[1] += loss.detach() * items
                sums[2] += items
            statistics.take()
        statistics.settle()
        ends = came()
        sums[3] += ends
        sums = self.world.add_up(self.network, sums)
        for weight in self.weights:
            if weight.grad is not None:
                weight.grad.div_(sums[0])
        self.losses.append(sums[1] / sums[2])
        if self.world.size == 1:  # reading the value would wait for all work queued on the device
            return ends
        if sums[3] and not came():
            signal.raise_signal(signal.SIGTERM)  # an error in one process must end all: the others would wait for it
        return bool(sums[3])

    def _losses(self, batch: Batch, choices: np.random.Generator) -> Iterator[Tensor]:
        """Yield the loss of each output of a batch."""
        inputs, targets = batch
        with self._mixed():  # what is no generator computes here
            outputs = iter(self.forward(as_inputs(inputs), choices))
        while (loss := self._next_loss(outputs, targets)) is not None:
            yield loss

    def _next_loss(self, outputs: Iterator[Outputs], targets: Tensor) -> Tensor | None:
        """Return the loss of the next outputs; None at the end."""
        with self._mixed():
            following = next(outputs, None)
            return None if following is None else self.loss(following, targets)

    def _mixed(self) -> torch.autocast:
        """Return a context in which CUDA computes in bfloat16 where that is safe."""
        kind = torch.device(self.device).type
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda")

    def _save(self, epoch: int) -> None:
        """Save, unless the training diverged in this epoch, counted from 0."""
        self.world.average_statistics(self.network)
        if self.is_checked:
            check_losses(self.losses, epoch + 1, rate_of(self.optimiser))
            check_weights(self.network, epoch + 1, rate_of(self.optimiser))
        if self.checkpoint and self.world.is_first:
            losses = torch.stack(self.losses).cpu() if self.losses else torch.empty(0)
            spent = self.spent + time.perf_counter() - self.begun
            place = Place(self.epochs, self.inside, losses, self.seconds, self.toward, spent)
            save_checkpoint(self.checkpoint, self.network, self.optimiser, place)


def _whole(network: nn.Module) -> Forward:
    return lambda inputs, choices: [call(network, inputs)]


def _made(number: int, share: Share) -> Step:
    return Step(number, share.parts, [(place, batch.make()) for place, batch in share.own])
