"""Every reader of files and texts from outside, by name, as a function of a path."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sqlite3
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from archsieve._trial import try_first
from archsieve.benchmarks import analog, column_files, nasbench_macro, published_proxies
from archsieve.benchmarks.foreign import ForeignTable
from archsieve.benchmarks.nasbench301 import surrogate
from archsieve.errors import ArchsieveError
from archsieve.judging.judge_file import judge_file
from archsieve.judging.score_files import read_scores
from archsieve.networks.weights import load_weights
from archsieve.plans.changes import read_plan
from archsieve.plans.conversation import ASKED_FILE, tell
from archsieve.plans.finished import read_finished
from archsieve.plans.read import plan_of
from archsieve.plans.run import run_plan
from archsieve.plans.write import keep_plan
from archsieve.registry import SPACES
from archsieve.report.load import read_run
from archsieve.report.load_study import read_study
from archsieve.report.stored import read_rows, to_csv
from archsieve.retraining.recipe_files import training_of
from archsieve.runs.folder import read_mark, read_rounds
from archsieve.runs.session import Session
from archsieve.runs.store import Store
from archsieve.sources import Source
from archsieve.tasks.arrays import Arrays, Table
from archsieve.tasks.cifar import CIFAR10
from archsieve.tasks.data.decoding import opened, pixels_of
from archsieve.tasks.image_folder import ImageFolder
from archsieve.training.checkpoint import load_checkpoint
from archsieve.verifying.cards import read_card

CORPUS = Path(__file__).with_name("corpus")
RUN = Path(__file__).parents[1] / "runs" / "before_the_moves"


def _plan(path):
    plan = plan_of(read_plan(path))
    return plan.title


def _code(path):
    text = path.read_bytes().decode("utf-8", errors="replace")
    refusals = 0
    for name in ("nasbench201", "nasbench-macro", "darts", "attentivenas", "topformer"):
        try:
            SPACES[name]().parse(text)
        except ArchsieveError as error:
            refusals, last = refusals + 1, error
    if refusals == 5:
        raise last


def _benchmark(benchmark):
    def read(path):
        source = Source(str(path), "", "", "")
        object.__setattr__(source, "find", lambda: path)
        replace(benchmark, source=source).load()

    return read


def _run_with(name):
    """Return a reader of a run folder one of whose files is this one."""

    def read(path):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            shutil.copytree(RUN, run)
            shutil.copyfile(path, run / name)
            report = read_run(run)
            to_csv([], read_mark(run))
            json.dumps(str(report))

    return read


def _store(path):
    """Read the store of a run after the statement in the file, or, where it is none, that file as a store."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        shutil.copytree(RUN, run)
        with sqlite3.connect(run / "results.sqlite") as db:
            db.execute(path.read_text())
        db.close()
        report = read_run(run)
        to_csv(read_rows(run), read_mark(run))
        json.dumps(str(report))


def _rounds(path):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(path, Path(folder) / "rounds.npz")
        read_rounds(Path(folder), ["a", "b"])


def _study(path):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(path, Path(folder) / "study.json")
        read_study(Path(folder))


def _weights(path):
    load_weights(path, torch.nn.Linear(2, 2))


def _checkpoint(path):
    network = torch.nn.Linear(2, 2)
    load_checkpoint(path, network, torch.optim.SGD(network.parameters(), lr=0.1))


def _picture(path):
    pixels_of(opened(path.read_bytes(), f"the file {path}"))


def _xgboost(path):
    try_first([path], "archsieve.benchmarks.nasbench301.surrogate:_try_xgboost")
    surrogate._xgboost(path)


def _used(task):
    """Use a task of a user's own data."""
    task.known()
    next(iter(task.batches("train", batch_size=4)))


def _own(suffix, make):
    """Return a reader of a copy with a name of its own: a process knows each file once."""

    def read(path):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, f"data{suffix}")
            shutil.copyfile(path, copy)
            _used(make(copy))

    return read


def _cifar(path):
    """Read a file as the training pictures of a copy of CIFAR-10; its test pictures are whole."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(path, Path(folder, "cifar10-train.parquet"))
        shutil.copyfile(CORPUS / "cifar-parquet" / "whole", Path(folder, "cifar10-test.parquet"))
        with patch.dict(os.environ, ARCHSIEVE_CACHE=folder):
            next(iter(CIFAR10(source=folder).batches("train", batch_size=2)))


def _small_plan(text):
    return plan_of(
        {
            "space": {"name": "nasbench-macro", "stem_width": 4, "widths": [4], "stages": [2], "head_width": 4},
            "task": {"name": "synthetic", "shape": [3, 8, 8], "num_outputs": 2},
            "stage": [{"estimator": text, "top": 1}],
        }
    )


def _asked(path):
    """Tell a score to a search that waits for what the file says."""
    plan = _small_plan("told")
    with tempfile.TemporaryDirectory() as folder, Session(folder, plan.space, plan.task) as session:
        shutil.copyfile(path, Path(folder, ASKED_FILE))
        tell(plan, session, "00", 1.0)


def _journal(path):
    """Go on with a search after the statement in the file was done to its journal."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "results.sqlite")
        store = Store(file)
        store.ask("search", [(0, 1), (1, 2), (2, 0)])
        store.close()
        with sqlite3.connect(file) as db:
            db.execute(path.read_text())
        db.close()
        for settings in ({"read_only": True}, {}, {"repair": True}):
            store = Store(file, **settings)
            try:
                assert store.asked("search")[:1] in ([], [(0, 1)])
            finally:
                store.close()


@cache
def _finished():
    """Return the folder of a finished search, made once a process."""
    folder = Path(tempfile.mkdtemp())
    plan = _small_plan("params")
    with Session(folder, plan.space, plan.task) as session:
        run_plan(plan, session)
    keep_plan(plan, folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _export(name):
    """Return a reader of what an export reads: a folder of a finished search one of whose files is this one."""

    def read(path):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            shutil.copytree(_finished(), run)
            shutil.copyfile(path, run / name)
            read_finished(run)
            read_finished(run, rank=2)

    return read


def _pictures_beside(path, name=""):
    """Write pictures of two classes beside a file; one of them is the file where it is named."""
    root = path.parent / "pictures"
    for folder in "ab":
        (root / folder).mkdir(parents=True)
        for i in range(12):
            pixels = np.random.default_rng(100 * ord(folder) + i).integers(0, 255, (6, 6, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{i}.png")
    if name:
        shutil.copyfile(path, root / name)
    return str(root)


READERS = {
    "code": _code,
    "plan": _plan,
    "recipe": lambda path: training_of("darts", str(path)),
    "macro-json": _benchmark(nasbench_macro.CIFAR10),
    "proxies-json": _benchmark(published_proxies.CIFAR10),
    "scores-csv": lambda path: read_scores(path),
    "judge-csv": lambda path: judge_file(path, "truth"),
    "table-csv": lambda path: ForeignTable(str(path), SPACES["nasbench-macro"]()).load(),
    "parquet": lambda path: column_files.read_columns(path),
    "analog-pickle": _benchmark(analog.ANALOG),
    "xgboost": _xgboost,
    "run-json": _run_with("run.json"),
    "result-json": _run_with("result.json"),
    "rounds-npz": _rounds,
    "store": _store,
    "study-json": _study,
    "card-json": read_card,
    "safetensors": _weights,
    "checkpoint": _checkpoint,
    "picture": _picture,
    "own-table": _own(".csv", lambda path: Table(file=str(path), target="y")),
    "own-arrays": _own(".npz", lambda path: Arrays(file=str(path))),
    "own-list": _own(
        ".csv",
        lambda path: ImageFolder(
            folder=_pictures_beside(path), size=6, labels=str(path), file_column="file", target="y", keep=False
        ),
    ),
    "own-picture": _own("", lambda path: ImageFolder(folder=_pictures_beside(path, "a/0.png"), size=6, keep=False)),
    "own-plan": _plan,
    "own-parquet": _own(".parquet", lambda path: Table(file=str(path), target="y")),
    "cifar-parquet": _cifar,
    "asked-json": _asked,
    "journal": _journal,
    "export-result": _export("result.json"),
    "export-plan": _export("plan.toml"),
    "export-rounds": _export("rounds.npz"),
}
"""By name: what reads a file. It returns, or raises an error of ours."""
TRIED = {"parquet", "analog-pickle", "xgboost", "own-parquet", "cifar-parquet"}
"""Readers that try a file in a process of its own first: half a second each."""
