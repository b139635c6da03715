"""Which results are equal to the last bit, whatever computes them: writes docs/determinism.md.

    python studies/determinism.py [--without-ray]

Each kind of result is computed once as it comes, and again in other ways; all in small spaces on the embedded digits.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from archsieve.estimators.combined.az_nas import AZNAS
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.run import run_plan
from archsieve.registry import PROXIES, TASKS
from archsieve.runs.executors import Processes, Ray, Serial
from archsieve.runs.provenance import processor
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.searchers.guided_searcher import Guided
from archsieve.spaces.nasbench_macro.space import NASBenchMacro

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE = Path(__file__).parents[1] / "docs" / "determinism.md"
SPACE = NASBenchMacro(stem_width=4, widths=(4, 8), stages=(2, 1), head_width=8)
TASK = TASKS["digits"]()
COUNT = 10
SHORT = PartialTraining(epochs=1, horizon=2)
KINDS: dict[str, tuple[Any, ...]] = {
    "zero-cost proxies": tuple(ZeroCost(name, batch_size=16) for name in PROXIES if name != "chance"),
    "combinations of proxies": (
        MeanRank((ZeroCost("nwot", batch_size=16), ZeroCost("l2_norm", batch_size=16))),
        Vote((ZeroCost("nwot", batch_size=16), ZeroCost("zen", batch_size=16)), quantile=0.5),
        AZNAS(batch_size=16),
    ),
    "supernet: training and scores": (OneShot(epochs=2),),
    "partial training": (SHORT,),
    "final training": (PartialTraining(epochs=2, horizon=2, split="test"),),
    "predictor": (Predictor(ZeroCost("nwot", batch_size=16), samples=8),),
    "guided search": (),
}
SEARCH = Plan(
    title="guided",
    space=SPACE,
    task=TASK,
    pool=Pool(),
    stages=(Stage(ZeroCost("nwot", batch_size=16), top=2, search=Guided(), budget=8),),
    seed=1,
)


@dataclass(frozen=True)
class Way:
    """A way to compute scores.

    Attributes:
        title: its column.
        executor: makes the executor.
        order: of the networks.
        parts: in how many calls they are scored.
        opened: how often the folder is opened: at each opening but the last only a part is scored.
        threads: of torch in the calling process.
        chunk: networks a chunk.
    """

    title: str
    executor: Callable[[], Any] = lambda: nullcontext(Serial())
    order: int = 1
    parts: int = 1
    opened: int = 1
    threads: int = 1
    chunk: int = 32


WAYS = (
    Way("two threads", threads=2),
    Way("reverse order", order=-1),
    Way("one by one", parts=COUNT),
    Way("chunks of 3", chunk=3),
    Way("stopped and resumed", opened=3),
    Way("two processes", executor=lambda: Processes(2), chunk=3),
    Way("Ray", executor=lambda: Ray(2), chunk=3),
)


def scored(estimators: Sequence[Any], way: Way) -> np.ndarray:
    """Return the scores (n, k) in the order of the pool; of no estimators the rounds of a guided search."""
    from archsieve.runs import chunks

    before, chunks._CHUNK = chunks._CHUNK, way.chunk
    torch.set_num_threads(way.threads)
    try:
        with tempfile.TemporaryDirectory() as folder, way.executor() as executor:
            return (
                _searched(Path(folder), way, executor) if not estimators else _scores(folder, estimators, way, executor)
            )
    finally:
        chunks._CHUNK = before
        torch.set_num_threads(1)


def _scores(folder: str, estimators: Sequence[Any], way: Way, executor: Any) -> np.ndarray:
    """Return scores; those that depend on the pool are asked for of the whole pool, in as many openings."""
    for opening in range(way.opened, 0, -1):
        with Session(folder, SPACE, TASK, seed=1, executor=executor, tables=()) as session:
            pool = session.pool(COUNT)[:: way.order]
            for part in np.array_split(np.arange(COUNT), way.parts) if way.parts > 1 else []:
                session.scores([e for e in estimators if not _is_of_pool(e)] or estimators[:0], [pool[i] for i in part])
            if opening > 1:
                session.scores([e for e in estimators if not _is_of_pool(e)], pool[: COUNT // opening])
                continue
            return session.scores(estimators, pool)[:: way.order]
    raise AssertionError


def _is_of_pool(estimator: Any) -> bool:
    return hasattr(estimator, "parts") or getattr(estimator, "learns_from_pool", False)


def _searched(folder: Path, way: Way, executor: Any) -> np.ndarray:
    """Return the codes and scores of a guided search, whose journal makes it resumable."""
    for _ in range(way.opened):
        with Session(folder, SPACE, TASK, seed=1, executor=executor, tables=()) as session:
            result = run_plan(SEARCH, session)
    from archsieve.runs.folder import read_rounds

    rounds, _ = read_rounds(folder, [stage.label for stage in result.stages])
    return np.concatenate([np.ravel(part).astype(float) for r in rounds for part in (r.archs, r.scores, r.kept)])


def agreement(first: np.ndarray, other: np.ndarray) -> str:
    """Return "equal" where two arrays are to the last bit, else their largest relative difference."""
    if first.tobytes() == other.tobytes():
        return "equal"
    if first.shape != other.shape or (np.isnan(first) != np.isnan(other)).any():
        return "differs"
    scale = np.maximum(np.abs(first), np.abs(other))
    return f"{np.nanmax(np.abs(first - other) / np.where(scale > 0, scale, 1)):.0e}"


def matrix(ways: Sequence[Way] = WAYS, kinds: Sequence[str] = tuple(KINDS)) -> dict[str, dict[str, str]]:
    """Return the agreement of each kind, in each way, with the plain one."""
    rows = {}
    for kind in kinds:
        first = scored(KINDS[kind], Way("plain"))
        rows[kind] = {way.title: agreement(first, scored(KINDS[kind], way)) for way in ways}
        print(kind, rows[kind], flush=True)
    return rows


TEXT = """# The same result, whatever computes it

"A score never depends on company, order, chunk or worker" is checked here for every kind of result: each is computed
plainly (one process, one call, one thread), and again in other ways. "equal" means equal to the last bit; a number is
the largest relative difference. `python studies/determinism.py` writes this page; quick cells of it are tested
(`tests/test_determinism.py`).

{table}

{count} networks of a small NAS-Bench-Macro space on the embedded digits; {proxies} proxies. Computed on: {processor}.

| way | what is different |
|---|---|
| two threads | the calling process has two threads of torch; workers, and all that scores, take one |
| reverse order | the pool is listed backwards |
| one by one | each network is asked for alone, before all are (not for combinations, whose scores depend on the pool) |
| chunks of 3 | a piece of work has 3 networks, not 32 |
| stopped and resumed | the folder is opened three times; what was scored is read from it |
| two processes | `--workers 2` |
| Ray | `--ray --workers 2` |

Not equal to the last bit, by design: results on another kind of processor or with another version of torch (relative
1e-6 for scores of networks that are not trained, see [cards](cards.md)), on an accelerator ([device](device.md)), and
the training of one network by several processes of `torchrun`, where sums are in another order
([training](training.md)). Seconds and process numbers differ always.
"""


def main() -> None:
    """Compute the matrix, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without-ray", action="store_true")
    ways = [way for way in WAYS if not (parser.parse_args().without_ray and way.title == "Ray")]
    rows = matrix(ways)
    titles = [way.title for way in ways]
    lines = [f"| result | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    lines += [f"| {kind} | {' | '.join(row[title] for title in titles)} |" for kind, row in rows.items()]
    proxies = len(KINDS["zero-cost proxies"])
    PAGE.write_text(
        TEXT.format(table="\n".join(lines), count=COUNT, proxies=proxies, processor=processor()), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
