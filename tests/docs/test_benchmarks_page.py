"""The conversions that two pages on benchmarks show, run on small files in the published layouts."""

from __future__ import annotations

import base64
import csv
import json
import runpy
import struct
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from archsieve.benchmarks.nasbench101 import NASBENCH101
from archsieve.benchmarks.nats_topology import CIFAR100, IMAGENET16
from archsieve.benchmarks.transformers import AUTOFORMER_CIFAR100, PIT_CIFAR100
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench201.size_space import NATSSize
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.sizes import size_of
from archsieve.tasks.cifar import CIFAR10

from .documented import PAGES, blocks

SHOWN = [block for page in PAGES if page.name in ("benchmarks.md", "foreign_tables.md") for block in blocks(page)]


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """Return a function that runs the snippet which mentions a text, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(mentioned):
        (snippet,) = [b.text for b in SHOWN if b.language == "python" and mentioned in b.text]
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


class NATSBench:
    """What the script calls of the package nats_bench, over networks whose accuracy grows with their size."""

    def __init__(self, space, archs):
        self.space, self.archs = space, archs
        self.sizes = [size_of(space, arch, CIFAR10(), "macs") for arch in archs]

    def __len__(self):
        return len(self.archs)

    def arch(self, index):
        return self.space.describe(self.archs[index])

    def get_cost_info(self, index, dataset, hp="12"):
        return {"flops": self.sizes[index] / 1e6, "params": 1.0}

    def get_more_info(self, index, dataset, iepoch=None, hp="12", is_random=True):
        assert not is_random
        assert hp in ("90", "200")
        operations = np.array([0, 4, 6, 8, 2])[np.array(self.archs[index]) % 5].sum()
        accuracy = 20.0 + operations if self.space.name == "nats-size" or reaches(self.archs[index]) else 1.0
        accuracy = accuracy if dataset == "cifar100" else accuracy / 1.2
        return {"test-accuracy": accuracy} | ({} if dataset == "cifar10" else {"valid-accuracy": accuracy})


def reaches(cell):
    """Whether the input of a cell of NAS-Bench-201 reaches its output."""
    return cell[3] or (cell[0] and cell[4]) or (cell[5] and (cell[1] or (cell[0] and cell[2])))


def test_tables_of_nats_bench_come_from_its_own_package(convert, monkeypatch, tmp_path):
    size_space = NATSSize()
    apis = {
        ("tss", "NATS-tss-v1_0-3ffb9-simple"): NATSBench(NASBench201(), list(enumerate_space(NASBench201()))),
        ("sss", "NATS-sss-v1_0-50262-simple"): NATSBench(size_space, list(enumerate_space(size_space))[::4000]),
    }
    package = ModuleType("nats_bench")
    package.create = lambda path, space, fast_mode=False, verbose=True: apis[space, path]
    monkeypatch.setitem(sys.modules, "nats_bench", package)
    convert("nats_bench")
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    for benchmark, best in ((CIFAR100, 68.0), (IMAGENET16, 68 / 1.2)):
        table = benchmark.load()
        assert set(table.columns) == {"test_acc_200", "valid_acc", "flops"}
        assert table.lookup("valid_acc", [(3,) * 6]).tolist() == [pytest.approx(best)]
    first = rows("nats-size-cifar10.csv")[0]
    assert list(first) == ["arch_str", "test_acc_90", "flops"]
    assert first["arch_str"] == "8:8:8:8:8"
    assert len(rows("nats-size-cifar100.csv")) == len(rows("nats-size-imagenet16-120.csv")) == 9
    assert not Path("nasbench201-cifar10.csv").exists()


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
