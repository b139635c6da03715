"""The user's command as an estimator: it gets an exported network and prints a number."""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve._shortage import machine_number
from archsieve.errors import ArchsieveError, ScoringError, SettingError, describe_error, ends_the_run
from archsieve.estimators.contract import Price
from archsieve.estimators.measured.alone import alone
from archsieve.estimators.measured.facts import tell
from archsieve.estimators.measured.printed import number_of
from archsieve.estimators.measured.program import (
    CannotStartError,
    check_outside_quotes,
    output_of,
    places_in,
    split,
    words_of,
)
from archsieve.spaces.text import as_digits
from archsieve.tasks.contract import Measure
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import Context, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

_PAUSE = 0.5  # seconds before the second try, twice as long before each further one
_LONGEST_TIME = 1e6  # seconds


@dataclass(frozen=True)
class Command:
    """Scores an architecture by the number that the user's command prints for it.

    The command is split into words as a shell splits it, and run without a shell; in each word `{onnx}` stands for the
    path of the network as ONNX, `{pt2}` for that of its program of torch.export, `{file}` for that of what the function
    `export` writes, `{architecture}` for the architecture in the space's notation, `{digits}` for its digits,
    `{python}` for the interpreter that runs this. A batch may have any size. The network has the initial weights of the
    run's seed and is in evaluation mode. The program gets no input, and the folder and environment of this process.
    When it ends or is killed, so is all that it started, except what left its process group.

    A network that cannot be exported, or for which the program fails in every try, costs that network's score alone;
    the reason quotes the last line that the program wrote on standard error. One program runs at a time on this
    machine for each name of a device.

    A plan that has a command runs it only where the command line has `--allow-commands`.

    Args:
        command: the program and its arguments, for example "ssh pi ./bench {architecture}".
        device: a name for where it measures. It is part of the key of a score, as the command is: give another name
            where the device, or what runs on it, has changed.
        key: of the number where the program prints JSON, as "latency.p50". Empty: the number is the only one in the
            last line that it prints.
        lower_is_better: whether a smaller number is a better network.
        unit: of the number, for reports. Of ns, us, ms, s, kB, MB, GB, KiB, MiB, GiB, uJ, mJ and J: a number that is
            printed with another one, or below 0, is refused.
        export: "module:name", a function `write(network, inputs, path)` that writes the network to `{file}`. The module
            is imported: name only code you trust.
        tries: how often the program is run at most before a network is given up.
        seconds: how long each try may take. The program is killed then.
        uses_shell: run the command by /bin/sh, for pipes and variables; what stands for the braces is quoted for it.
        repeat: which of several measurements of the same network.

    >>> Command("./bench --model {onnx}", device="pi 4").name
    'command[pi 4]'
    """

    command: str = field(metadata={"runs": True})
    device: str
    key: str = ""
    lower_is_better: bool = True
    unit: str = "ms"
    export: str = field(default="", metadata={"code": True})
    tries: int = 3
    seconds: float = 60.0
    uses_shell: bool = False
    repeat: int = 0
    version: ClassVar[int] = 1
    chunk_size: ClassVar[int] = 1
    uses_device: ClassVar[bool] = False
    is_measured: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the settings; a missing program is only noticed when it is run."""
        for name in ("command", "device", "key", "unit", "export"):
            if not isinstance(getattr(self, name), str):
                raise SettingError(f"`{name}` must be text, but got {getattr(self, name)!r:.200}.")
        if not self.device.strip():
            raise SettingError("`device` must name where the command measures, e.g. 'pi 4', but is empty.")
        split(self.command)
        if self.uses_shell:
            check_outside_quotes(self.command)
        if not (places := places_in(self.command) - {"python"}):
            raise SettingError(
                f"The command {self.command!r:.200} is the same for every network: name {{onnx}}, {{pt2}}, {{file}}, "
                f"{{architecture}} or {{digits}} in it."
            )
        if ("file" in places) != bool(self.export):
            raise SettingError(
                "A command needs both {file} and `export`, the function that writes that file, or neither."
            )
        if self.export and not all(self.export.partition(":")):
            raise SettingError(f"`export` must be module:name, e.g. my_export:write, but got {self.export!r}.")
        check_whole("tries", self.tries, 1)
        check_whole("repeat", self.repeat, 0)
        if not 0 < self.seconds <= _LONGEST_TIME:
            raise SettingError(f"`0 < seconds <= {_LONGEST_TIME:g}` must hold, but got {self.seconds}.")

    @property
    def name(self) -> str:
        """The name with the device and the repeat number."""
        return f"command[{self.device}{f', repeat {self.repeat}' if self.repeat else ''}]"

    @property
    def measure(self) -> Measure:
        """The measured quantity and its direction."""
        return Measure(f"{self.unit} on {self.device}", higher_is_better=not self.lower_is_better)

    def identity(self) -> dict[str, Any]:
        """Return the settings that the number depends on: not retries, time limit or unit."""
        names = ("command", "device", "key", "lower_is_better", "export", "uses_shell", "repeat")
        return {"type": "Command", "version": self.version, **{name: getattr(self, name) for name in names}}

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return zero: nothing is trained."""
        return Price(0.0, 0.0)

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the numbers, shape (n,), negated where lower is better.

        Raises:
            ScoringError: a network cannot be exported, or the program gives no number for it.
            MissingPackageError: what the export needs is not installed.
        """
        return np.array([self._measured(arch, ctx) for arch in archs])

    def _measured(self, arch: Architecture, ctx: Context) -> float:
        with tempfile.TemporaryDirectory(prefix="archsieve-") as folder:
            values = self._values(arch, ctx, Path(folder))
            words = words_of(self.command, values, uses_shell=self.uses_shell)
            with alone(f"command {self.device}"):
                value, tried, seconds = self._tried(words)
        facts = {"value": value, "unit": self.unit, "device": self.device, "tries": tried, "seconds": round(seconds, 3)}
        tell(arch, facts)
        return 0.0 - value if self.lower_is_better else value

    def _tried(self, words: list[str]) -> tuple[float, int, float]:
        """Return the number, the attempt that gave it, and its duration."""
        for attempt in range(1, self.tries + 1):
            begun = time.perf_counter()
            try:
                number = number_of(output_of(words, self.seconds), self.key, self.unit)
            except CannotStartError:
                raise
            except ScoringError as error:
                if ends_the_run(error):
                    raise
                if attempt == self.tries:
                    raise ScoringError(str(error) if attempt == 1 else f"{error} (try {attempt})") from error
                time.sleep(_PAUSE * 2 ** (attempt - 1))
            else:
                return number, attempt, time.perf_counter() - begun
        raise ScoringError("it was not tried")

    def _values(self, arch: Architecture, ctx: Context, folder: Path) -> dict[str, str]:
        """Return the value of each placeholder in the command; exported files are written."""
        places = places_in(self.command)
        values = {"architecture": ctx.space.describe(arch), "digits": as_digits(arch, ctx.space.choices)}
        values["python"] = sys.executable
        forms = {"onnx": folder / "network.onnx", "pt2": folder / "network.pt2", "file": folder / "network"}
        if wanted := places & forms.keys():
            self._write({name: path for name, path in forms.items() if name in wanted}, arch, ctx)
            values |= {name: str(forms[name]) for name in wanted}
        return values

    def _write(self, forms: dict[str, Path], arch: Architecture, ctx: Context) -> None:
        from archsieve.networks.building import build_network
        from archsieve.networks.inputs import drawn_for
        from archsieve.networks.programs import plain, save_onnx, save_program

        network, inputs = build_network(ctx.space, arch, ctx.task, ctx.seed).eval(), drawn_for(ctx.task, 2)
        own = partial(self._write_own, _function(self.export)) if self.export else None
        writers: dict[str, Any] = {"onnx": save_onnx, "pt2": save_program, "file": own}
        for name, path in forms.items():
            try:
                writers[name](network if name == "file" else plain(network, inputs), inputs, path)
            except SettingError as error:  # of this network: another may be written
                raise ScoringError(str(error)) from error

    def _write_own(self, function: Any, network: Any, inputs: Any, path: Path) -> None:
        try:
            function(network, inputs, path)
        except Exception as error:  # whatever the user's code raises
            if machine_number(error) or (isinstance(error, ArchsieveError) and ends_the_run(error)):
                raise
            raise ScoringError(f"{self.export} raised {describe_error(error)}") from error
        if not path.exists():
            raise ScoringError(f"{self.export} wrote no file {path.name}")


def _function(name: str) -> Any:
    """Return the function "module:name".

    Raises:
        SettingError: its module has no such function.
    """
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise SettingError(f"There is no module {module!r} for `export`: add --plugin {module}.py.") from error
    if not callable(function):
        raise SettingError(f"The module {module!r} has no function {attribute!r}, which `export` names.")
    return function
