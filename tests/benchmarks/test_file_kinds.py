"""Files that are not what their names say: each is refused with what it is and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import pickle
import zipfile

import pytest
import torch

from archsieve.benchmarks.column_files import read_columns
from archsieve.benchmarks.file_kinds import other_kind
from archsieve.benchmarks.files import read_json
from archsieve.errors import DataError

TABLE = b"arch_str,test_acc_200\na,1\nb,2\n"


def archive(*names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return stream.getvalue()


def saved(**options):
    stream = io.BytesIO()
    torch.save({"data": [1.5]}, stream, **options)
    return stream.getvalue()


PARQUET = b"PAR1" + bytes(range(100)) + b"PAR1"
OTHERS = {
    "empty": (b"", "is empty: get it again"),
    "blank": (b"\xef\xbb\xbf\r\n \n", "is empty: get it again"),
    "gzip": (gzip.compress(TABLE), "is compressed: unpack it"),
    "bzip2": (bz2.compress(TABLE), "is compressed: unpack it"),
    "workbook": (archive("[Content_Types].xml", "xl/workbook.xml"), "is a workbook of a spreadsheet: save its sheet"),
    "torch": (saved(), "is a file of torch.save: archsieve does not read it; docs/benchmarks.md shows how to convert"),
    "old torch": (saved(_use_new_zipfile_serialization=False), "is a pickle, such as torch.save writes"),
    "pickle": (pickle.dumps({"a": 1}), "is a pickle, such as torch.save writes"),
    "archive": (archive("data/table.csv"), "is compressed, a workbook of a spreadsheet or a file of torch.save"),
    "web page": (b"<!DOCTYPE html>\n<html><title>Scan, warning</title></html>", "is a web page, and not the data"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "is a pointer of Git LFS"),
}


@pytest.mark.parametrize("read", [read_columns, read_json])
@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_under_a_wrong_name(tmp_path, kind, read):
    content, sentence = OTHERS[kind]
    for suffix in (".csv", ".parquet") if read is read_columns else (".json",):
        path = tmp_path / f"table{suffix}"
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"^The file .*table\{suffix} {sentence}"):
            read(path)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.csv", PARQUET, "is a parquet file: give it a name that ends in .parquet"),
        ("t.json", PARQUET, "is a parquet file: give it a name that ends in .parquet"),
        ("t.parquet", PARQUET, ""),
        ("t.parquet", PARQUET[:60], "lacks its end, as after a broken download: get it again"),
        ("t.parquet", b"PAR1", "lacks its end, as after a broken download: get it again"),
        ("t.parquet", TABLE, "is text, and no parquet file: give it a name that ends in .csv, or save it as parquet"),
        ("t.parquet", bytes(range(50)), ""),
        ("t.csv", TABLE, ""),
        ("t.csv", TABLE.decode().encode("utf-16"), ""),
        ("t.json", b'{"a": 1}', ""),
        ("t.csv", b"PAR1,PAR2\n1,2\n", ""),
        ("t.csv", b"BZh,accuracy\n1,2\n", ""),
        ("t.csv", b"<accuracy>,<html>\n1,2\n", ""),
        ("T.CSV", b"\xef\xbb\xbf\n\naccuracy\n1\n", ""),
        ("T.PARQUET", PARQUET, ""),
        ("t.csv", b"\n" * 4096 + TABLE, ""),
    ],
)
def test_text_parquet_and_json_are_told_apart(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    assert other_kind(tmp_path / name, 10_000) == problem


def test_a_link_to_a_file_is_looked_at_by_its_own_name(tmp_path):
    (tmp_path / "0123abcd").write_bytes(TABLE)
    (tmp_path / "t.csv").symlink_to(tmp_path / "0123abcd")
    assert read_columns(tmp_path / "t.csv") == {"arch_str": ["a", "b"], "test_acc_200": ["1", "2"]}


def test_a_pipe_is_refused_and_not_read(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"t\.csv cannot be read: it is a pipe, a socket or a device"):
        read_columns(tmp_path / "t.csv")


def test_what_cannot_be_looked_at_is_left_to_the_reader(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"")
    assert other_kind(tmp_path, 1000) == ""
    assert other_kind(tmp_path / "none.csv", 1000) == ""
    assert other_kind(tmp_path / "t.csv", 1000) != ""
    (tmp_path / "t.csv").write_bytes(gzip.compress(TABLE))
    assert other_kind(tmp_path / "t.csv", 10) == ""
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder\.csv cannot be read: Is a directory"):
        read_columns(tmp_path / "folder.csv")
