"""A supernet of NAS-Bench-Macro at the scale of one core: trained and scored on CIFAR-10 at 16 x 16 pixels.

    python studies/macro_supernet.py --out runs/macro-supernet
    python studies/pipelines_macro.py --supernet runs/macro-supernet

The published networks were trained on 32 x 32 pixels. A quarter of the pixels makes a step four times cheaper, so that
10 epochs over all 45,000 images and 3,969 scores on 1,000 images take about 40 minutes of one core. It can be stopped
and started again. The scores go into FOLDER/scores.npz.
"""

from __future__ import annotations

import argparse
import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from archsieve import ESTIMATORS, SPACES, Session
from archsieve._files import replace_file
from archsieve.tasks.cifar import CIFAR10
from archsieve.tasks.data.images import Images, read_only

SETTINGS = {"epochs": 10, "scoring_items": 1000, "final_learning_rate": 0.001}


@dataclass(frozen=True)
class SmallCIFAR10(CIFAR10):
    """CIFAR-10 at 16 x 16 pixels: each is the mean of four."""

    name: ClassVar[str] = "cifar10-16px"
    input_shape: ClassVar[tuple[int, ...]] = (3, 16, 16)
    crop_padding: ClassVar[int] = 2

    def load(self) -> Images:
        """Return the pictures."""
        return _halved(self.source)


@functools.lru_cache(maxsize=1)
def _halved(source: str) -> Images:
    whole = CIFAR10(source=source).load()

    def means(pixels):
        n, channels, height, width = pixels.shape
        blocks = pixels.reshape(n, channels, height // 2, 2, width // 2, 2)
        return np.rint(blocks.mean(axis=(3, 5), dtype=np.float32)).astype(np.uint8)

    small = Images(means(whole.train_images), whole.train_labels, means(whole.test_images), whole.test_labels)
    return read_only(small)


def progress(label: str, done: int, total: int) -> None:
    """Print where the work stands."""
    print(f"{time.strftime('%H:%M:%S')} {label} {done}/{total}", flush=True)


def main() -> None:
    """Train, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    out = parser.parse_args().out
    estimator = ESTIMATORS["one_shot"](**SETTINGS)
    with Session(out, SPACES["nasbench-macro"](), SmallCIFAR10(), seed=0, progress=progress) as session:
        archs = session.pool()
        scores = session.scores([estimator], archs)[:, 0]
    with replace_file(out / "scores.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, codes=np.array(archs, dtype=np.int8), scores=scores)
    print(f"{time.process_time():.0f} seconds of processor in this run")


if __name__ == "__main__":
    main()
