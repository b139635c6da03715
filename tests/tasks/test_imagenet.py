"""ImageNet on a tiny folder: what is read, how it is treated, and that nothing depends on the threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archsieve.errors import DataError, MissingDataError, SettingError
from archsieve.fingerprints import fingerprint
from archsieve.tasks.data.batching import ahead
from archsieve.tasks.imagenet import ImageNet

from .tiny import png, write_parquet, write_photographs

SETTINGS = {"num_outputs": 3, "size": 12, "resize": 14}


@pytest.fixture
def folder(tmp_path):
    return write_photographs(tmp_path / "photographs")


def task_of(folder, **settings):
    return ImageNet(0.0, source=str(folder), **{**SETTINGS, **settings})


def epoch(task, seed=0, batch_size=5, **settings):
    rng = np.random.default_rng(seed)
    batches = list(task.batches("train", batch_size=batch_size, rng=rng, augment=True, **settings))
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


def test_what_there_is(folder):
    task = task_of(folder)
    assert [task.count(split) for split in ("train", "validation", "test")] == [12, 0, 6]
    assert task.is_present()
    ((inputs, targets),) = task.batches("test", batch_size=10)
    assert inputs.shape == (6, 3, 12, 12)
    assert targets.tolist() == [0, 0, 1, 1, 2, 2]


def test_colours_are_normalised_whatever_the_file_holds(folder):
    # Every picture is of one colour: red, green and blue classes; the second of class 0 is grey, that of class 1 CMYK.
    ((inputs, _),) = task_of(folder).batches("test", batch_size=10)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (ImageNet.mean, ImageNet.std))
    pixels = (inputs * std + mean) * 255
    assert (pixels.amax((2, 3)) - pixels.amin((2, 3))).max() < 12  # JPEG alone
    brightest = pixels.mean((2, 3)).argmax(1).tolist()
    assert [brightest[i] for i in (0, 2, 3, 4, 5)] == [0, 1, 1, 2, 2]
    grey = pixels[1].mean((1, 2))
    assert grey.max() - grey.min() < 1


def test_an_epoch_depends_on_the_generator_and_on_neither_threads_nor_batches(folder):
    inputs, targets = epoch(task_of(folder))
    assert sorted(targets.tolist()) == sorted([0, 1, 2] * 4)
    for other in (task_of(folder, threads=1), task_of(folder, threads=7)):
        again, same = epoch(other)
        assert torch.equal(inputs, again)
        assert torch.equal(targets, same)
    assert torch.equal(inputs, epoch(task_of(folder), batch_size=12)[0])
    assert not torch.equal(inputs, epoch(task_of(folder), seed=1)[0])
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the global generator must not matter
    assert torch.equal(inputs, epoch(task_of(folder))[0])


def test_pending_batches_are_the_batches_in_any_order(folder):
    def draw():
        rng = np.random.default_rng(3)
        return task_of(folder).pending("train", batch_size=5, rng=rng, augment=True)

    pending = list(draw())
    assert [p.items for p in pending] == [5, 5, 2]
    backwards = [p.make() for p in reversed(pending)][::-1]
    for (inputs, targets), (again, same) in zip(backwards, ahead(p.make for p in draw()), strict=True):
        assert torch.equal(inputs, again)
        assert torch.equal(targets, same)


def test_the_split_sets_some_aside(folder):
    task = ImageNet(0.25, source=str(folder), **SETTINGS)
    assert [task.count(split) for split in ("train", "validation")] == [9, 3]
    assert len(next(task.batches("validation", batch_size=10))[1]) == 3


def test_a_broken_file_is_named(folder):
    broken = folder / "train" / "n01" / "2.JPEG"
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(DataError, match=r"Cannot read the image in the file .*n01/2\.JPEG: "):
        epoch(task_of(folder))
    broken.write_bytes(b"")
    with pytest.raises(DataError, match=r"The image in the file .*n01/2\.JPEG.* is empty"):
        epoch(task_of(folder))
    broken.write_text("no picture")
    with pytest.raises(DataError, match=r"n01/2\.JPEG: it is no picture\.$"):
        epoch(task_of(folder))


def test_parquet_files_of_the_hub_give_the_same_pictures(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for split, name in (("train", "train"), ("val", "validation")):
        files = sorted((folder / split).glob("*/*.JPEG"))
        labels = [int(file.parent.name[-1]) for file in files]
        write_parquet(
            tmp_path / "hub" / "data" / f"{name}-00000-of-00001.parquet",
            [file.read_bytes() for file in files],
            labels,
            image="image",
        )
    ours, theirs = epoch(task_of(folder)), epoch(task_of(tmp_path / "hub"))
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])


def test_labels_of_a_table_must_be_classes(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for name in ("train", "validation"):
        picture = png(np.zeros((3, 20, 20), dtype=np.uint8))
        write_parquet(tmp_path / f"{name}-0.parquet", [picture] * 2, [0, 3], image="image")
    with pytest.raises(DataError, match=r"The labels of the train files .* must be in 0 to 2"):
        task_of(tmp_path).count("train")


def test_identity_is_what_it_holds_and_not_where(folder, tmp_path):
    moved = write_photographs(tmp_path / "elsewhere")
    assert fingerprint(task_of(folder)) == fingerprint(task_of(moved, threads=9))
    assert fingerprint(task_of(folder)) != fingerprint(task_of(folder, colour_jitter=(0.4, 0.4, 0.4, 0.0)))
    other = write_photographs(tmp_path / "other", seed=1)
    (other / "val" / "n00" / "9.JPEG").write_bytes((other / "val" / "n00" / "0.JPEG").read_bytes())
    assert fingerprint(task_of(folder)) != fingerprint(task_of(other))


def test_where_it_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    assert not ImageNet().is_present()
    assert ImageNet().count("train") == 1_153_050  # 0.9 of 1,281,167
    assert ImageNet(0.0).count("test") == 50_000
    with pytest.raises(MissingDataError, match=r"There is no folder '/nowhere/at all': .* an id of the Hugging Face"):
        ImageNet(source="/nowhere/at all").identity()
    with pytest.raises(DataError, match=r"must hold folders train/ and val/ with a folder of images for each class"):
        ImageNet(source=str(tmp_path)).identity()
    write_photographs(tmp_path / "imagenet")
    assert ImageNet().is_present()
    with pytest.raises(DataError, match=r"There must be 1000 folders, one for each class, in .*train, but there are 3"):
        ImageNet().count("train")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"size": 20, "resize": 19}, "`size <= resize` must hold, but got size=20 and resize=19"),
        ({"num_outputs": 1}, "`num_outputs >= 2` must hold"),
        ({"threads": 0}, "`threads >= 1` must hold"),
        ({"colour_jitter": (0.4, 0.4)}, "`colour_jitter` must be four numbers"),
        ({"colour_jitter": (0.4, 0.4, 0.4, 0.6)}, r"hue in 0\.\.0\.5"),
    ],
)
def test_settings_that_cannot_be(settings, sentence):
    with pytest.raises(SettingError, match=sentence):
        ImageNet(**settings)
