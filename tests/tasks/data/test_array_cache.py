from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from operator import methodcaller
from pathlib import Path

import numpy as np
import pytest

from archsieve.errors import DataError
from archsieve.tasks.cifar import CIFAR10
from archsieve.tasks.data import array_cache
from archsieve.tasks.data.array_cache import cache_folder, is_kept, kept
from archsieve.tasks.data.images import Images
from tasks.tiny import TRAIN, pictures, write_published

SHAPE = (3, 2, 2)


def made(value: int = 1) -> Images:
    pixels = np.full((4, *SHAPE), value, dtype=np.uint8)
    return Images(pixels, np.arange(4), pixels[:2], np.arange(2))


def refuse() -> Images:
    raise AssertionError("it was made again")


def get(make=made, content="abc"):
    return kept("thing", content, make, shape=SHAPE, classes=4)


def folder_of(cache: Path) -> Path:
    (folder,) = (cache / "tasks").iterdir()
    return folder


def test_the_folder_is_the_users_choice(monkeypatch):
    monkeypatch.setenv("ARCHSIEVE_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    assert cache_folder() == Path("/own")
    monkeypatch.delenv("ARCHSIEVE_CACHE")
    assert cache_folder() == Path("/shared/archsieve")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "archsieve"


def test_it_is_made_once_and_opened_without_reading(cache):
    get()
    images = get(refuse)
    assert np.array_equal(images.train_images, made().train_images)
    assert not images.train_images.flags.writeable
    assert isinstance(images.train_images.base, np.memmap)


def test_other_content_has_another_place(cache):
    get()
    assert get(lambda: made(2), content="abd").train_images[0, 0, 0, 0] == 2
    assert get(refuse).train_images[0, 0, 0, 0] == 1
    assert is_kept("thing", "abc")
    assert not is_kept("thing", "abe")


@pytest.mark.parametrize("field", Images._fields)
@pytest.mark.parametrize("damage", ["gone", "empty", "short", "junk", "pickle", "other shape", "labels"])
def test_a_damaged_file_is_made_again(cache, field, damage):
    get()
    path = folder_of(cache) / f"{field}.npy"
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage in ("empty", "short", "junk"):
        path.write_bytes({"empty": b"", "short": whole[:-3], "junk": b"x" * len(whole)}[damage])
    elif damage == "pickle":
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif damage == "other shape":
        np.save(path, np.zeros((4, 5), dtype=np.uint8))
    else:
        np.save(path, np.array([0, 1, 2, 4]))
    assert all(np.array_equal(a, b) for a, b in zip(get(), made(), strict=True))
    assert path.read_bytes() == whole
    get(refuse)


def test_nothing_half_written_is_left(cache, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(array_cache.np, "save", full)
        with pytest.raises(DataError, match=r"Cannot write the cache folder .*: No space left on device\. Set"):
            get()
    assert list(folder_of(cache).iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="Set ARCHSIEVE_CACHE to a folder that can be written"):
        get()


def test_processes_may_make_it_at_the_same_time(tmp_path, cache):
    task = CIFAR10(source=str(write_published(tmp_path / "data")))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        results = [pool.submit(methodcaller("load"), task) for _ in range(2)]
        for result in results:
            assert np.array_equal(result.result().train_images, pictures(TRAIN, 0))
    assert sorted(os.listdir(folder_of(cache))) == sorted(f"{field}.npy" for field in Images._fields)  # noqa: PTH208
