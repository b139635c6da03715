"""Three small data sets to try own data on: python examples/own_data/make_data.py DATA

DATA/shapes/<class>/*.png   240 drawings of circles, squares and triangles, of several sizes
DATA/motors.npz             400 vibrations of three sensors (400, 3, 64), and the speed of each motor
DATA/tickets.parquet        600 messages as lists of token ids, of which every fifth is urgent
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as arrow
from PIL import Image, ImageDraw
from pyarrow import parquet

SHAPES = ("circle", "square", "triangle")
TOKENS, LENGTH = 40, 12


def draw(shape, rng):
    width, height = rng.integers(36, 60, 2).tolist()
    colours = rng.integers(0, 256, (2, 3))
    picture = Image.new("RGB", (width, height), tuple(colours[0].tolist()))
    x, y, r = rng.uniform(0.4, 0.6) * width, rng.uniform(0.4, 0.6) * height, rng.uniform(0.25, 0.4) * min(width, height)
    fill, pen = tuple((255 - colours[0]).tolist()), ImageDraw.Draw(picture)
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif shape == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=fill)
    else:
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=fill)
    noise = rng.normal(0, 12, (height, width, 3))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def write_shapes(folder, rng):
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True, exist_ok=True)
        for number in range(80):
            draw(shape, rng).save(folder / shape / f"{number:03}.png")


def write_motors(path, rng):
    speed = rng.uniform(600, 3000, 400)  # turns a minute
    seconds = np.arange(64) / 640
    phases = rng.uniform(0, 2 * np.pi, (400, 3, 1))
    waves = np.sin(2 * np.pi * speed[:, None, None] / 60 * seconds + phases)
    np.savez(path, x=(waves + 0.3 * rng.standard_normal(waves.shape)).astype(np.float32), y=speed)


def write_tickets(path, rng):
    """Write messages that are urgent if token 7 comes somewhere before token 3."""
    ids = rng.integers(10, TOKENS, (600, LENGTH))
    for number, row in enumerate(ids):
        first, second = np.sort(rng.permutation(LENGTH)[:2])
        row[[first, second]] = (7, 3) if number % 5 == 0 else (3, 7)
    urgent = ["yes" if number % 5 == 0 else "no" for number in range(600)]
    parquet.write_table(arrow.table({"ids": ids.tolist(), "urgent": urgent}), path)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    write_shapes(folder / "shapes", rng)
    write_motors(folder / "motors.npz", rng)
    write_tickets(folder / "tickets.parquet", rng)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
