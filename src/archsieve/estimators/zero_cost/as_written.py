"""Passes of a network as it is written: without checkpoints (`torch.utils.checkpoint`) and compiled functions."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch.utils import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def as_written() -> Iterator[None]:
    """Run checkpointed parts once, with their graph, and compiled functions as they are: the values are the same.

    Otherwise, what runs in a checkpoint is seen twice, or has no gradients in the forward pass, and torch refuses
    derivatives by given tensors; and torch would compile what observes the network.
    """
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:  # a slow import, which compiling makes
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(patch.object(checkpoint.CheckpointFunction, "apply", _run, create=True))
        if hasattr(checkpoint, "_checkpoint_without_reentrant_generator"):  # a private name of torch
            stack.enter_context(patch.object(checkpoint, "_checkpoint_without_reentrant_generator", _nothing))
        yield


def _run(function: Callable[..., Any], preserve: bool, *inputs: Any) -> Any:
    return function(*inputs)


def _nothing(*arguments: Any, **named: Any) -> Iterator[None]:
    """Do nothing before a part and nothing after it."""
    yield
