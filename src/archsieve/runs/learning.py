"""The cost of fitting, stored as it is spent, so that a killed process or deleted results do not lose it.

Three notes of one sum. The results file has the scores that an estimator asked for and the seconds of its learning;
they are added before the estimator keeps what it learnt. A file beside what it learnt has their sum, for the case that
only that is left. A checkpoint has the seconds of the trainings behind it (`archsieve._spent`).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsieve.errors import RunFolderError
from archsieve.runs.folder import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from archsieve.runs.requests import Requests
    from archsieve.runs.rows import Key
    from archsieve.runs.store import Store

COST_FILE = "cost.json"


@dataclass
class Learning:
    """The fitting cost of one estimator.

    Args:
        store: the results file.
        key: of the estimator.
        name: of the estimator.
        folder: where the estimator keeps what it learns.
        requests: the scores that it asks for; those of another task are not paid for.
    """

    store: Store
    key: Key
    name: str
    folder: Path
    requests: Requests
    before: float = 0.0  # seconds of learning in the results file
    elsewhere: float = 0.0  # of this process, that are stored with scores
    noted: float = 0.0  # of this process
    begun: float = 0.0

    def begin(self) -> None:
        """Look up the earlier cost in the results, or else beside the fitted state."""
        self.begun, path = time.perf_counter(), self.folder / COST_FILE
        self.before = self.store.seconds(self.key, ())
        if self.before == 0 and path.exists() and not self.store.taught(self.key):
            self.before = _seconds_in(path)
            self.store.learn(self.key, self.name, self.before)

    def note(self) -> None:
        """Store the cost so far."""
        own = {teacher: archs for teacher, archs in self.requests.codes.items() if teacher.task == self.key.task}
        spent = time.perf_counter() - self.begun - self.elsewhere
        self.store.learn(self.key, self.name, spent - self.noted, own)
        self.noted = spent
        if own:
            taught = math.fsum(self.store.seconds(teacher, archs) for teacher, archs in own.items())
            write_json(self.folder / COST_FILE, {"seconds": self.before + spent + taught})

    def end(self, checkpoints: float) -> None:
        """Store the final cost; `checkpoints` are the seconds of ended processes behind resumed checkpoints."""
        self.note()
        if checkpoints > self.before:
            self.store.learn(self.key, self.name, checkpoints - self.before)


def _seconds_in(path: Path) -> float:
    content = read_json(path)
    seconds = content.get("seconds") if isinstance(content, dict) else None
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise RunFolderError(f"The file {path} says no number of seconds: delete it and run the search again.")
    return float(seconds)
