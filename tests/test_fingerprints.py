"""Golden fingerprints: a run folder and a shipped table answer only as long as these stay as they are.

`python -m test_fingerprints` in `tests/` writes the file anew; that is right only where a score changed its meaning.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from archsieve.fingerprints import fingerprint
from archsieve.plans.plan_files import find_plan, plan_names
from archsieve.plans.read import load_plan
from archsieve.registry import ESTIMATORS, PROXIES, SPACES, TASKS
from archsieve.spaces.limits import Limits
from archsieve.spaces.within import Within
from plugins.shipped import shipped

OWN_DATA = ("arrays", "function", "images", "table")
GOLDEN = Path(__file__).with_name("fingerprints.json")
SETTINGS: dict[str, dict[str, Any]] = {
    "command": {"command": "bench {onnx}", "device": "golden"},
    "lookup": {"column": "test_acc_200"},
    "own_training": {"function": "math:fsum"},  # which has no source that could change
    "zero_cost": {"proxy": "nwot"},
}


def _zero_cost(proxy: str, **settings: Any) -> Any:
    return ESTIMATORS["zero_cost"](proxy, **settings)


def _composites() -> dict[str, Any]:
    vote, mean_rank = ESTIMATORS["vote"], ESTIMATORS["mean_rank"]
    one_shot, partial = ESTIMATORS["one_shot"], ESTIMATORS["partial_training"]
    nwot, snip, macs = _zero_cost("nwot"), _zero_cost("snip", batch_size=16), ESTIMATORS["macs"]()
    return {
        "vote": vote((nwot, snip)),
        "vote-by-another-quantile": vote((nwot, snip), quantile=0.5),
        "mean_rank": mean_rank((nwot, macs)),
        "mean_rank-weighted": mean_rank((nwot, macs), weights=(2.0, 1.0)),
        "mean_rank-calibrated": mean_rank((nwot, macs), calibration=64),
        "objectives": ESTIMATORS["objectives"]((nwot, ESTIMATORS["lower"](macs))),
        "az_nas": ESTIMATORS["az_nas"](),
        "swap_regularised": ESTIMATORS["swap_regularised"](),
        "repeated": ESTIMATORS["repeated"](nwot),
        "repeated-thrice": ESTIMATORS["repeated"](snip, repeats=3, calibration=64),
        "repetition": ESTIMATORS["repeated"](nwot).parts[1],
        "predictor-of-one": ESTIMATORS["predictor"](one_shot()),
        "predictor-of-training": ESTIMATORS["predictor"](partial()),
        "vote-of-mean-ranks": vote((mean_rank((nwot, macs)), snip)),
        "mean_rank-of-trainings": mean_rank((one_shot(), partial(), nwot)),
    }


def _estimators() -> dict[str, Any]:
    whole = {"vote", "mean_rank", "predictor", "objectives", "lower", "repeated"}
    return {name: ESTIMATORS[name](**SETTINGS.get(name, {})) for name in shipped(ESTIMATORS) if name not in whole}


def _tasks_of_own_data() -> dict[str, Any]:
    """Tasks of the same tiny data wherever the files lie: their content is in the fingerprint, their place is not."""
    folder = Path(tempfile.mkdtemp())
    numbers = np.arange(60.0).reshape(20, 3)
    np.savez(folder / "arrays.npz", x=numbers, y=np.arange(20) % 2)
    rows = (f"{a},{b},{c},{'ab'[i % 2]}" for i, (a, b, c) in enumerate(numbers.tolist()))
    (folder / "table.csv").write_text("\n".join(("a,b,c,label", *rows)), encoding="utf-8")
    for label in ("cat", "dog"):
        (folder / "pictures" / label).mkdir(parents=True)
        for i in range(10):
            pixels = np.full((4, 5, 3), 10 * i + (label == "dog"), np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / label / f"{i}.png")
    return {
        "arrays": TASKS["arrays"](file=str(folder / "arrays.npz")),
        "table": TASKS["table"](file=str(folder / "table.csv"), target="label"),
        "images": TASKS["images"](folder=str(folder / "pictures"), size=4),
        "function": TASKS["function"](function=f"{__name__}:own_arrays"),
    }


def own_arrays() -> tuple[Any, Any]:
    """Inputs and targets, as a user's function returns them."""
    return np.arange(60, dtype=np.float32).reshape(20, 3), np.arange(20) % 2


def _own(registry: Any) -> list[str]:
    """Names of the package's own entries: other tests may add theirs."""
    owners = {name: getattr(registry[name], "function", registry[name]) for name in registry}
    return sorted(name for name, owner in owners.items() if _module(owner).startswith("archsieve."))


def _module(owner: Any) -> str:
    owner = getattr(owner, "func", owner)
    return str(getattr(owner, "__module__", None) or type(owner).__module__)


def _things() -> dict[str, Any]:
    things: dict[str, Any] = {f"space {name}": SPACES[name]() for name in _own(SPACES)}
    things |= {f"task {name}": TASKS[name]() for name in _own(TASKS) if name not in OWN_DATA}
    things |= {f"task {name}": task for name, task in _tasks_of_own_data().items()}
    things |= {f"estimator {name}": each for name, each in _estimators().items() if name in _own(ESTIMATORS)}
    things |= {f"proxy {name}": _zero_cost(name) for name in _own(PROXIES)}
    things |= {f"composite {name}": each for name, each in _composites().items()}
    things |= {
        f"limits on {name}": Within(SPACES[name](), TASKS["synthetic"](), Limits(max_macs=10**8))
        for name in ("nasbench201", "darts")
    }
    for plan in plan_names():
        things[f"plan {plan}"] = [stage.estimator for stage in load_plan(find_plan(plan)).stages]
    return things


def _write() -> None:
    os.environ.pop("ARCHSIEVE_DATA", None)
    os.environ["ARCHSIEVE_CACHE"] = tempfile.mkdtemp()
    text = json.dumps({name: fingerprint(thing) for name, thing in _things().items()}, indent=0, sort_keys=True)
    GOLDEN.write_text(text + "\n", encoding="utf-8")


@pytest.fixture
def _no_data(monkeypatch, tmp_path):
    """Some tasks have their pictures in the fingerprint: here they have none."""
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.usefixtures("_no_data")
def test_all_are_as_they_were():
    now = {name: fingerprint(thing) for name, thing in _things().items()}
    assert now == json.loads(GOLDEN.read_text("utf-8"))


@pytest.mark.data
def test_the_pictures_of_cifar10_are_those_of_the_shipped_tables():
    assert fingerprint(TASKS["cifar10"]()) == "57bebbd96b473bbc"


if __name__ == "__main__":
    _write()
