"""The task of a folder of own pictures: how each becomes pixels, and what it says of folders that are not right."""

from __future__ import annotations

import os
import shutil
import unicodedata
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from archsieve.errors import DataError, MissingDataError, SettingError
from archsieve.fingerprints import fingerprint
from archsieve.tasks.data import picture_cache, picture_folder
from archsieve.tasks.data.picture_folder import find_pictures, seen
from archsieve.tasks.image_folder import ImageFolder
from archsieve.testing import TaskContract

Folder = partial(ImageFolder, size=8)
CLASSES = ("hund", "katze", "鳥")


def draw(folder, *, classes=CLASSES, count=10, seed=0, size=(12, 9)):
    """Write `count` pictures of each class, as high and wide as `size`."""
    rng = np.random.default_rng(seed)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / name / f"{i:02}.png")
    return str(folder)


def refusal(folder, **settings):
    with pytest.raises(DataError) as caught:
        Folder(folder=str(folder), **settings).count("train")
    return str(caught.value)


class TestOwnImages(TaskContract):
    @pytest.fixture(
        autouse=True,
        params=[
            {},
            {"keep": False, "shift": 2, "flip": True},
            {"kind": "binary", "channels": 1, "balanced_loss": True},
        ],
        ids=str,
    )
    def _task(self, request, tmp_path, cache):
        classes = CLASSES[:2] if "kind" in request.param else CLASSES
        self.task = Folder(folder=draw(tmp_path / "pictures", classes=classes), **request.param)


def test_the_form_is_that_of_the_folder(tmp_path, cache):
    task = Folder(folder=draw(tmp_path / "pictures"), size=(6, 10))
    assert (task.input_shape, task.num_outputs, task.class_names) == ((3, 6, 10), 3, CLASSES)
    assert [task.count(split) for split in ("train", "validation", "test")] == [22, 4, 4]


def test_splits_may_be_folders(tmp_path, cache):
    for split, count, seed in (("train", 6, 0), ("val", 2, 1), ("test", 3, 2)):
        draw(tmp_path / split, count=count, seed=seed)
    task = Folder(folder=str(tmp_path))
    assert [task.count(split) for split in ("train", "validation", "test")] == [18, 6, 9]


def test_pixels_are_the_same_from_the_cache_and_from_the_files(tmp_path, cache):
    folder = draw(tmp_path / "pictures")
    kept, read = Folder(folder=folder, flip=True), Folder(folder=folder, flip=True, keep=False)
    for split, augment in (("train", True), ("test", False)):
        pairs = [
            list(task.batches(split, batch_size=7, rng=np.random.default_rng(1), augment=augment))
            for task in (kept, read)
        ]
        assert all(
            torch.equal(a, b) for one, other in zip(*pairs, strict=True) for a, b in zip(one, other, strict=True)
        )
    assert fingerprint(kept) == fingerprint(read)


def test_the_identity_is_the_pixels_and_not_the_place(tmp_path, cache):
    folder = tmp_path / "pictures"
    first = fingerprint(Folder(folder=draw(folder)))
    shutil.copytree(folder, tmp_path / "copy")
    with Image.open(folder / "hund" / "00.png") as picture:  # another file of the same pixels
        picture.save(tmp_path / "copy" / "hund" / "00.bmp")
    (tmp_path / "copy" / "hund" / "00.png").unlink()
    assert fingerprint(Folder(folder=str(tmp_path / "copy"))) == first
    shutil.copytree(folder, tmp_path / "other")
    with Image.open(folder / "hund" / "00.png") as picture:
        picture.putpixel((0, 0), (1, 2, 3))
        picture.save(tmp_path / "other" / "hund" / "00.png")
    assert fingerprint(Folder(folder=str(tmp_path / "other"))) != first


def test_what_is_known_of_a_picture_is_forgotten_when_it_changes(tmp_path, cache, monkeypatch):
    folder = tmp_path / "pictures"
    found = find_pictures(tmp_path / draw(folder))
    size = picture_cache.Size(3, 8, 8, "crop")
    first = picture_cache.learn(found, size, 2, True)
    decoded = []
    plain = picture_cache.seen
    monkeypatch.setattr(
        picture_cache, "seen", lambda path, channels: decoded.append(path.name) or plain(path, channels)
    )
    assert picture_cache.learn(found, size, 2, True).hashes == first.hashes
    assert decoded == []
    Image.new("RGB", (5, 5)).save(folder / "hund" / "03.png")
    again = picture_cache.learn(found, size, 1, False)
    assert [a != b for a, b in zip(first.hashes, again.hashes, strict=True)].index(True) == 3
    assert decoded == ["03.png"]


def saved(picture, path, **settings):
    picture.save(path, **settings)
    return path


def first_pixel(path, channels=3):
    return np.asarray(seen(path, channels))[0, 0].tolist()


def test_sixteen_bits_become_eight(tmp_path):
    grey = np.array([[65535, 32896], [257, 0]], dtype=np.uint16)
    path = saved(Image.fromarray(grey), tmp_path / "a.png")
    assert np.asarray(seen(path, 1)).tolist() == [[255, 128], [1, 0]]
    assert first_pixel(path) == [255, 255, 255]


def test_transparent_parts_are_white(tmp_path):
    half = saved(Image.new("RGBA", (2, 2), (0, 0, 0, 127)), tmp_path / "half.png")
    none = saved(Image.new("LA", (2, 2), (0, 0)), tmp_path / "none.png")
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([9, 8, 7])
    listed = saved(palette, tmp_path / "palette.png", transparency=0)
    assert [first_pixel(path) for path in (half, none, listed)] == [[128] * 3, [255] * 3, [255] * 3]


def test_cmyk_becomes_colours(tmp_path):
    path = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), tmp_path / "red.jpg", quality=100)
    red, green, blue = first_pixel(path)
    assert red > 250
    assert max(green, blue) < 5


def test_it_is_turned_as_a_viewer_turns_it(tmp_path):
    picture = Image.new("RGB", (20, 10))
    exif = picture.getexif()
    exif[0x0112] = 6  # turn by a quarter to be upright
    path = saved(picture, tmp_path / "turned.jpg", exif=exif)
    assert seen(path, 3).size == (10, 20)


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = saved(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert first_pixel(path) == [255, 0, 0]


def test_floating_point_pixels_are_refused(tmp_path):
    path = saved(Image.new("F", (4, 4), 0.5), tmp_path / "a.tiff")
    with pytest.raises(DataError, match="has floating-point numbers for pixels"):
        seen(path, 3)
    large = saved(Image.new("I", (4, 4), 70_000), tmp_path / "b.tiff")
    with pytest.raises(DataError, match="more than 16 bits"):
        seen(large, 3)


@pytest.mark.parametrize(("fit", "left"), [("crop", 128), ("stretch", 0), ("pad", 0)])
def test_other_shapes_are_cut_stretched_or_filled_up(tmp_path, fit, left):
    pixels = np.zeros((10, 30, 3), dtype=np.uint8)
    pixels[:, 10:] = 128
    size = picture_cache.Size(3, 10, 10, fit)
    made = picture_cache.pixels_in(saved(Image.fromarray(pixels), tmp_path / "a.png"), size)
    assert made.shape == (3, 10, 10)
    assert made[0, 5, 0] == left
    assert (made[0, 0, 9] == 0) == (fit == "pad")


def test_a_folder_that_is_not_there(tmp_path):
    draw(tmp_path / "pictures", count=1)
    with pytest.raises(MissingDataError, match=r"There is no folder .*/pictrues\. Did you mean 'pictures'"):
        Folder(folder=str(tmp_path / "pictrues")).count("train")


def test_folders_without_classes(tmp_path, cache):
    (tmp_path / "empty").mkdir()
    assert "must hold a folder of pictures for each class, but it holds none" in refusal(tmp_path / "empty")
    draw(tmp_path / "loose", classes=(".",), count=3)
    assert "but it holds 3 pictures side by side" in refusal(tmp_path / "loose")
    draw(tmp_path / "one", classes=("hund",))
    assert "has one class only, 'hund': there is nothing to tell apart" in refusal(tmp_path / "one")
    draw(tmp_path / "lacking", classes=("a", "b"), count=2)
    for path in (tmp_path / "lacking" / "b").iterdir():
        path.rename(path.with_suffix(".txt"))
    assert "/lacking/b holds no pictures (.png" in refusal(tmp_path / "lacking")


def test_classes_that_differ_between_the_splits(tmp_path, cache):
    draw(tmp_path / "train", classes=("hund", "katze"))
    draw(tmp_path / "test", classes=("hund", "kazte"), seed=1)
    assert "must have the same classes, but 'katze' is missing in 'test'. Did you mean 'kazte'" in refusal(tmp_path)


def test_equal_letters_are_one_class_however_they_are_written(tmp_path, cache):
    for split, form, seed in (("train", "NFC", 0), ("test", "NFD", 1)):
        draw(tmp_path / split, classes=("über", "unter"), seed=seed)
        (tmp_path / split / "über").rename(tmp_path / split / unicodedata.normalize(form, "über"))
    assert Folder(folder=str(tmp_path)).class_names == ("unter", "über")


def test_pictures_that_are_none_are_all_named(tmp_path, cache):
    folder = tmp_path / "pictures"
    draw(folder)
    (folder / "hund" / "note.txt").write_text("no picture, and no such name")
    (folder / "hund" / ".hidden.png").write_text("a file of the system")
    assert Folder(folder=str(folder)).count("train") == 22
    (folder / "hund" / "bad.png").write_text("no picture")
    (folder / "katze" / "cut.png").write_bytes((folder / "katze" / "00.png").read_bytes()[:100])
    (folder / "katze" / "empty.png").touch()
    shutil.copytree(folder, tmp_path / "copy")  # a process takes a folder not to change
    (tmp_path / "copy" / "鳥" / "link.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "copy" / "鳥" / "pipe.png")
    said = refusal(tmp_path / "copy")
    assert "and 2 more" in said
    assert "5 of 35 pictures cannot be used" in said
    assert "hund/bad.png: it is no picture" in said
    assert "katze/empty.png: it is empty" in said
    assert "katze/cut.png: " in said
    assert said.endswith("Remove or repair them.")


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path, cache, monkeypatch):
    folder = draw(tmp_path / "pictures", count=2)
    Image.new("1", (300, 300)).save(tmp_path / "pictures" / "hund" / "large.png")
    monkeypatch.setattr(picture_folder, "MOST_PIXELS", 80_000)
    assert "large.png has 300 x 300 pixels, and at most 80,000 are read: make it smaller" in refusal(folder)


def test_a_picture_in_two_classes_or_splits_is_refused(tmp_path, cache):
    folder = tmp_path / "pictures"
    draw(folder)
    shutil.copy(folder / "hund" / "00.png", folder / "katze" / "copy.png")
    said = refusal(folder)
    assert "is in two classes: hund/00.png and katze/copy.png. Remove one of each" in said
    assert Folder(folder=str(folder), duplicates="keep").count("train") > 20
    for split, seed in (("train", 0), ("test", 1)):
        draw(tmp_path / "given" / split, seed=seed)
    shutil.copy(tmp_path / "given/train/hund/00.png", tmp_path / "given/test/hund/copy.png")
    assert "is in two splits: train/hund/00.png and test/hund/copy.png" in refusal(tmp_path / "given")


def test_copies_of_a_picture_come_into_one_split(tmp_path, cache):
    folder = tmp_path / "pictures"
    draw(folder)
    for i in range(10):
        shutil.copy(folder / "hund" / f"{i:02}.png", folder / "hund" / f"copy{i}.png")
    task = Folder(folder=str(folder))
    items = [
        {tensor.numpy().tobytes() for tensor in next(task.batches(split, batch_size=60))[0]}
        for split in ("train", "validation", "test")
    ]
    assert sum(map(len, items)) == len(set.union(*items)) == 30


def test_no_room_in_the_cache_is_a_sentence(tmp_path, cache, monkeypatch):
    folder = draw(tmp_path / "pictures", count=2)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", full)
    said = refusal(folder)
    assert "Cannot write the cache folder" in said
    assert "No space left on device. Set ARCHSIEVE_CACHE to a folder that can be written and has room" in said


def test_without_a_cache_pictures_are_read_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(tmp_path / "file"))
    assert Folder(folder=draw(tmp_path / "pictures"), keep=False).count("train") == 22


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 0}, "`size` must be a whole number from 1 on, or (height, width)"),
        ({"size": (8,)}, "`size` must be a whole number from 1 on, or (height, width)"),
        ({"channels": 4}, "`channels` must be 3 for colours or 1 for grey"),
        ({"fit": "squeeze"}, "`fit` must be one of crop, stretch, pad"),
        ({"mean": (0.5,)}, "`mean` must be 3 numbers"),
        ({"std": (0.5, 0.5, 0)}, "`std` must be 3 numbers above 0"),
        ({"kind": "segmentation"}, "The task 'images' has no kind 'segmentation'"),
        ({"kind": "regression"}, "kind = 'regression' needs `labels`, a table with a row for each picture"),
        ({"target": "age"}, "`target` needs `labels`"),
        ({"labels": "ages.csv"}, "`target` must name the column of"),
        ({"labels": "ages.csv", "target": ["age", "size"]}, "The kind 'classification' has one target"),
        ({"shift": -1}, "`shift >= 0` must hold"),
    ],
)
def test_settings_that_are_not_right(settings, said):
    with pytest.raises(SettingError) as caught:
        ImageFolder(**{"folder": "pictures", **settings})
    assert said in str(caught.value)


def test_pictures_are_read_no_further_ahead_than_two_batches(tmp_path, cache, monkeypatch):
    task = Folder(folder=draw(tmp_path / "pictures", count=20), keep=False, threads=1)
    read = []
    plain = picture_cache.pixels_in
    monkeypatch.setattr(
        "archsieve.tasks.image_folder.pixels_in", lambda path, size: read.append(path) or plain(path, size)
    )
    batches = task.batches("train", batch_size=4, rng=np.random.default_rng(0))
    next(batches)
    batches.close()  # waits for what is being read
    assert 4 <= len(read) <= 12


def test_each_picture_is_decoded_once_even_if_others_are_broken(tmp_path, cache, monkeypatch):
    folder = tmp_path / draw(tmp_path / "pictures", count=4)
    (folder / "hund" / "bad.png").write_text("no picture")
    decoded = []
    plain = picture_cache.seen
    monkeypatch.setattr(
        picture_cache, "seen", lambda path, channels: decoded.append(path.name) or plain(path, channels)
    )
    size = picture_cache.Size(3, 8, 8, "crop")
    with pytest.raises(DataError, match=r"bad.png: it is no picture. Remove or repair it"):
        picture_cache.learn(find_pictures(folder), size, 1, True)
    assert len(decoded) == 13
    (folder / "hund" / "bad.png").unlink()
    found = find_pictures(folder)
    known = picture_cache.learn(found, size, 1, False)
    assert (len(decoded), len(known.hashes)) == (13, 12)
    again = picture_cache.learn(found, size, 1, True)
    assert again.hashes == known.hashes
    assert again.pixels.shape == (12, 3, 8, 8)


def listed(folder, *changed, count=40):
    """Write pictures side by side and a table of them; `changed` lines replace the last ones."""
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    lines = [f"{i}.png,{i % 7 + 20},{i % 2},{'ab'[i % 2]}" for i in range(count)]
    lines[len(lines) - len(changed) :] = changed
    (folder / "list.csv").write_text("\n".join(["file,age,glasses,name", *lines]) + "\n")
    return {"folder": str(folder), "labels": str(folder / "list.csv"), "size": 8}


class TestListedImages(TaskContract):
    @pytest.fixture(
        autouse=True,
        params=[
            {"kind": "regression", "target": ["age"]},
            {"kind": "multi-label", "target": ("glasses", "name"), "scored_by": "accuracy"},
            {"kind": "binary", "target": "name", "positive": "a"},
        ],
        ids=str,
    )
    def _task(self, request, tmp_path, cache):
        settings = listed(tmp_path / "faces")
        path = tmp_path / "faces" / "list.csv"
        path.write_text(path.read_text().replace(",a\n", ",1\n").replace(",b\n", ",0\n"))
        settings |= {"positive": "1"} if "positive" in request.param else {}
        self.task = ImageFolder(**{**request.param, **settings})


def test_numbers_of_pictures_are_in_the_unit_of_the_table(tmp_path, cache):
    task = ImageFolder(kind="regression", target="age", **listed(tmp_path / "faces"))
    assert (task.num_outputs, task.class_names) == (1, ("age",))
    assert 22 < task.target_scale[0][0] < 24
    _, targets = next(task.batches("train", batch_size=40))
    assert abs(float(targets.mean())) < 1e-5
    classes = ImageFolder(target="name", **listed(tmp_path / "faces"))
    assert classes.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("line", "settings", "said"),
    [
        ("none.png,20,0,a", {}, "There is no picture 'none.png' in * which data row 40 of * names"),
        ("../../secret.png,20,0,a", {}, "The name '../../secret.png' in * leads out of the folder"),
        ("3.png,20,0,a", {}, "The picture '3.png' is named again in data row 40"),
        ("39.png,old,0,a", {}, "column 'age' and data row 40 of * is 'old', which is not a number"),
        ("39.png,,0,a", {}, "column 'age' and data row 40 of * is empty"),
        ("39.png,20,0,a", {"target": "ago"}, "There is no 'ago' in * Did you mean 'age'"),
        ("39.png,20,0,a", {"file_column": "path"}, "There is no 'path' in"),
        ("39.png,20,0,a", {"split_column": "name"}, "must say train, validation or test, but says 'a' in data row 1"),
    ],
)
def test_lists_that_are_not_right(tmp_path, cache, line, settings, said):
    settings = {"kind": "regression", "target": "age", **listed(tmp_path / "faces", line), **settings}
    with pytest.raises(DataError) as caught:
        ImageFolder(**settings).count("train")
    for part in said.split(" * "):
        assert part in str(caught.value)
