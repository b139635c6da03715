from __future__ import annotations

import hashlib
import io
import json
import pickle
import tempfile

import datasets
import huggingface_hub
import numpy as np
import pyarrow as arrow
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from archsieve.errors import DataError, MissingDataError, RunFolderError
from archsieve.estimators.chance import Chance
from archsieve.fingerprints import fingerprint, identity
from archsieve.registry import TASKS
from archsieve.report.stored import read_rows
from archsieve.runs.folder import write_json
from archsieve.runs.session import Session
from archsieve.runs.store import Key, Row, Store
from archsieve.tasks.cifar import CIFAR10, CIFAR100
from archsieve.tasks.data import published
from archsieve.tasks.data.images import Images
from archsieve.tasks.data.published import hash_of_pixels
from plugins.toy import Toy

from .tiny import TEST, TRAIN, pictures, png, write_image_folder, write_parquet, write_published

CLASSES = [f"class{i}" for i in range(10)]

pytestmark = pytest.mark.usefixtures("cache", "no_data")


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def load(folder):
    return CIFAR10(source=str(folder)).load()


def refused(folder) -> str:
    """Return the sentence with which the data are refused."""
    with pytest.raises(DataError) as caught:
        load(folder)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_parquet_files_are_decoded_as_they_were(tmp_path):
    data = load(write_published(tmp_path))
    assert np.array_equal(data.train_images, pictures(TRAIN, 0))
    assert np.array_equal(data.test_images, pictures(TEST, 1000))
    assert data.train_labels.tolist() == [i % 10 for i in range(TRAIN)]


def test_the_folder_of_the_environment_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(write_published(tmp_path)))
    assert CIFAR10().is_present()
    assert np.array_equal(CIFAR10().load().train_images, pictures(TRAIN, 0))


def test_one_file_without_the_other_is_missing_data(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(write_published(tmp_path)))
    (tmp_path / "cifar10-test.parquet").unlink()
    assert not CIFAR10().is_present()
    with pytest.raises(MissingDataError, match=r"'cifar10-test.parquet' is not in the folder"):
        CIFAR10().load()


def test_shards_of_the_hubs_layout_are_read_in_order(tmp_path):
    write_published(tmp_path / "whole")
    encoded = [png(p) for p in pictures(TRAIN, 0)]
    labels = [i % 10 for i in range(TRAIN)]
    shards = tmp_path / "clone" / "plain_text"
    write_parquet(shards / "train-00000-of-00002.parquet", encoded[:8], labels[:8])
    write_parquet(shards / "train-00001-of-00002.parquet", encoded[8:], labels[8:])
    (tmp_path / "whole" / "cifar10-test.parquet").rename(shards / "test-00000-of-00001.parquet")
    assert np.array_equal(load(tmp_path / "clone").train_images, pictures(TRAIN, 0))


def test_a_folder_whose_name_is_a_pattern_is_taken_by_its_name(tmp_path):
    assert len(load(write_published(tmp_path / "a[b]*")).train_labels) == TRAIN


def test_an_image_folder_is_labelled_by_its_folders(tmp_path):
    data = load(write_image_folder(tmp_path / "images", CLASSES))
    assert np.array_equal(data.train_images, pictures(10, 0))
    assert data.test_labels.tolist() == list(range(10))


def test_other_column_names_are_known(tmp_path):
    for split, count in (("train", 3), ("test", 2)):
        encoded = [png(p) for p in pictures(count)]
        path = tmp_path / f"cifar100-{split}.parquet"
        write_parquet(path, encoded, [99] * count, image="image", label="fine_label")
    assert CIFAR100(source=str(tmp_path)).load().test_labels.tolist() == [99, 99]


def test_grey_pictures_become_coloured(tmp_path):
    write_published(tmp_path)
    grey = pictures(1)[0][:1].repeat(3, axis=0)
    stream = io.BytesIO()
    Image.fromarray(grey[0]).save(stream, "PNG")
    write_parquet(tmp_path / "cifar10-test.parquet", [stream.getvalue()], [0])
    assert np.array_equal(load(tmp_path).test_images[0], grey)


def test_inputs_have_the_published_mean_and_deviation(tmp_path):
    inputs, _ = next(CIFAR10(source=str(write_published(tmp_path))).batches("test", batch_size=1))
    pixels = torch.tensor(pictures(1, 1000)[0]) / 255
    assert torch.allclose(inputs[0, 2], (pixels[2] - 0.44653124) / 0.26158768, atol=1e-6)


def content_of(folder, name="cifar10") -> str:
    return str(TASKS[name](source=str(folder)).identity()["content"])


def by_class(folder, *, seed=0, suffix="PNG", **options):
    """Write the pictures of `write_image_folder` as parquet files, in the order in which a folder is read."""
    for split, shift in (("train", 0), ("test", 1000)):
        encoded = [png(pixels) for pixels in pictures(10, seed + shift)]
        if suffix != "PNG":
            encoded = [recoded(picture, suffix, **options) for picture in encoded]
        write_parquet(folder / f"cifar10-{split}.parquet", encoded, list(range(10)))
    return folder


def recoded(picture: bytes, suffix: str, **options) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(stream, suffix, **options)
    return stream.getvalue()


def test_the_identity_is_the_content_and_not_the_place(tmp_path):
    here, copy = write_published(tmp_path / "here"), write_published(tmp_path / "copy")
    other = write_published(tmp_path / "other", seed=7)
    images = write_image_folder(tmp_path / "images", CLASSES)
    tasks = [CIFAR10(source=str(folder)) for folder in (here, copy, other, images)]
    marks = [fingerprint(task) for task in tasks]
    assert marks[0] == marks[1]
    assert len(set(marks)) == 3
    for task in tasks:
        assert str(tmp_path) not in repr(task.identity())
        assert "source" not in task.identity()
        assert task.source  # asking leaves the task as it was


def test_the_same_pixels_in_other_files_are_the_same_pictures(tmp_path):
    folder = write_image_folder(tmp_path / "images", CLASSES)
    kinds = [
        folder,
        by_class(tmp_path / "png"),
        by_class(tmp_path / "bmp", suffix="BMP"),
        by_class(tmp_path / "webp", suffix="WEBP", lossless=True),
    ]
    assert len({content_of(copy) for copy in kinds}) == 1
    assert content_of(by_class(tmp_path / "jpeg", suffix="JPEG")) != content_of(folder)


def test_order_and_labels_are_part_of_the_content(tmp_path):
    write_published(tmp_path)
    before = content_of(tmp_path)
    encoded, labels = [png(p) for p in pictures(TRAIN)], [i % 10 for i in range(TRAIN)]
    found = {before}
    for name, change in (("order", (encoded[::-1], labels[::-1])), ("labels", (encoded, [9, *labels[1:]]))):
        copy = write_published(tmp_path / name)
        write_parquet(copy / "cifar10-train.parquet", *change)
        found.add(content_of(copy))
    assert len(found) == 3


def test_the_hash_of_the_pixels_is_the_same_on_every_machine():
    data = Images(*(np.arange(n, dtype=kind).reshape(shape) for n, kind, shape in (
        (12, np.uint8, (1, 3, 2, 2)), (1, np.int64, (1,)), (12, np.uint8, (1, 3, 2, 2)), (1, np.int64, (1,)),
    )))  # fmt: skip
    one = b"|u1 (1, 3, 2, 2) " + bytes(range(12)) + b"<i8 (1,) " + bytes(8)
    assert hash_of_pixels(data) == hashlib.sha256(2 * one).hexdigest()


def test_pictures_are_decoded_once_for_their_identity(tmp_path, cache, monkeypatch):
    content = content_of(write_published(tmp_path))
    (note,) = cache.rglob("pixels.sha256")
    assert note.read_text() == content
    for damage in (None, "x" * 64, ""):
        if damage is not None:
            note.write_text(damage)
        for function in (published._content, published._hash_of_files, published._load):
            function.cache_clear()  # as another process would be
        with monkeypatch.context() as patch:
            patch.setattr(published.reading, "decode", lambda *_: pytest.fail("decoded again"))
            assert content_of(tmp_path) == content


def test_a_known_copy_keeps_its_name_whatever_files_hold_it(tmp_path, monkeypatch):
    jpeg = by_class(tmp_path / "jpeg", suffix="JPEG")
    task = CIFAR10(source=str(jpeg))
    pixels = content_of(jpeg)
    (files,) = task.published.former_contents(str(jpeg))
    monkeypatch.setattr(published, "KNOWN", (published.KnownCopy(files, pixels, "pictures of a test"),))
    published._content.cache_clear()
    published._load.cache_clear()
    with monkeypatch.context() as patch:  # its files are recognised without decoding
        patch.setattr(published, "_load", lambda *_: pytest.fail("decoded"))
        assert content_of(jpeg) == files
    data = task.load()
    again = tmp_path / "again"
    for split, images, labels in (
        ("train", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        write_parquet(again / f"cifar10-{split}.parquet", [png(p) for p in images], labels.tolist())
    assert content_of(again) == files
    assert published.words_of(files) == f"pictures of a test, content {files[:8]}"


def test_a_damaged_copy_has_no_identity(tmp_path):
    folder = write_image_folder(tmp_path / "images", CLASSES)
    (folder / "test" / "class4" / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="Cannot read the image in the file"):
        content_of(folder)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_earlier_versions_told_copies_by_the_hash_of_their_files(tmp_path, name):
    task = TASKS[name](source=str(write_published(tmp_path, name)))
    hashes = [[hashlib.sha256((tmp_path / f"{name}-{s}.parquet").read_bytes()).hexdigest()] for s in ("train", "test")]
    (former,) = task.former_identities()
    assert former == {**task.identity(), "content": hashlib.sha256(json.dumps(hashes).encode()).hexdigest()}
    assert TASKS[name](source="somebody/else").former_identities() == []


def as_before(folder, task):
    """Mark a run folder as an earlier version did."""
    (former,) = task.former_identities()
    prints = {"space": fingerprint(Toy()), "task": fingerprint(former)}
    write_json(folder / "run.json", {"fingerprints": prints, "space": identity(Toy()), "task": former})
    return prints["task"]


def test_a_run_folder_of_an_earlier_version_opens_and_goes_on(tmp_path):
    task = CIFAR10(source=str(write_published(tmp_path / "data")))
    run = tmp_path / "run"
    run.mkdir()
    before = as_before(run, task)
    assert before != fingerprint(task)
    key = Key(fingerprint(Toy()), before, fingerprint(Chance()), 0)
    store = Store(run / "results.sqlite")
    store.put([Row(key, (0, 0, 0, 1), "chance", 7.0, 0.0, 0)])
    store.close()
    for _ in range(2):
        with Session(run, Toy(), task, tables=()) as session:
            scores = session.scores([Chance()], [(0, 0, 0, 1), (0, 0, 0, 2)])[:, 0]
        assert scores[0] == 7  # which was stored, and is not computed again
        assert {row.key.task for row in read_rows(run)} == {before}
    other = CIFAR10(source=str(write_published(tmp_path / "other", seed=7)))
    with pytest.raises(RunFolderError, match=r"was made for another task: its content is '\w{64}', and here it is '"):
        Session(run, Toy(), other)


def test_the_identity_of_the_hubs_copy_needs_no_download():
    assert CIFAR10().identity()["content"] == "uoft-cs/cifar10"
    assert CIFAR100().identity()["content"] == "uoft-cs/cifar100"
    assert CIFAR10(source="somebody/else").identity()["content"] == "somebody/else"
    assert not CIFAR10().is_present()


@pytest.mark.usefixtures("offline")
def test_a_failed_download_is_one_sentence():
    with pytest.raises(MissingDataError, match="Cannot get 'uoft-cs/cifar10' from the Hugging Face") as caught:
        CIFAR10().load()
    assert "\n" not in str(caught.value)
    assert "ARCHSIEVE_DATA" in str(caught.value)


def test_a_hub_out_of_reach_is_asked_once(monkeypatch):
    asked = []

    def unreachable(self, repo, timeout):
        asked.append((repo, timeout))
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    with pytest.raises(MissingDataError, match="no route to host"):
        CIFAR10(source="some/thing").load()
    assert asked == [("some/thing", 5.0)]


def hub_copy(folder):
    files = {s: str(folder / f"cifar10-{s}.parquet") for s in ("train", "test")}
    return datasets.load_dataset("parquet", data_files=files, cache_dir=str(folder / "hf"))


@pytest.mark.usefixtures("offline")
def test_what_the_hub_gave_is_kept_for_later(tmp_path, monkeypatch):
    copy = hub_copy(write_published(tmp_path))
    answers = iter([copy])
    monkeypatch.setattr(datasets, "load_dataset", lambda hub_id: next(answers))
    first = CIFAR10(source="some/copy").load()
    assert np.array_equal(first.train_images, pictures(TRAIN, 0))
    assert CIFAR10(source="some/copy").is_present()
    published._load.cache_clear()  # as another process would be
    assert np.array_equal(CIFAR10(source="some/copy").load().train_images, first.train_images)


@pytest.mark.usefixtures("offline")
def test_a_hub_data_set_without_a_test_split_is_refused(tmp_path, monkeypatch):
    copy = hub_copy(write_published(tmp_path))
    del copy["test"]
    monkeypatch.setattr(datasets, "load_dataset", lambda hub_id: copy)
    with pytest.raises(DataError, match=r"'some/part' of the Hugging Face hub must have a split 'test'"):
        CIFAR10(source="some/part").load()


@pytest.mark.usefixtures("offline")
def test_a_broken_download_is_refused(monkeypatch):
    def broken(hub_id):
        raise datasets.exceptions.DatasetGenerationError("half a file\nand more")

    monkeypatch.setattr(datasets, "load_dataset", broken)
    with pytest.raises(DataError, match=r"Cannot read 'some/thing' of the Hugging Face hub: half a file$"):
        CIFAR10(source="some/thing").load()


@pytest.mark.parametrize("source", ["/no/such/folder", "nowhere", "./a/b", "../cifar"])
def test_a_folder_that_is_not_there_is_missing_data(source):
    assert not CIFAR10(source=source).is_present()
    with pytest.raises(MissingDataError, match=f"There is no folder '{source}'"):
        CIFAR10(source=source).load()


def test_a_folder_of_something_else_is_refused(tmp_path):
    assert "must hold cifar10-train.parquet and cifar10-test.parquet" in refused(tmp_path)
    assert not CIFAR10(source=str(tmp_path)).is_present()


def test_an_unreadable_image_is_named_by_its_row(tmp_path):
    write_published(tmp_path)
    good = png(pictures(1)[0])
    path = write_parquet(tmp_path / "cifar10-test.parquet", [good, good[: len(good) // 2]], [0, 1])
    assert refused(tmp_path).startswith(f"Cannot read the image in row 1 of {path}: ")


def test_an_unreadable_image_is_named_by_its_file(tmp_path):
    folder = write_image_folder(tmp_path / "images", CLASSES)
    broken = folder / "test" / "class4" / "1.png"
    broken.write_bytes(b"no picture")
    assert refused(folder).startswith(f"Cannot read the image in the file {broken}: ")


@pytest.mark.parametrize("nothing", [None, b"", {"bytes": None, "path": "/etc/hostname"}])
def test_a_row_without_an_image_is_refused(tmp_path, nothing):
    write_published(tmp_path)
    full = {"bytes": png(pictures(1)[0]), "path": "0.png"}
    path = write_parquet(tmp_path / "cifar10-test.parquet", [full, nothing], [0, 0])
    assert refused(tmp_path) == f"The image in row 1 of {path} is empty."


def test_a_picture_of_another_size_is_refused(tmp_path):
    write_published(tmp_path)
    path = write_parquet(tmp_path / "cifar10-test.parquet", [png(pictures(1, size=28)[0])], [0])
    assert refused(tmp_path) == f"The image in row 0 of {path} must be 32 x 32 pixels, but is 28 x 28."


@pytest.mark.parametrize("label", [10, -1, None, "cat", 1.5])
def test_a_label_out_of_range_is_refused(tmp_path, label):
    write_published(tmp_path)
    path = write_parquet(tmp_path / "cifar10-test.parquet", [png(pictures(1)[0])], [label])
    assert refused(tmp_path) == f"The label of row 0 of {path} must be in 0 to 9, but is {label!r}."


def test_a_file_cut_short_is_refused(tmp_path):
    write_published(tmp_path)
    path = tmp_path / "cifar10-train.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    assert refused(tmp_path).startswith(f"{path} is not a complete parquet file: ")


def test_a_file_damaged_inside_is_refused(tmp_path):
    write_published(tmp_path)
    path = tmp_path / "cifar10-train.parquet"
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    assert refused(tmp_path).startswith(f"Cannot read {path}: ")


def test_missing_columns_are_named(tmp_path):
    write_published(tmp_path)
    path = write_parquet(tmp_path / "cifar10-test.parquet", [png(pictures(1)[0])], [0], label="y")
    wanted = f"The column 'label' or 'fine_label' is missing in {path}; it has: img, y."
    assert refused(tmp_path) == wanted


def test_a_column_of_something_else_is_refused(tmp_path):
    write_published(tmp_path)
    path = tmp_path / "cifar10-test.parquet"
    parquet.write_table(arrow.table({"img": [1.5], "label": [0]}), path)
    assert refused(tmp_path).startswith(f"The column 'img' of {path} holds no images")


def test_an_empty_file_is_refused(tmp_path):
    write_published(tmp_path)
    path = tmp_path / "cifar10-test.parquet"
    parquet.write_table(parquet.read_table(path).slice(0, 0), path)
    assert refused(tmp_path) == f"There are no rows in {path}."


def test_an_image_folder_must_have_all_classes(tmp_path):
    folder = write_image_folder(tmp_path / "images", CLASSES[:9])
    assert "There must be 10 folders, one for each class" in refused(folder)


def test_both_halves_of_an_image_folder_must_have_the_same_classes(tmp_path):
    folder = write_image_folder(tmp_path / "images", CLASSES)
    (folder / "test" / "class3").rename(folder / "test" / "klass3")
    assert "'class3' is in one only" in refused(folder)


def test_a_class_without_images_is_refused(tmp_path):
    folder = write_image_folder(tmp_path / "images", CLASSES)
    (folder / "train" / "class3" / "0.png").unlink()
    assert refused(folder).startswith(f"The folder {folder / 'train' / 'class3'} holds no images")


def test_reading_leaves_the_users_settings_and_folders_alone(tmp_path, cache, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    shown, verbosity = datasets.is_progress_bar_enabled(), datasets.utils.logging.get_verbosity()
    load(write_published(tmp_path / "data"))
    assert datasets.is_progress_bar_enabled() == shown
    assert datasets.utils.logging.get_verbosity() == verbosity
    assert not list((tmp_path / "scratch").iterdir())
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["cifar10-test.parquet", "cifar10-train.parquet"]
    assert sorted(p.name for p in cache.rglob("*.*")) == sorted(f"{f}.npy" for f in load(tmp_path / "data")._fields)


def test_a_task_is_sent_as_its_settings(tmp_path):
    task = CIFAR10(source=str(write_published(tmp_path)))
    task.load()
    assert len(pickle.dumps(task)) < 500
    assert pickle.loads(pickle.dumps(task)) == task  # noqa: S301 - our own


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_a_smaller_copy_has_its_own_count(kind, tmp_path):
    task = kind(source=str(write_published(tmp_path, kind.name)))
    assert [task.count(split) for split in ("train", "validation", "test")] == [18, 2, TEST]
    assert kind(source=str(tmp_path / "nowhere")).totals() == kind().totals() == (50_000, 10_000)
