"""What `archsieve data` says of files that several benchmarks share."""

from __future__ import annotations

import json

from plugins.commands import invoke


def test_a_file_is_listed_once_with_all_that_use_it():
    rows = {row["file"]: row for row in json.loads(invoke("data", "--json").stdout)}
    parts = [f"nasbench1shot1-{number}-cifar10" for number in (1, 2, 3)]
    assert rows["nasbench101.parquet"]["used_by"].split(", ") == ["nasbench101-cifar10", *parts]
    assert len(rows["transnas-micro.parquet"]["used_by"].split(", ")) == 7
    assert rows["gt_pit.json"]["licence"].startswith("Apache-2.0")
    assert "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1" in rows["nasbench101.parquet"]["origin"]


def test_source_licence_and_hash_of_every_file_are_named():
    rows = json.loads(invoke("data", "--json").stdout)
    text = invoke("data").stdout
    for row in rows:
        assert row["origin"] in text
        assert row["licence"] in text
        assert (row["sha256"] or "none recorded") in text
    known = {row["file"]: row["sha256"] for row in rows}
    assert known["nasbench201-cifar10.parquet"].startswith("bad1fbd5")
    assert known["nasbench201-cifar100.parquet"] is None
