"""Laws of a task."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from archsieve.errors import SettingError
from archsieve.networks.form import inputs_of
from archsieve.networks.inputs import parts_of
from archsieve.tasks.contract import SPLITS, completed_task, measure_of, says_count
from archsieve.testing.laws import copy_of, expect, random_states
from archsieve.values import is_whole

if TYPE_CHECKING:
    from archsieve.networks.form import Given, Input
    from archsieve.tasks.contract import Split, Task

_BATCH = 64
_IGNORED = 255  # the target of a pixel that has none


class TaskContract:
    """Laws of a task. Set `task`, with data that are present; a few items are enough."""

    task: ClassVar[Task]

    def test_its_form_is_plain(self) -> None:
        """Name, inputs, number of outputs and direction are known without data."""
        task = self.task
        expect(isinstance(task.name, str) and bool(task.name), f"the name is {task.name!r}")
        shape = task.input_shape
        expect(all(is_whole(side) and side >= 1 for side in shape), f"input_shape is {shape!r}")
        outputs = task.num_outputs
        expect(is_whole(outputs) and outputs >= 1, f"num_outputs is {outputs!r}")
        direction = completed_task(task).higher_is_better
        expect(isinstance(direction, bool), f"higher_is_better is {direction!r}")
        expect(isinstance(measure_of(task).name, str), "metric_name is no text")
        present = completed_task(task).is_present()
        expect(present is True, f"is_present() is {present!r}, where the laws need its data")
        inputs_of(task)

    def test_batches_have_the_promised_form(self) -> None:
        """Each input has the declared shape and type, and each class number is an output index."""
        for split in SPLITS:
            for given, targets in self.task.batches(split, batch_size=_BATCH):
                is_dense = not targets.is_floating_point() and targets.dim() > 1
                for declared, tensor in zip(inputs_of(self.task), parts_of(given), strict=True):
                    expect(len(tensor) == len(targets), f"{len(tensor)} inputs and {len(targets)} targets in a batch")
                    _check_input(declared, tensor, any_size=is_dense and split != "train")
                if not targets.is_floating_point():
                    expect(targets.dtype == torch.int64, f"class numbers have the type {targets.dtype}")
                    _check_classes(targets[targets != _IGNORED] if is_dense else targets, self.task.num_outputs)

    def test_a_split_without_generator_is_always_the_same(self) -> None:
        """Without a generator every pass gives the same items in the same order."""
        for split in SPLITS:
            expect(_items(self.task, split) == _items(self.task, split), f"two passes through {split!r} differ")

    def test_the_batch_size_changes_no_item(self) -> None:
        """Another batch size divides the same items, including a smaller last batch."""
        for split in SPLITS:
            sizes = [len(targets) for _, targets in self.task.batches(split, batch_size=7)]
            expect(max(sizes, default=0) <= 7, f"a batch of {max(sizes, default=0)} items where 7 were asked for")
            few, many = _items(self.task, split, 7), _items(self.task, split)
            expect(
                few == many, f"{split!r} has other items in batches of 7 ({len(few)}) than in larger ones ({len(many)})"
            )

    def test_counts_are_true(self) -> None:
        """`count(split)`, if defined, equals the number of items in the batches."""
        if not says_count(self.task):
            return
        for split in SPLITS:
            count, items = completed_task(self.task).count(split), len(_items(self.task, split))
            expect(count == items, f"count({split!r}) is {count}, but the batches give {items} items")

    def test_splits_share_no_item(self) -> None:
        """Training, validation and test items are disjoint."""
        trained = set(_items(self.task, "train"))
        for split in ("validation", "test"):
            again = trained & set(_items(self.task, split))
            expect(not again, f"{len(again)} items of {split!r} are trained on too")

    def test_equal_generators_give_equal_batches(self) -> None:
        """Order and augmentation depend on the given generator alone."""
        for augment in (False, True):
            with suppress(SettingError):  # not every kind of input can be augmented
                first, second = (_items(self.task, "train", 7, seed=3, augment=augment) for _ in range(2))
                expect(first == second, f"two passes with equal generators and augment={augment} differ")

    def test_shuffling_keeps_the_items(self) -> None:
        """With a generator a pass gives every item once, in another order."""
        plain, shuffled = _items(self.task, "train"), _items(self.task, "train", seed=3)
        expect(sorted(plain) == sorted(shuffled), "a shuffled pass has other items")
        expect(len(set(plain)) < 8 or plain != shuffled, "the generator shuffles nothing")

    def test_what_is_scored_on_is_not_augmented(self) -> None:
        """Without `augment` a generator changes only the order, and targets never change."""
        for split in ("validation", "test"):
            plain, shuffled = _items(self.task, split), _items(self.task, split, seed=4)
            expect(sorted(plain) == sorted(shuffled), f"a generator changes items of {split!r}")

    def test_batches_leave_the_random_state_alone(self) -> None:
        """The global generators of torch and numpy are unchanged."""
        before = random_states()
        with suppress(SettingError):
            _items(self.task, "train", seed=3, augment=True)
        _items(self.task, "train", seed=3)
        expect(before == random_states(), "the caller's generators moved")

    def test_batches_belong_to_the_caller(self) -> None:
        """Writing to a batch does not change later ones."""
        before = _items(self.task, "train")
        for given, targets in self.task.batches("train", batch_size=_BATCH):
            for tensor in (*parts_of(given), targets):
                tensor.zero_()
        expect(_items(self.task, "train") == before, "writing to a batch changes the task")

    def test_the_loss_is_a_mean_with_a_gradient(self) -> None:
        """The loss is a finite scalar with a gradient, and unchanged for a batch given twice."""
        _, targets = _first(self.task)
        outputs = _answers(targets, self.task.num_outputs, shift=1).requires_grad_()
        loss = self.task.loss(outputs, targets)
        expect(loss.shape == () and bool(loss.isfinite()), f"the loss is {loss!r:.60}")
        loss.backward()  # type: ignore[no-untyped-call]
        loss = loss.detach()
        expect(outputs.grad is not None and bool(outputs.grad.any()), "the loss has no gradient")
        twice = self.task.loss(torch.cat([outputs, outputs]).detach(), torch.cat([targets, targets]))
        expect(_close(float(loss), float(twice)), f"the loss of a batch is {float(loss)}, given twice {float(twice)}")

    def test_the_loss_and_metric_prefer_the_truth(self) -> None:
        """Outputs equal to the targets have a lower loss and a better metric than others."""
        _, targets = _first(self.task)
        losses, values = [], []
        for shift in (0, 1):
            outputs = _answers(targets, self.task.num_outputs, shift)
            losses.append(float(self.task.loss(outputs, targets)))
            values.append(self._measured(outputs, targets, [len(targets)]))
        expect(losses[0] < losses[1], f"the loss of right outputs is {losses[0]}, of wrong ones {losses[1]}")
        is_better = values[0] > values[1] if completed_task(self.task).higher_is_better else values[0] < values[1]
        expect(is_better, f"the metric of right outputs is {values[0]}, of wrong ones {values[1]}")

    def test_the_metric_counts_every_item_once(self) -> None:
        """The metric of items is the same in one batch as in several of unequal sizes."""
        _, targets = _first(self.task)
        outputs = _answers(targets, self.task.num_outputs, shift=0)
        outputs[: len(targets) // 3] = _answers(targets, self.task.num_outputs, shift=1)[: len(targets) // 3]
        third = max(1, len(targets) // 3)
        whole = self._measured(outputs, targets, [len(targets)])
        parts = self._measured(outputs, targets, [third, len(targets) - third])
        expect(_close(whole, parts), f"the metric is {whole} in one batch and {parts} in two")
        expect(self.task.metric() is not self.task.metric(), "metric() returns the same object again")

    def test_a_copy_is_the_same_task(self) -> None:
        """A worker's copy has the same fingerprint and the same items."""
        expect(_items(copy_of(self.task), "test") == _items(self.task, "test"), "a copy has other items")

    def _measured(self, outputs: torch.Tensor, targets: torch.Tensor, sizes: list[int]) -> float:
        metric = self.task.metric()
        for some, true in zip(torch.split(outputs, sizes), torch.split(targets, sizes), strict=True):
            metric.update(some, true)
        return float(metric.compute())


def _items(
    task: Task, split: Split, batch_size: int = _BATCH, *, seed: int | None = None, augment: bool = False
) -> list[bytes]:
    """Return the items of a pass, inputs and target of each as bytes."""
    rng = None if seed is None else np.random.default_rng(seed)
    items = []
    for given, targets in task.batches(split, batch_size=batch_size, rng=rng, augment=augment):
        tensors = [*parts_of(given), targets]
        items += [b"".join(t[place].numpy().tobytes() for t in tensors) for place in range(len(targets))]
    return items


def _first(task: Task) -> tuple[Given, torch.Tensor]:
    return next(iter(task.batches("train", batch_size=16)))


def _answers(targets: torch.Tensor, outputs: int, shift: int) -> torch.Tensor:
    """Return outputs that equal the targets or, shifted by 1, differ from them."""
    if targets.is_floating_point():  # numbers; far from 0 where they may be logits
        is_binary = bool(((targets == 0) | (targets == 1)).all())
        right = 20 * targets - 10 if is_binary else targets.clone()
        return right if not shift else -right if is_binary else right + 1
    classes = torch.where(targets == _IGNORED, 0, targets) if targets.dim() > 1 else targets
    hot = torch.nn.functional.one_hot((classes + shift) % outputs, outputs).movedim(-1, 1)
    return 10 * hot.float().contiguous()


def _check_input(declared: Input, tensor: torch.Tensor, *, any_size: bool) -> None:
    """Check an input; scenes for scoring may have any height and width."""
    shape = tuple(tensor.shape[1:])
    wanted = (*declared.shape[:1], *shape[1:]) if any_size else declared.shape
    expect(shape == wanted, f"an item has the shape {shape}, not {wanted}")
    expect(tensor.is_contiguous(), "inputs are not contiguous")
    if declared.tokens is None:
        expect(tensor.dtype == torch.float32, f"real inputs have the type {tensor.dtype}")
        expect(bool(tensor.isfinite().all()), "inputs are not finite")
    else:
        expect(tensor.dtype == torch.int64, f"tokens have the type {tensor.dtype}")
        _check_classes(tensor, declared.tokens)


def _check_classes(numbers: torch.Tensor, count: int) -> None:
    if numbers.numel():
        least, most = int(numbers.min()), int(numbers.max())
        expect(least >= 0 and most < count, f"numbers from {least} to {most} are not in 0..{count - 1}")


def _close(first: float, second: float) -> bool:
    return abs(first - second) <= 1e-5 * max(1.0, abs(first))
