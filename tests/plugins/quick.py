"""Worker processes for tests, forked from one that has imported torch: each is new, and begins in a moment.

For tests that are about other things than the start and the end of workers.
"""

import multiprocessing
import os
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["torch", "archsieve.estimators.zero_cost.estimator", "archsieve.runs.worker"])


class Context:
    """Stands for the context that starts workers by "spawn"."""

    Pipe = staticmethod(_FORKS.Pipe)

    def Process(self, target, args):  # noqa: N802 - as the context calls it
        connection, _ = args
        return _FORKS.Process(target=_begin, args=(dict(os.environ), str(Path.cwd()), target, connection))


def _begin(environment, folder, target, connection):
    """Do the target's work where, and with the variables that, a process started anew would have them."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    target(connection, 0)  # the parent is the process that forks, not the driver
