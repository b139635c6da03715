"""In-place distillation: smaller paths of a supernet learn the outputs of its largest path (arXiv 1903.05134)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.nn import functional

from archsieve.networks.outputs import main_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from archsieve.tasks.contract import Task


class Distilled:
    """A task whose loss compares outputs with the teacher's instead of the targets, once a step has a teacher.

    The loss is the cross-entropy of the outputs against the teacher's probabilities, both over dimension 1, a mean over
    all else; its gradient is that of the Kullback-Leibler divergence. No gradient reaches the teacher.

    Args:
        task: gives batches, and the loss of the teacher.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._teacher: Tensor | None = None

    def __getattr__(self, name: str) -> Any:
        """Return the task's attribute, except special methods: `copy` must copy this object and not the task."""
        if name.startswith("__") or name in ("_task", "_teacher"):  # not there yet, while it is copied
            raise AttributeError(name)
        return getattr(self._task, name)

    def step(self, outputs: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the outputs of one step; the first are the teacher's, kept after their own loss is computed."""
        self._teacher = None
        for output in outputs:
            yield output
            if self._teacher is None:
                self._teacher = main_output(output).detach().float().softmax(1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the task's loss for the teacher, and the cross-entropy against the teacher for all other paths."""
        if self._teacher is None:
            return self._task.loss(outputs, targets)
        return functional.cross_entropy(outputs.float(), self._teacher)
