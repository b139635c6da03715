"""What a run is about: sizes, budgets and where the pictures are, from the command line."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

PARTS = "abcdefgh"
# Of a card of the H100's class, in seconds; (c) has its minutes of training besides.
BUDGETS = {"a": 60.0, "b": 140.0, "c": 70.0, "d": 35.0, "e": 40.0, "f": 30.0, "g": 45.0, "h": 80.0}
WHOLE = 575.0
PATIENCE = 10  # times as long may the tiny form take, which says nothing of speed: the CPU may be busy


@dataclass(frozen=True)
class Setting:
    """The full sizes are the defaults; `tiny` has those of a CPU."""

    device: str = "cuda"
    tiny: bool = False
    parts: str = PARTS
    cifar: str = ""
    supernet_minutes: float = 1.25
    supernet_epochs: int = 50
    sampling: str = "uniform"
    checkpoint: str = ""  # empty for a name that says what is trained
    seconds: float = WHOLE
    networks: int = 4  # of each of four spaces
    proxy_batch: int = 16
    items: int = 1000  # images a cell of the supernet is scored on
    cells: int = 0  # scored; 0 for all distinct ones
    vote_networks: int = 400
    vote_batch: int = 64
    plain_networks: int = 24
    steps: int = 8
    warm_up: int = 3
    workers: int = 14
    pictures: int = 50_000

    def budget(self, part: str) -> float:
        """Return the seconds that a part may take."""
        seconds = BUDGETS[part] + (60 * self.supernet_minutes if part == "c" else 0.0)
        return seconds * (PATIENCE if self.tiny else 1)

    def identity(self) -> dict[str, object]:
        """Return what makes two runs one that was cut off: all settings but the place of pictures and checkpoint."""
        return {name: value for name, value in asdict(self).items() if name not in ("cifar", "checkpoint")}


TINY = Setting(
    device="cpu",
    tiny=True,
    supernet_minutes=0.02,
    supernet_epochs=2,
    seconds=1200.0,
    networks=2,
    proxy_batch=4,
    items=64,
    cells=12,
    vote_networks=12,
    vote_batch=8,
    plain_networks=3,
    steps=1,
    warm_up=1,
    workers=0,
    pictures=160,
)


def arguments(about: str | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="small sizes, on the CPU unless --device says otherwise")
    parser.add_argument("--device", help="cuda, mps or cpu [the accelerator that is here]")
    parser.add_argument("--cifar", default="", help="folder with the parquet files of CIFAR-10, or train/ and test/")
    parser.add_argument("--supernet-minutes", type=float, help="minutes of part (c)'s training [1.25]")
    parser.add_argument("--supernet-epochs", type=int, help="epochs of its schedule [50, the paper's]")
    parser.add_argument("--sampling", choices=["uniform", "fair"], help="paths of one of its steps [uniform]")
    parser.add_argument("--checkpoint", help="file from which its training goes on, and to which")
    parser.add_argument("--seconds", type=float, help="of the whole run [575]")
    parser.add_argument("--parts", help=f"some of {PARTS} [all]")
    parser.add_argument("--out", type=Path, default=Path("device.jsonl"), help="file of results, kept if it is there")
    parser.add_argument("--table", type=Path, metavar="FILE", help="run nothing: print the table of this file")
    chosen = parser.parse_args()
    if unknown := sorted(set(chosen.parts or "") - set(PARTS)):
        parser.error(f"There is no part {', '.join(unknown)}: choose from {PARTS}.")
    return chosen


def setting_of(chosen: argparse.Namespace) -> Setting:
    """Return the setting of a command line."""
    base = TINY if chosen.tiny else Setting(device=accelerator())
    told = {name: getattr(chosen, name, None) for name in base.identity()} | {"checkpoint": chosen.checkpoint}
    setting = replace(base, cifar=chosen.cifar, **{k: v for k, v in told.items() if v is not None and k != "tiny"})
    if setting.cifar:  # the benchmark's table may lie beside the pictures
        os.environ.setdefault("ARCHSIEVE_DATA", setting.cifar)
    return setting


def accelerator() -> str:
    """Return the kind of accelerator that is here, or cpu."""
    import torch

    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found.type if found is not None else "cpu"
