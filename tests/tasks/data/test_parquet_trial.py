"""Parquet files of pictures are tried in a process of their own, whichever task reads them."""

import shutil
from pathlib import Path

import pytest

from archsieve.errors import DataError
from archsieve.tasks.ade20k import ADE20K
from archsieve.tasks.cifar import CIFAR10
from archsieve.tasks.data import parquet_trial
from archsieve.tasks.imagenet import ImageNet

CORPUS = Path(__file__).parents[2] / "hostile" / "corpus" / "cifar-parquet"
NAMES = {
    CIFAR10: ("cifar10-train.parquet", "cifar10-test.parquet"),
    ImageNet: ("train-0.parquet", "validation-0.parquet"),
    ADE20K: ("ade20k-training.parquet", "ade20k-validation.parquet"),
}


@pytest.mark.parametrize("task", NAMES, ids=lambda task: task.__name__)
def test_files_of_every_task_are_tried_before_they_are_read(task, tmp_path, monkeypatch):
    for name in NAMES[task]:
        (tmp_path / name).write_bytes(b"PAR1")
    tried = []

    def refuse(paths, reader):
        tried.extend(paths)
        raise DataError(f"tried by {reader}")

    monkeypatch.setattr(parquet_trial, "try_first", refuse)
    with pytest.raises(DataError, match=r"tried by archsieve\.tasks\.data\.parquet_trial:_read"):
        next(iter(task(source=str(tmp_path)).batches("train", batch_size=2)))
    assert tmp_path / NAMES[task][0] in tried


def test_a_file_that_ends_the_process_that_reads_it_is_a_sentence(tmp_path, cache, trial, monkeypatch):
    for name in NAMES[CIFAR10]:
        shutil.copyfile(CORPUS / "whole", tmp_path / name)
    (tmp_path / "pyarrow.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(DataError, match=r"ends the process that reads it \(SIGSEGV\)"):
        next(iter(CIFAR10(source=str(tmp_path)).batches("train", batch_size=2)))


def test_of_a_large_file_the_first_rows_are_read(tmp_path, monkeypatch):
    content = (CORPUS / "whole").read_bytes()
    path = tmp_path / "large.parquet"
    path.write_bytes(content)
    parquet_trial._read(path)
    monkeypatch.setattr(parquet_trial, "READ_WHOLLY", len(content) - 1)
    parquet_trial._read(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is not a complete parquet file"):
        parquet_trial._read(path)
