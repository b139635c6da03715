"""The conversions that the page of benchmarks shows, run on small files in the published layouts."""

from __future__ import annotations

import base64
import csv
import json
import runpy
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from archsieve.benchmarks.nasbench101 import NASBENCH101
from archsieve.benchmarks.transformers import AUTOFORMER_CIFAR100, PIT_CIFAR100
from archsieve.tasks.cifar import CIFAR10

from .documented import PAGES, blocks

PAGE = next(page for page in PAGES if page.name == "benchmarks.md")


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """Return a function that runs the snippet which mentions a text, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(mentioned):
        (snippet,) = [b.text for b in blocks(PAGE) if b.language == "python" and mentioned in b.text]
        (tmp_path / "convert.py").write_text(snippet, encoding="utf-8")
        return runpy.run_path("convert.py")

    return run


def rows(name):
    with Path(name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_transnas_takes_the_epoch_that_validation_chooses(convert):
    metrics = {"class_scene": "top1", "class_object": "top1", "room_layout": "neg_loss", "jigsaw": "top1"}
    metrics |= {"segmentsemantic": "mIoU", "normal": "ssim", "autoencoder": "ssim"}

    def results(best):
        return {
            task: {
                "metrics": {f"valid_{metric}": [1.0, best, 2.0], f"test_{metric}": [5.0, best - 1, 9.0]},
                "model_info": {"encoder_params": 1e6},
            }
            for task, metric in metrics.items()
        }

    data = {"micro": {"64-41414-1_02_333": results(4.0)}, "macro": {"64-1234-basic": results(3.0)}}
    torch.save({"data": data, "task_list": list(metrics)}, "transnas-bench_v10141024.pth")
    convert("transnas")
    (row,) = rows("transnas-micro.csv")
    assert row["arch_str"] == "64-41414-1_02_333"
    assert (row["class_object_valid_top1"], row["class_object_test_top1"]) == ("4.0", "3.0")
    assert rows("transnas-macro.csv")[0]["normal_test_ssim"] == "2.0"


def message(*fields):
    """Return a protocol buffer message of whole numbers, doubles and messages."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            digits = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
            parts.append(bytes([number << 3, *(d | 128 for d in digits[:-1]), digits[-1]]))
        elif isinstance(value, float):
            parts.append(bytes([number << 3 | 1]) + struct.pack("<d", value))
        else:
            parts.append(bytes([number << 3 | 2, len(value)]) + value)
    return b"".join(parts)


def test_nasbench101_is_read_without_tensorflow(convert, monkeypatch, tmp_path):
    space, task = NASBENCH101.space, CIFAR10()
    archs = [space.canonical(space.sample(np.random.default_rng(seed))) for seed in range(3)]
    content = b""
    for run, arch in [(run, arch) for run in range(3) for arch in archs]:
        at = [message((1, 54.0), (2, 600.0), (3, 0.9), (4, a), (5, a - 0.01), (6, b"model")) for a in (0.1, 0.8, 0.9)]
        at[-1] = message((1, 108.0), (2, 1200.0), (3, 1.0), (4, 0.92 + run / 100), (5, 0.9 + run / 100))
        metrics = message(*((1, each) for each in at), (2, space.params(arch, task)), (3, 1300.0))
        matrix, names = space.describe(arch).split(":")
        row = [f"hash of {arch}", 108, matrix, names, base64.b64encode(metrics).decode()]
        for record in (row, [row[0], 4, *row[2:]]):  # the full file has other budgets too
            data = json.dumps(record).encode()
            content += struct.pack("<Q", len(data)) + b"sum1" + data + b"sum2"
    Path("nasbench_only108.tfrecord").write_bytes(content)
    convert("tfrecord")
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    table = NASBENCH101.load()
    assert table.lookup("test_acc_108", archs) == pytest.approx([91.0] * 3)
    assert table.lookup("val_acc_108_3", archs) == pytest.approx([94.0] * 3)


def test_vision_transformers_become_json(convert, monkeypatch, tmp_path):
    arch = {"base_dim": 40, "mlp_ratio": 6, "depth": [3, 4, 6], "num_heads": [2, 8, 8]}
    entry = {"c100_base_acc": 70.0, "c100_kd_acc": 75.0}
    autoformer = {"hidden_dim": 192, "depth": 12, "mlp_ratio": [3.5] * 12, "num_heads": [3] * 12}
    torch.save([{"arch": arch, **entry}, {"arch": {**arch, "base_dim": 16}, **entry}], "gt_pit.pth")
    torch.save([{"arch": autoformer, **entry}], "gt_autoformer.pth")
    convert("gt_{kind}")
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    assert PIT_CIFAR100.load().row(PIT_CIFAR100.space.parse("40:6:3-4-6:2-8-8")) == entry
    assert AUTOFORMER_CIFAR100.load().columns["c100_kd_acc"].tolist() == [75.0]
