"""Export of a network of a finished search into its own folder."""

from __future__ import annotations

import json
import shutil
import sys
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from archsieve._files import writing
from archsieve.errors import RunFolderError, SettingError, require
from archsieve.plans.finished import read_finished
from archsieve.plans.trained import Finished, Trained, trained_network
from archsieve.runs.provenance import provenance
from archsieve.spaces.choices.space import OwnSpace
from archsieve.spaces.text import as_digits
from archsieve.spaces.within import Within

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from torch import nn

    from archsieve.export.check import Check

Format: TypeAlias = Literal["plain", "torch-export", "onnx", "all"]
FORMATS: tuple[Format, ...] = ("plain", "torch-export", "onnx", "all")


@dataclass(frozen=True)
class Exported:
    """The files that an export wrote.

    Attributes:
        folder: where.
        files: by their names.
        weights: which weights the network has, as a sentence.
        notes: forms that could not be written or checked, and why.
        differences: the greatest difference to the network of the search, by file and batch size.
    """

    folder: str
    files: tuple[str, ...]
    weights: str
    notes: tuple[str, ...]
    differences: dict[str, dict[int, float]]


def model_of(folder: Path, rank: int = 1, *, plugins: Collection[str] = ()) -> nn.Module:
    """Return the network of a given rank of a finished search, with its weights, in evaluation mode on the CPU.

    Raises:
        RunFolderError: the search is not finished, or its files were changed or cut.
        PlanError: its plan names code of a file that `plugins` does not.
    """
    return trained_network(read_finished(folder, rank, plugins)).network.eval()


def export_run(
    folder: Path,
    to: Path,
    *,
    rank: int = 1,
    form: Format = "plain",
    weights: Path | None = None,
    plugins: Collection[str] = (),
    command: str = "",
) -> Exported:
    """Write a network of a finished search into a new folder; on failure nothing is written.

    Args:
        folder: of the run.
        to: the folder to write; it must not exist, or be empty.
        rank: of the architecture in the last stage; 1 is the winner.
        form: "plain" is source, with the weights beside it; "torch-export" and "onnx" are programs; "all" is all three.
        weights: a file of weights of this network, such as `archsieve train` writes; None takes those of the run.
        plugins: modules that the plan may name.
        command: what was called, for the record.

    Raises:
        RunFolderError: the search is not finished, its files were changed or cut, or there is something in `to`.
        SettingError: the form does not exist, or the network cannot be written in it.
        MissingPackageError: torch, or what ONNX needs, is not installed.
    """
    require("torch", "torch")
    if form not in FORMATS:
        raise SettingError(f"`form` must be one of {', '.join(FORMATS)}, but got {form!r}.")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise RunFolderError(f"There is already something in {to}: choose a new folder.")
    found = read_finished(folder, rank, plugins)
    trained, sentence = _weighed(found, weights)
    temporary = to.with_name(f".{to.name}.{uuid.uuid4().hex}")
    with writing(to):
        temporary.mkdir(parents=True)
        try:
            writer = _Writer(found, trained, sentence, temporary, form)
            exported = writer.write(to, command)
            if to.exists():
                to.rmdir()
            temporary.replace(to)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return exported


def _weighed(found: Finished, weights: Path | None) -> tuple[Trained, str]:
    """Return the network with its weights, and a sentence on their origin."""
    from archsieve.networks.weights import load_weights

    trained = trained_network(found)
    if weights is not None:
        load_weights(weights, trained.network)
        return Trained(trained.network, str(weights), 0), f"Its weights are those of {weights}."
    if trained.estimator is not None:
        final = found.plan.final is not None and found.plan.final.name == trained.estimator
        kind = "the final training" if final else "a training that a stage of the search left"
        epochs = f"{trained.epochs} epoch{'s' * (trained.epochs != 1)}"
        return trained, f"Its weights are those after {epochs}, by {trained.estimator}: {kind}."
    given = getattr(found.plan.space, "keeps_weights", False)
    start = "as its factory gives them" if given else "as drawn by the seed"
    return trained, f"It is not trained: the search left no weights of it, and they are {start}."


class _Writer:
    """Writes one network in the requested forms."""

    def __init__(self, found: Finished, trained: Trained, sentence: str, folder: Path, form: Format) -> None:
        from archsieve.export.check import batches_for, outputs_by
        from archsieve.networks.programs import plain

        self.found, self.trained, self.sentence, self.folder, self.form = found, trained, sentence, folder, form
        self.space: Any = found.plan.space.space if isinstance(found.plan.space, Within) else found.plan.space
        self.network = trained.network.eval()
        self.batches = batches_for(found.plan.task)
        self.expected = outputs_by(self.network, self.batches)
        self.program = plain(self.network, self.batches[2])
        self.title = f"{found.plan.space.describe(found.code)}, found by a search of {self._name}."
        self.checks: list[Check] = []
        self.notes: list[str] = []

    @property
    def _name(self) -> str:
        return self.space.factory if isinstance(self.space, OwnSpace) else str(self.space.name)

    @property
    def _output(self) -> str | None:
        return self.space.output if isinstance(self.space, OwnSpace) else None

    def write(self, to: Path, command: str) -> Exported:
        """Write all forms, and return the written files."""
        from archsieve.networks.weights import save_weights

        is_own = isinstance(self.space, OwnSpace)
        about = {"space": self._name, "architecture": self.found.plan.space.describe(self.found.code)}
        if self.trained.estimator is not None:
            save_weights(self.folder / "weights.safetensors", self.network, about)
        if self.form in ("torch-export", "all") or (self.form == "plain" and not is_own):
            self._attempt(self._torch_export)
        if self.form in ("plain", "all"):
            self._attempt(self._source)
        if self.form in ("onnx", "all"):
            self._attempt(self._onnx)
        self._write_facts(command)
        files = sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        differences = {check.file: check.differences for check in self.checks if check.differences}
        notes = [*self.notes, *(str(check) for check in self.checks if check.note)]
        return Exported(str(to), tuple(files), self.sentence, tuple(notes), differences)

    def _attempt(self, write: Any) -> None:
        """Write one form; if several are requested, a failure becomes a note."""
        try:
            write()
        except (SettingError, ImportError) as error:
            if self.form != "all":
                raise
            self.notes.append(str(error))

    def _torch_export(self) -> None:
        from archsieve.export.check import check_program
        from archsieve.networks.programs import save_program

        path = self.folder / "network.pt2"
        save_program(self.program, self.batches[2], path)
        self.checks.append(check_program(path, self.batches, self.expected))

    def _onnx(self) -> None:
        from archsieve.export.check import check_onnx
        from archsieve.networks.programs import save_onnx

        path = self.folder / "network.onnx"
        save_onnx(self.program, self.batches[2], path)
        self.checks.append(check_onnx(path, self.batches, self.expected))

    def _source(self) -> None:
        from archsieve.export.check import check_source
        from archsieve.export.source import SOURCE_FOLDER, of_own, of_program

        if isinstance(self.space, OwnSpace):
            is_trained = self.trained.estimator is not None
            arch, task = self.found.code, self.found.plan.task
            source = of_own(self.space, arch, task, self.title, is_trained=is_trained, weights=self.sentence)
        else:
            import torch

            self.notes.append(
                f"The networks of {self._name} are part of archsieve: network.py loads network.pt2, the program of "
                f"torch.export, which needs torch alone."
            )
            source = of_program(self.title, self._name, torch.__version__)
        (self.folder / "network.py").write_text(source.text, encoding="utf-8")
        for name, path in source.files.items():
            copy = self.folder / SOURCE_FOLDER / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        # Without weights each run draws others: that it runs is all that can be seen.
        self.checks.append(check_source(self.folder, self.batches, self.expected, self._output))
        if isinstance(self.space, OwnSpace) and self.trained.estimator is None:
            self.checks[-1] = self.checks[-1]._replace(
                differences={}, note="It runs without archsieve; newly drawn weights have nothing to be compared with."
            )

    def _write_facts(self, command: str) -> None:
        """Write `architecture.json` and `CHECK.txt`."""
        found, result = self.found, self.found.result
        space, task = found.plan.space, found.plan.task
        made = provenance(command, "cpu", 1)
        facts = {
            "architecture": space.describe(found.code),
            "digits": as_digits(found.code, space.choices),
            "space": self._name,
            "decisions": self._decisions(),
            "output": self._output,
            "task": {
                "name": task.name,
                "input_shape": list(task.input_shape),
                "num_outputs": task.num_outputs,
                **getattr(task, "facts", {}),  # of own data: classes, and how inputs are standardised
            },
            "rank": found.rank,
            "best_score": result.get("best_score") if found.rank == 1 else None,
            "final_score": result.get("final_score") if found.rank == 1 else None,
            "metric": result.get("metric"),
            "weights": self.sentence,
            "params": sum(p.numel() for p in self.network.parameters()),
            "versions": made.versions,
            "command": command,
        }
        (self.folder / "architecture.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        versions = ", ".join(f"{name} {number}" for name, number in made.versions.items())
        lines = [self.title, self.sentence, "", *map(str, self.checks), *self.notes]
        lines += ["", f"Python {sys.version.split()[0]}; {versions}"]
        (self.folder / "CHECK.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _decisions(self) -> dict[str, str] | None:
        if not isinstance(self.space, OwnSpace):
            return None
        answered = self.space.describe(self.found.code).split(", ") if self.space.decisions else []
        return dict(part.rsplit("=", 1) for part in answered)
