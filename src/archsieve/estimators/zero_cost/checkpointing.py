"""Networks that compute parts of themselves again in the backward pass (`torch.utils.checkpoint`)."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from torch.utils import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def without_checkpoints() -> Iterator[None]:
    """Compute such parts once, with their graph: the values are the same, and the activations in them have gradients.

    Otherwise, what runs inside is seen twice, or has no gradients in the forward pass, and torch refuses derivatives by
    given tensors.
    """
    with ExitStack() as stack:
        stack.enter_context(patch.object(checkpoint.CheckpointFunction, "apply", _run, create=True))
        if hasattr(checkpoint, "_checkpoint_without_reentrant_generator"):  # a private name of torch
            stack.enter_context(patch.object(checkpoint, "_checkpoint_without_reentrant_generator", _nothing))
        yield


def _run(function: Callable[..., Any], preserve: bool, *inputs: Any) -> Any:
    return function(*inputs)


def _nothing(*arguments: Any, **named: Any) -> Iterator[None]:
    """Do nothing before a part and nothing after it."""
    yield
