"""Tiny data sets on disk."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as arrow
from PIL import Image
from pyarrow import parquet

if TYPE_CHECKING:
    from pathlib import Path

TRAIN, TEST = 20, 10


def png(pixels: np.ndarray) -> bytes:
    """Encode (C, H, W) without loss."""
    stream = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(stream, "PNG")
    return stream.getvalue()


def pictures(count: int, seed: int = 0, size: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, size, size), dtype=np.uint8)


def write_parquet(path: Path, encoded: list, labels: list, *, image: str = "img", label: str = "label") -> Path:
    images = [{"bytes": e, "path": None} if isinstance(e, bytes | None) else e for e in encoded]
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.table({image: images, label: labels}), path)
    return path


def write_published(folder: Path, name: str = "cifar10", *, seed: int = 0, label: str = "label") -> Path:
    """Write both files of a tiny copy; training picture i has label i % 10, test picture i as well."""
    for split, count, shift in (("train", TRAIN, 0), ("test", TEST, 1000)):
        encoded = [png(p) for p in pictures(count, seed + shift)]
        labels = [i % 10 for i in range(count)]
        write_parquet(folder / f"{name}-{split}.parquet", encoded, labels, label=label)
    return folder


def write_image_folder(folder: Path, classes: list[str], *, seed: int = 0) -> Path:
    """Write one training and one test picture of each class."""
    for split, shift in (("train", 0), ("test", 1000)):
        for name, pixels in zip(classes, pictures(len(classes), seed + shift), strict=True):
            (folder / split / name).mkdir(parents=True)
            (folder / split / name / "0.png").write_bytes(png(pixels))
    return folder


def write_ade20k(folder: Path, *, sizes: tuple[tuple[int, int], ...] = ((48, 64), (60, 50), (60, 50))) -> Path:
    """Write twelve training and five validation scenes, (height, width) in turn, with all numbers of annotations."""
    rng = np.random.default_rng(0)
    for part, count in (("training", 12), ("validation", 5)):
        for kind in ("images", "annotations"):
            (folder / kind / part).mkdir(parents=True)
        for i in range(count):
            height, width = sizes[i % len(sizes)]
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / part / f"{i:03}.jpg", quality=95)
            labels = rng.integers(0, 151, (height, width), dtype=np.uint8)
            Image.fromarray(labels).save(folder / "annotations" / part / f"{i:03}.png")
    return folder


def write_photographs(folder: Path, *, seed: int = 0) -> Path:
    """Write photographs of three classes in odd sizes, a grey one and a CMYK one among them."""
    rng = np.random.default_rng(seed)
    sizes = [(30, 20), (17, 41), (40, 40), (25, 33)]
    for split, count in (("train", 4), ("val", 2)):
        for label in range(3):
            place = folder / split / f"n0{label}"
            place.mkdir(parents=True)
            for i in range(count):
                # Smooth, so that JPEG changes little; each class is of one colour.
                base = np.zeros((*sizes[i], 3)) + np.eye(3)[label] * 180 + rng.integers(20, 60)
                picture = Image.fromarray(base.astype(np.uint8))
                mode = {(0, 1): "L", (1, 1): "CMYK"}.get((label, i), "RGB")
                picture.convert(mode).save(place / f"{i}.JPEG", quality=95)
    return folder
