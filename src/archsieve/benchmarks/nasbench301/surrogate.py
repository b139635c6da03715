"""NAS-Bench-301: the published surrogate models, if the user has downloaded them (arXiv 2008.09777).

The folder is the one its own code downloads: `nb_models_1.0` with `xgb_v1.0` (accuracy) and `lgb_runtime_v1.0`
(seconds of training). Each holds the members of an ensemble, a folder each, with `surrogate_model.model` and
`model_config.json`. A model is a pickle of a Booster; of it only the bytes in the library's own format are taken, and
nothing that it names is imported or run. xgboost's format of 2020, which it has dropped since, is read by
`archsieve.benchmarks.nasbench301.xgboost_binary`; other formats, and models saved by the libraries themselves, by the
libraries. No noise is added: a value is the mean of the members.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._reading import quoted, read_bytes
from archsieve._trial import try_first
from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.file_table import read_once
from archsieve.benchmarks.files import fault, read_json, shown
from archsieve.benchmarks.nasbench301.xgboost_binary import BinaryModel, is_binary
from archsieve.benchmarks.pickles import LARGEST_PICKLE, read_pickle
from archsieve.benchmarks.records import Surrogate
from archsieve.errors import require
from archsieve.sources import Source
from archsieve.spaces.darts.cell import NODES, cells_of, edges_of
from archsieve.spaces.darts.space import DARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture

    Member = Callable[[NDArray[np.float64]], NDArray[np.float64]]

MODEL_FILE, CONFIG_FILE = "surrogate_model.model", "model_config.json"
FOLDERS = {"val_accuracy": ("xgb_v1.0", "xgb"), "runtime_seconds": ("lgb_runtime_v1.0", "lgb")}
"""By column the folder of its ensemble, and how the kind of its members begins."""
_EDGES = [str(edge) for edge in range(sum(NODES))]


@dataclass(frozen=True)
class NASBench301(Benchmark):
    """`val_accuracy` in percent after 100 epochs and `runtime_seconds` of that training, predicted for any code.

    >>> MODELS.truth, MODELS.columns
    ('val_accuracy', ('val_accuracy', 'runtime_seconds'))
    """

    name: str
    task: str
    source: Source
    columns: tuple[str, ...] = tuple(FOLDERS)
    truth: str = "val_accuracy"
    caution: str = "Predicted by the surrogate of NAS-Bench-301 (v1.0, noise off): no network was trained for it."

    @property
    def space(self) -> DARTS:
        """The space with the benchmark's settings."""
        return DARTS()

    @read_once
    def load(self) -> Surrogate:
        """Read the models; the folder of the runtime models is optional.

        Raises:
            MissingDataError: the folder is not there.
            MissingPackageError: xgboost or lightgbm is not installed.
            DataError: a model is damaged, of another kind, or names anything that it need not.
        """
        root = self.source.require()
        present = {c: f for c, f in FOLDERS.items() if c == self.truth or (root / f[0]).is_dir()}
        members = {column: _members(root / folder, kind) for column, (folder, kind) in present.items()}
        return Surrogate({column: partial(_predict, models) for column, models in members.items()})


def encode(archs: Sequence[Architecture]) -> NDArray[np.float64]:
    """Return the features of codes for the models, shape (n, 56).

    The order is ConfigSpace's: by name what depends on nothing, then by name what does (edges of the nodes 3 to 5),
    with -1 for an edge that is not there. A choice counts by its index, and the settings of the training, which were
    the same for all, as ConfigSpace 0.4 scales them: they take up their places.
    """
    rows = np.empty((len(archs), len(_TEMPLATE)))
    for row, arch in zip(rows, archs, strict=True):
        values = _values(arch)
        row[:] = [values.get(entry, -1.0) if isinstance(entry, str) else entry for entry in _TEMPLATE]
    return rows


def _values(arch: Architecture) -> dict[str, float]:
    """Return the choices by name: the edges present, and the input pairs of nodes 3 to 5."""
    values: dict[str, float] = {}
    for cell, code in zip(("normal", "reduce"), cells_of(arch), strict=True):
        for source, target, operation in edges_of(code):
            values[f"edge_{cell}_{sum(range(NODES[0], target)) + source}"] = operation
        values |= {f"inputs_node_{cell}_{node}": code[3 * i] for i, node in enumerate(NODES) if i > 0}
    return values


def _template() -> list[float | str]:
    """Return the entry of each feature position: a constant, or the name of a choice."""
    cells = ("normal", "reduce")
    first = [f"edge_{cell}_{edge}" for cell in cells for edge in _EDGES[:2]]
    pairs = [f"inputs_node_{cell}_{node}" for cell in cells for node in NODES[1:]]
    others = [f"edge_{cell}_{edge}" for cell in cells for edge in sorted(_EDGES[2:])]
    data = [0.5863451791322553, 0.0, 0.0, 0.0, 0.16666444442962952, 0.3099999239999697]
    rates = [math.log(0.025), (0.9 - 0.1) / 0.89, math.log(0.0003), 0.009949999019899998, 1e-12]
    mixup = math.log(0.2 / 0.01) / math.log(0.7 / 0.01)
    size = (0.003149999006299998, 0.000749999001499998)  # 32 channels, 8 cells
    return [*data, *[0.0] * 4, *first, size[0], *pairs, size[1], 0.0, 0.0, *rates, 0.0, 0.0, mixup, *others]


_TEMPLATE = _template()


def _predict(members: Sequence[Member], archs: Sequence[Architecture]) -> NDArray[np.float64]:
    """Return the members' predictions, shape (m, n)."""
    rows = encode(archs)
    return np.stack([member(rows) for member in members])


def _members(folder: Path, kind: str) -> list[Member]:
    """Return the models below a folder, in the order of their paths."""
    paths = sorted(folder.rglob(MODEL_FILE))
    if not paths:
        raise fault(folder, f"holds no {MODEL_FILE} below it")
    for path in paths:
        _check_config(path.with_name(CONFIG_FILE), kind)
    try_first(paths, f"{__name__}:{'_try_xgboost' if kind == 'xgb' else '_try_lightgbm'}")
    return [(_xgboost if kind == "xgb" else _lightgbm)(path) for path in paths]


def _try_xgboost(path: Path) -> None:
    _xgboost(path)(_some_rows())


def _try_lightgbm(path: Path) -> None:
    _lightgbm(path)(_some_rows())


def _some_rows() -> NDArray[np.float64]:
    """Return features of 64 codes, used to test that a model neither crashes nor runs for ever."""
    rng = np.random.default_rng(0)
    return encode([DARTS().sample(rng) for _ in range(64)])


def _check_config(path: Path, kind: str) -> None:
    """Check that a member is of the expected kind and was trained on features as `encode` makes them."""
    if not path.is_file():
        return
    settings = read_json(path)
    if not str(settings.get("model", kind)).startswith(kind):
        raise fault(path, f"says that the model is {shown(settings['model'])}, but here {kind!r} is expected")
    if settings.get("param:bananas_enc", False) not in (False, "False"):
        raise fault(path, "uses the path encoding (param:bananas_enc), which is not supported")


def _content(path: Path) -> tuple[Any, int | None]:
    """Return the model in its library's own format (bytes or text), and the best iteration if known."""
    try:
        raw = read_bytes(path, LARGEST_PICKLE)
    except OSError as error:
        raise fault(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise fault(path, f"cannot be read: {error}") from error
    if raw[:1] != b"\x80":  # no pickle
        return raw, None
    state = getattr(read_pickle(path, _stand_ins()), "__dict__", {})
    handle = state.get("handle", state.get("_handle"))
    if not isinstance(handle, bytes | bytearray | str):
        raise fault(path, "is a pickle without a model in it")
    best = state.get("best_iteration")
    return handle, best if isinstance(best, int) else None


class _Mapping(dict[Any, Any]):
    """Replaces the dictionary types of `collections` while a pickle is read."""

    def __init__(self, *_: object) -> None:
        super().__init__()


class _Nothing:
    """Replaces numpy numbers, which are not needed, while a pickle is read."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        """Ignore the state."""


def _bytes(content: object = b"", encoding: object = "latin-1") -> bytearray:
    """Return the bytes of a pickled bytearray; a number is refused, because Python would allocate that many zeros."""
    if isinstance(content, str) and encoding == "latin-1":
        return bytearray(content.encode("latin-1"))
    if not isinstance(content, bytes | bytearray):
        raise TypeError("a bytearray of no bytes")
    return bytearray(content)


def _stand_ins() -> dict[tuple[str, str], Callable[..., Any]]:
    """Return replacements for the names in a pickled Booster; its class becomes an empty one, new for each file."""
    boosters = [("xgboost.core", "Booster"), ("lightgbm.basic", "Booster")]
    numbers = [("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"), ("numpy", "dtype")]
    return {
        **{name: type("Booster", (), {}) for name in boosters},
        **dict.fromkeys([("collections", "defaultdict"), ("collections", "OrderedDict")], _Mapping),
        **dict.fromkeys(numbers, _Nothing),
        ("builtins", "bytearray"): _bytes,
    }


def _xgboost(path: Path) -> Member:
    content, _ = _content(path)
    if isinstance(content, str):
        raise fault(path, "is a pickle without a model in it")
    if is_binary(bytes(content)):
        try:
            return BinaryModel.parse(bytes(content)).predict
        except ValueError as error:
            raise fault(path, f"is not a readable model: {quoted(error)}") from error
    require("xgboost", "nb301")
    import xgboost

    booster = xgboost.Booster()
    try:
        _load(booster, bytearray(content))
    except (xgboost.core.XGBoostError, TypeError, ValueError) as error:
        raise fault(path, f"is not a readable model: {quoted(str(error).partition(chr(10))[0])}") from error
    booster.set_param({"nthread": 1})
    return lambda rows: np.asarray(booster.predict(xgboost.DMatrix(rows, nthread=1)), dtype=np.float64)


def _load(booster: Any, content: bytearray) -> None:
    """Load a model, or a newer library's pickled snapshot of model and settings."""
    if b"Config" in content and b"Model" in content:
        booster.__setstate__({"handle": content})
    else:
        booster.load_model(content)


def _lightgbm(path: Path) -> Member:
    require("lightgbm", "nb301")
    import lightgbm

    content, best = _content(path)
    try:
        text = content if isinstance(content, str) else bytes(content).decode()
        booster = lightgbm.Booster(model_str=text)
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError, TypeError) as error:
        raise fault(path, f"is not a readable model: {quoted(str(error).partition(chr(10))[0])}") from error
    return lambda rows: np.asarray(booster.predict(rows, num_iteration=best, num_threads=1), dtype=np.float64)


MODELS: Benchmark = NASBench301(
    name="nasbench301",
    task="cifar10",
    source=Source(
        file="nb_models_1.0",
        origin="https://figshare.com (https://ndownloader.figshare.com/files/24992018, models v1.0 of "
        "https://github.com/automl/nasbench301), the folder nb_models unpacked under this name",
        licence="as stated on its figshare page; the trained models are not part of this package",
        citation="Zela et al., Surrogate NAS Benchmarks: Going Beyond the Limited Search Spaces of Tabular NAS "
        "Benchmarks, ICLR 2022, arXiv 2008.09777",
    ),
)
