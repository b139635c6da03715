"""ADE20K: 20,210 + 2,000 photographs of scenes with 150 classes; some pixels have no class."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from archsieve._reading import LARGEST_PICTURE, quoted, read_bytes
from archsieve.errors import DataError, MissingDataError, require
from archsieve.sources import Source
from archsieve.tasks.data.decoding import opened, pixels_of
from archsieve.tasks.data.parquet_trial import try_parquet
from archsieve.tasks.data.scenes import Scene, Scenes
from archsieve.tasks.segmentation import Segmentation
from archsieve.values import check_whole, path_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


CLASSES, TOTALS = 150, (20_210, 2_000)
PICTURE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("annotation", "mask", "label")
_PARTS = ("training", "validation")


@dataclass(frozen=True)
class ADE20K(Segmentation):
    """Scene parsing with 150 classes (Zhou et al., CVPR 2017; the ADEChallengeData2016 release).

    Its own test pictures have no public labels, so that "test" is its validation folder, as is usual, and
    "validation" a part of its training pictures. In an annotation 0 is no class and ignored, 1 to 150 are classes 0 to
    149. Scoring is on whole pictures with a shorter side of `crop` pixels. Nothing is downloaded.

    Attributes:
        source: a folder with `images/training`, `images/validation`, `annotations/training` and
            `annotations/validation`, or one with `ade20k-training.parquet` and `ade20k-validation.parquet`, which have
            a column of encoded pictures (image) and one of encoded annotations (annotation); empty for
            `ADEChallengeData2016` in `ARCHSIEVE_DATA`. It is not part of the identity: what it holds is, by the names
            and sizes of its files.
        crop: side of what is trained on, in pixels.
        threads: that read pictures to train on; no part of the identity.

    >>> ADE20K().input_shape, ADE20K().num_outputs
    ((3, 512, 512), 150)
    """

    source: str = ""
    crop: int = 512
    threads: int = 4

    name: ClassVar[str] = "ade20k"
    num_outputs: ClassVar[int] = CLASSES
    sources: ClassVar[tuple[Source, ...]] = (
        Source(
            file="ADEChallengeData2016",
            origin="http://sceneparsing.csail.mit.edu",
            licence="annotations BSD 3-clause; pictures belong to others, for research and teaching only",
            citation="Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017",
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("crop", self.crop, least=1)
        check_whole("threads", self.threads, least=1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(3, crop, crop)."""
        return 3, self.crop, self.crop

    def load(self) -> Scenes:
        """Return the scenes, decoded on access.

        Raises:
            MissingDataError: there is no such folder.
            DataError: it does not hold the data set.
        """
        train, test = _open(self._folder())
        return Scenes(_Decoded(train), _Decoded(test))

    def totals(self) -> tuple[int, int]:
        """Return the number of scenes for training and validation, and for testing."""
        return super().totals() if self.source or self.is_present() else TOTALS

    def is_present(self) -> bool:
        """Whether the data are on this machine; a quick check."""
        try:
            return _layout(self._folder()) is not None
        except MissingDataError:
            return False

    def identity(self) -> dict[str, Any]:
        """Return name, version, settings and content; sizes can be computed without the content."""
        identity = super().identity()
        del identity["source"], identity["threads"]
        is_absent = not self.source and self.sources[0].find() is None
        content = ["absent"] if is_absent else [part.content for part in _open(self._folder())]
        return identity | {"content": content}

    def _folder(self) -> Path:
        if not self.source:
            return self.sources[0].require().absolute()
        folder = path_in(self.source).expanduser().absolute()
        if not folder.is_dir():
            raise MissingDataError(f"There is no folder {self.source!r}: `source` must name one that holds ADE20K.")
        return folder


class _Encoded(Protocol):
    """The encoded scenes of a part."""

    @property
    def content(self) -> str:
        """A text that identifies the scenes."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Return a scene's name for messages."""

    def pair(self, index: int) -> tuple[bytes | None, bytes | None]:
        """Return picture and annotation."""


def _encoded(path: Path) -> bytes:
    return read_bytes(path, LARGEST_PICTURE)


@dataclass(frozen=True)
class _Files:
    """`images/<part>/<name>.jpg` and `annotations/<part>/<name>.png`, by name."""

    pictures: tuple[Path, ...] = field(repr=False)
    annotations: tuple[Path, ...] = field(repr=False)
    content: str

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        return str(self.pictures[index])

    def pair(self, index: int) -> tuple[bytes | None, bytes | None]:
        try:
            return _encoded(self.pictures[index]), _encoded(self.annotations[index])
        except OSError as error:
            raise DataError(f"Cannot read {error.filename}: {error.strerror}.") from error


@dataclass(frozen=True)
class _Rows:
    """The rows of a parquet file."""

    where: str
    pictures: Any = field(repr=False)
    annotations: Any = field(repr=False)
    content: str

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        return f"row {index} of {self.where}"

    def pair(self, index: int) -> tuple[bytes | None, bytes | None]:
        cells = (column[index].as_py() for column in (self.pictures, self.annotations))
        # A row may name a file instead of holding one: that is not followed.
        picture, annotation = (cell.get("bytes") if isinstance(cell, dict) else cell for cell in cells)
        return picture, annotation


class _Decoded:
    """Scenes decoded on access; thread-safe."""

    def __init__(self, encoded: _Encoded) -> None:
        self._encoded = encoded

    def __len__(self) -> int:
        return len(self._encoded)

    def __getitem__(self, index: int, /) -> Scene:
        name, (picture, annotation) = self._encoded.name(index), self._encoded.pair(index)
        pixels = pixels_of(opened(picture, f"the picture {name}"))
        labels = pixels_of(opened(annotation, f"the annotation of {name}", mode=None))  # its numbers are classes
        if labels.dtype != np.uint8 or labels.shape != pixels.shape[1:]:
            raise DataError(
                f"The annotation of {name} must have 8 bits for each of the picture's {pixels.shape[1:]} pixels, but "
                f"has the shape {labels.shape} of {labels.dtype}."
            )
        if int(labels.max()) > CLASSES:
            raise DataError(f"The annotation of {name} must be 0 to {CLASSES}, but holds {labels.max()}.")
        return Scene(pixels, labels - np.uint8(1))  # 0 becomes 255, which is ignored


def _layout(folder: Path) -> str | None:
    """Return the layout of a data set folder: "files", "parquet" or empty."""
    if all((folder / kind / part).is_dir() for kind in ("images", "annotations") for part in _PARTS):
        return "files"
    return "parquet" if all((folder / f"ade20k-{part}.parquet").is_file() for part in _PARTS) else None


@functools.lru_cache(maxsize=2)
def _open(folder: Path) -> tuple[_Encoded, _Encoded]:
    layout = _layout(folder)
    if layout is None:
        raise DataError(
            f"The folder {folder} must hold images/ and annotations/, each with training/ and validation/, or "
            "ade20k-training.parquet and ade20k-validation.parquet, but holds neither."
        )
    if layout == "files":
        train, test = (_files(folder, part) for part in _PARTS)
        return train, test
    first, second = (_rows(folder / f"ade20k-{part}.parquet") for part in _PARTS)
    return first, second


def _files(folder: Path, part: str) -> _Files:
    pictures = tuple(sorted((folder / "images" / part).glob("*.jpg")))
    annotations = tuple(folder / "annotations" / part / f"{picture.stem}.png" for picture in pictures)
    if not pictures:
        raise DataError(f"The folder {folder / 'images' / part} holds no pictures (.jpg).")
    digest = hashlib.sha256()
    for path in (*pictures, *annotations):
        try:
            digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
        except FileNotFoundError as error:
            raise DataError(f"There is a picture {path.stem}.jpg, but no annotation {path}.") from error
    return _Files(pictures, annotations, digest.hexdigest())


def _rows(path: Path) -> _Rows:
    require("pyarrow", "data")
    import pyarrow as arrow
    from pyarrow import parquet

    try_parquet([path])
    try:
        names = parquet.read_schema(path).names
        picture, annotation = (_column(names, wanted, path) for wanted in (PICTURE_COLUMNS, LABEL_COLUMNS))
        table = parquet.read_table(path, columns=[picture, annotation], memory_map=True)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a complete parquet file: {str(error).partition(chr(10))[0]}") from error
    if not len(table):
        raise DataError(f"There are no rows in {path}.")
    content = hashlib.sha256(f"{path.name} {path.stat().st_size}".encode()).hexdigest()
    return _Rows(str(path), table[picture], table[annotation], content)


def _column(names: Sequence[str], wanted: Sequence[str], path: Path) -> str:
    for name in wanted:
        if name in names:
            return name
    raise DataError(f"The column {' or '.join(map(repr, wanted))} is missing in {path}; it has {quoted(names)}.")
