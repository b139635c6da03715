"""Arrays of files: nothing is allocated or believed before it is checked."""

import io
import zipfile

import numpy as np
import pytest

from archsieve._arrays import array_headers, read_arrays

NUMBERS = np.arange(4000.0).reshape(40, 100)


def saved(path, member="x.npy", extra=b"", shape=None, **settings):
    stream = io.BytesIO()
    np.save(stream, NUMBERS)
    content = stream.getvalue() + extra
    if shape:
        content = content.replace(b"(40, 100)", shape)
    with zipfile.ZipFile(path, "w", **settings) as archive:
        archive.writestr(member, content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_arrays_come_back_in_pieces(tmp_path, monkeypatch, method):
    monkeypatch.setattr("archsieve._arrays._PIECE", 1000)
    path = saved(tmp_path / "a.npz", compression=method)
    np.testing.assert_array_equal(read_arrays(path)["x"], NUMBERS)
    assert array_headers(path) == {"x": ((40, 100), np.dtype("f8"))}


@pytest.mark.parametrize(
    "settings",
    [{"extra": b"more"}, {"shape": b"(41, 100)"}, {"shape": b"(39, 100)"}, {"shape": b"(-4, 100)"}],
    ids=["more bytes", "a row too many", "a row too few", "a negative side"],
)
def test_an_array_that_lies_about_its_size_is_refused(tmp_path, settings):
    with pytest.raises(ValueError, match=r"it has others|no array has"):
        read_arrays(saved(tmp_path / "a.npz", **settings))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_changed_byte_anywhere_is_found(tmp_path, method):
    path = saved(tmp_path / "a.npz", compression=method)
    whole = bytearray(path.read_bytes())
    for place in (400, len(whole) // 2, len(whole) - 150):
        path.write_bytes(bytes([*whole[:place], whole[place] ^ 1, *whole[place + 1 :]]))
        with pytest.raises(ValueError, match=r"."):
            read_arrays(path)


def test_headers_are_of_arrays_whatever_these_hold(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, objects=np.array([print], dtype=object), text=np.array(["a"]), one=np.array(7))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("note.txt", "no array")
    assert {name: kind.kind for name, (_, kind) in array_headers(path).items()} == {
        "objects": "O",
        "text": "U",
        "one": "i",
    }
    with pytest.raises(ValueError, match="no numbers"):
        read_arrays(path, ["objects"])
