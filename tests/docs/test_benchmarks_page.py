"""The conversions that the page of benchmarks shows, run on small files in the published layouts."""

from __future__ import annotations

import csv
import runpy
from pathlib import Path

import pytest
import torch

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
