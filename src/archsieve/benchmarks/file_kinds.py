"""Files that are not what their name says: what their bytes are, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve._reading import check_file

if TYPE_CHECKING:
    from pathlib import Path

_READ = 4096
"""Bytes of the beginning that are looked at."""
PARQUET = b"PAR1"
_ZIP, _GZIP = b"PK\x03\x04", (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd", b"7z\xbc\xaf")
_WORKBOOK = (b"[Content_Types]", b"xl/", b"docProps/", b"mimetypeapplication/vnd.oasis")
_PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in (2, 3, 4, 5))
_CONVERT = "archsieve does not read it; docs/benchmarks.md shows how to convert the published files"


def other_kind(path: Path, most: int) -> str:
    """Return what the first bytes of a file say against its name, after "The file X ..."; empty: nothing.

    It may be empty, compressed, a workbook, a file of torch.save, a web page, or parquet under another name or without
    its end. A file that cannot be read, or has more than `most` bytes, is left to its reader.
    """
    try:
        check_file(path, most)
        with path.open("rb") as stream:
            begin = stream.read(_READ)
            stream.seek(-min(len(begin), len(PARQUET)), 2)
            end = stream.read()
    except OSError:
        return ""
    return _problem(begin, end, path.suffix.lower())


def _problem(begin: bytes, end: bytes, suffix: str) -> str:
    """Return what is wrong with the first bytes and the last ones of a file; empty: nothing."""
    start, is_text = begin.lstrip(b"\xef\xbb\xbf \r\n\t").lower(), _is_text(begin)
    if not start and len(begin) < _READ:
        return "is empty: get it again"
    if start.startswith((b"<!doctype", b"<html")):
        return "is a web page, and not the data: the download failed, get it again"
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, and not the data: run `git lfs pull`, or download the file itself"
    if begin.startswith(_ZIP):
        return _zip_problem(begin)
    if begin.startswith(_GZIP) and not is_text:
        return "is compressed: unpack it"
    if begin.startswith(_PICKLES):
        return f"is a pickle, such as torch.save writes: {_CONVERT}"
    if begin.startswith(PARQUET):
        if suffix in (".csv", ".tsv", ".txt", ".json"):  # a title may begin so, too
            return "" if is_text else "is a parquet file: give it a name that ends in .parquet"
        return "" if end == PARQUET and begin != PARQUET else "lacks its end, as after a broken download: get it again"
    if suffix == ".parquet" and is_text:
        return "is text, and no parquet file: give it a name that ends in .csv, or save it as parquet"
    return ""


def _zip_problem(begin: bytes) -> str:
    """Return what an archive holds, by the names of its first files."""
    if any(name in begin for name in _WORKBOOK):
        return "is a workbook of a spreadsheet: save its sheet as CSV"
    if b"data.pkl" in begin:
        return f"is a file of torch.save: {_CONVERT}"
    return "is compressed, a workbook of a spreadsheet or a file of torch.save: unpack it, or save it as CSV"


def _is_text(begin: bytes) -> bool:
    """Whether bytes are readable text, the last character of which may be cut."""
    return not any(byte < 9 or 13 < byte < 32 for byte in begin) and begin.decode("utf-8", "ignore") != ""
