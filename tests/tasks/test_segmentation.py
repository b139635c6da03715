"""Segmentation: loss and metric by hand, what becomes of a scene, and the batches of scenes of several sizes."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as arrow
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet
from torch import nn

from archsieve.errors import DataError, MissingDataError, SettingError
from archsieve.registry import TASKS
from archsieve.tasks.ade20k import ADE20K
from archsieve.tasks.data import scene_pairs
from archsieve.tasks.data.scenes import IGNORED, Look, Scene, Scenes
from archsieve.tasks.evaluation import evaluate
from archsieve.tasks.segmentation import MeanIoU, Segmentation
from archsieve.tasks.synthetic import Synthetic
from archsieve.tasks.synthetic_segmentation import SyntheticSegmentation

from .tiny import write_ade20k

PLAIN = Look(mean=(0.0,) * 3, std=(1 / 255,) * 3, scales=(1.0, 1.0), distort=False)  # pixels as they are


def one_hot(answers, classes):
    return nn.functional.one_hot(torch.tensor(answers), classes).movedim(-1, 1).float()


def test_mean_iou_by_hand():
    metric = MeanIoU(4)
    # Truth 0 0 0 1 1 2, answers 0 0 1 1 2 2, and an ignored pixel answered with 3.
    metric.update(one_hot([[[0, 0, 1]]], 4), torch.tensor([[[0, 0, 0]]]))
    metric.update(one_hot([[[1, 2, 2, 3]]], 4), torch.tensor([[[1, 1, 2, IGNORED]]]))
    # Class 0: 2 of 3; class 1: 1 of 3; class 2: 1 of 2; class 3 occurs nowhere.
    assert metric.compute() == pytest.approx(100 * (2 / 3 + 1 / 3 + 1 / 2) / 3)
    assert metric.pixel_accuracy() == pytest.approx(100 * 4 / 6)


def test_a_class_that_is_only_answered_counts_as_missed():
    metric = MeanIoU(3)
    metric.update(one_hot([[[0, 2]]], 3), torch.tensor([[[0, 0]]]))
    assert metric.compute() == pytest.approx(100 * (1 / 2 + 0) / 2)


def test_no_pixels_and_pixels_without_an_answer():
    metric = MeanIoU(2)
    assert math.isnan(metric.compute())
    assert math.isnan(metric.pixel_accuracy())
    metric.update(torch.zeros(1, 2, 1, 2), torch.full((1, 1, 2), IGNORED))
    assert math.isnan(metric.compute())
    outputs = one_hot([[[0, 0]]], 2)
    outputs[0, 1, 0, 1] = math.nan
    metric.update(outputs, torch.tensor([[[0, 0]]]))
    assert metric.compute() == pytest.approx(50)
    assert metric.pixel_accuracy() == pytest.approx(50)


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_mean_iou_depends_on_no_batches_and_equals_sets_of_pixels(seed, parts):
    rng = np.random.default_rng(seed)
    truth, answers = rng.integers(0, 5, (4, 6, 5)), rng.integers(0, 5, (4, 6, 5))
    truth[rng.random(truth.shape) < 0.2] = IGNORED
    metric = MeanIoU(5)
    for some in np.array_split(np.arange(4), parts):
        metric.update(one_hot(answers[some], 5), torch.tensor(truth[some]))
    counted = {p for p in np.ndindex(truth.shape) if truth[p] != IGNORED}
    shares = []
    for label in range(5):
        true, said = ({p for p in counted if array[p] == label} for array in (truth, answers))
        shares += [len(true & said) / len(true | said)] if true | said else []
    assert metric.compute() == pytest.approx(100 * np.mean(shares))


def test_outputs_are_brought_to_the_size_of_the_labels():
    metric, task = MeanIoU(2), SyntheticSegmentation(side=16)
    outputs = torch.tensor([[[[4.0, 0.0]], [[0.0, 4.0]]]])  # one row of two pixels
    labels = torch.tensor([[[0, 0, 1, 1]] * 2])
    metric.update(outputs, labels)
    assert metric.compute() == 100
    # Along a row, bilinear: 4, 3, 1, 0 against 0, 1, 3, 4.
    expected = (2 * math.log1p(math.exp(-4)) + 2 * math.log1p(math.exp(-2))) / 4
    assert task.loss(outputs, labels).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_a_mean_over_the_pixels_that_count():
    task = SyntheticSegmentation(side=16)
    outputs = torch.zeros(2, 4, 1, 2, requires_grad=True)
    some = torch.tensor([[[0, IGNORED]], [[IGNORED, IGNORED]]])
    assert task.loss(outputs, some).item() == pytest.approx(math.log(4))
    loss = task.loss(outputs, torch.full((2, 1, 2), IGNORED))
    loss.backward()
    assert loss.item() == 0
    assert not outputs.grad.any()
    smoothed = task.loss(
        torch.tensor([[[[2.0]], [[0.0]], [[0.0]], [[0.0]]]]), torch.tensor([[[0]]]), label_smoothing=0.4
    )
    # 0.7 of the target on class 0 and 0.1 on each other; log of the sum of exponentials minus the mean output.
    assert smoothed.item() == pytest.approx(math.log(math.exp(2) + 3) - 0.7 * 2, rel=1e-5)


def test_outputs_of_another_kind_are_refused_in_a_sentence():
    pixels, items = SyntheticSegmentation(side=16), Synthetic(images=10)
    with pytest.raises(SettingError, match="choose a space whose networks classify every pixel"):
        pixels.loss(torch.zeros(2, 4), torch.zeros(2, 16, 16, dtype=torch.long))
    with pytest.raises(SettingError, match=r"'synthetic' has targets of shape .* whose networks classify whole items"):
        items.loss(torch.zeros(2, 10, 8, 8), torch.zeros(2, dtype=torch.long))


def scene(height, width):
    """Return a scene whose pixels say their row and column, and whose labels say their row modulo 7."""
    rows, columns = np.indices((height, width))
    return Scene(np.stack([rows, columns, rows]).astype(np.uint8), (rows % 7).astype(np.uint8))


def test_the_middle_of_a_scene():
    pair = scene_pairs.cropped(scene(10, 16), (10, 10), PLAIN)
    assert torch.allclose(pair.inputs[0], torch.arange(10.0)[:, None].expand(10, 10))
    assert torch.allclose(pair.inputs[1], torch.arange(3.0, 13)[None].expand(10, 10))
    assert pair.labels[:, 0].tolist() == [r % 7 for r in range(10)]
    enlarged = scene_pairs.cropped(scene(5, 8), (10, 10), PLAIN)
    assert enlarged.inputs.shape == (3, 10, 10)
    assert enlarged.labels[:, 4].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_whole_scenes_cover_the_size_and_keep_their_labels():
    pair = scene_pairs.whole(scene(10, 25), (20, 20), PLAIN)
    assert pair.inputs.shape == (3, 20, 50)
    assert pair.labels.shape == (10, 25)
    same = scene_pairs.whole(scene(20, 30), (20, 20), PLAIN)
    assert torch.allclose(same.inputs[1, 0], torch.arange(30.0), atol=1e-4)


@given(st.integers(0, 2**32), st.integers(6, 40), st.integers(6, 40), st.sampled_from([0.5, 1.0, 2.0]))
@settings(deadline=None, max_examples=60)
def test_an_augmented_scene_keeps_pictures_and_labels_together(seed, height, width, scale):
    look = PLAIN._replace(scales=(scale, scale))
    pair = scene_pairs.augmented(scene(height, width), (12, 12), look, np.random.default_rng(seed))
    assert pair.inputs.shape == (3, 12, 12)
    assert pair.labels.shape == (12, 12)
    seen = pair.labels != IGNORED
    assert bool(seen[0, 0])  # what is missing is missing at the bottom and at the right
    assert not pair.inputs[:, ~seen].any()
    # Rows are found again: a pixel's row, rounded, has its label, up to half a pixel of either interpolation.
    row = pair.inputs[0][seen]
    errors = torch.stack([(row + shift).round() % 7 - pair.labels[seen] for shift in (-0.75, -0.25, 0.25, 0.75)])
    assert bool((errors == 0).any(0).all())


def test_augmentation_scales_crops_and_mirrors():
    mirrored, offsets, sizes = set(), set(), set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        pair = scene_pairs.augmented(scene(20, 20), (12, 12), PLAIN._replace(scales=(0.5, 2.0)), rng)
        columns = pair.inputs[1, 0]
        mirrored.add(bool(columns[0] > columns[5]))
        sizes.add(int((pair.labels[0] != IGNORED).sum()))
        offsets.add(round(float(pair.inputs[0, 0, 0])))
    assert mirrored == {False, True}
    assert min(sizes) <= 8
    assert max(sizes) == 12
    assert len(offsets) > 5


def test_colours_change_within_their_bounds():
    picture = torch.tensor([[[200.0, 10.0]], [[100.0, 20.0]], [[50.0, 30.0]]])
    kinds = set()
    for seed in range(200):
        found = scene_pairs.distorted(picture, np.random.default_rng(seed))
        assert found.shape == picture.shape
        assert float(found.min()) >= 0
        assert float(found.max()) <= 255
        kinds.add(bool(torch.equal(found, picture)))
        grey = scene_pairs.distorted(torch.full((3, 1, 1), 128.0), np.random.default_rng(seed))
        assert torch.allclose(grey[0], grey[1])  # a grey pixel has no hue to turn
        assert 0.5 * (128 - 32) - 1e-3 <= float(grey.max()) <= min(255, 1.5 * (128 + 32)) + 1e-3
    assert kinds == {False, True}


def test_hue_and_saturation_by_hand():
    red = torch.tensor([[[240.0]], [[0.0]], [[0.0]]])
    third = scene_pairs._recoloured(red, 1.0, 1 / 3).flatten()
    assert third.tolist() == pytest.approx([0, 240, 0], abs=1e-3)
    assert scene_pairs._recoloured(red, 0.5, 0.0).flatten().tolist() == pytest.approx([240, 120, 120], abs=1e-3)
    colours = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0)) * 255
    assert torch.allclose(scene_pairs._recoloured(colours, 1.0, 0.0), colours, atol=1e-2)
    assert torch.allclose(
        scene_pairs._recoloured(scene_pairs._recoloured(colours, 1.0, 0.1), 1.0, -0.1), colours, atol=1e-2
    )


@dataclass(frozen=True)
class Few(Segmentation):
    """Scenes of three sizes in the order A A A B A C C; three to train on."""

    crop: int = 8
    name = "few"
    num_outputs = 7
    input_shape = (3, 8, 8)

    def load(self):
        sizes = {"A": (10, 12), "B": (9, 9), "C": (12, 10)}
        return Scenes((scene(10, 12),) * 3, tuple(scene(*sizes[letter]) for letter in "AAABACC"))


def test_batches_of_whole_scenes_hold_neighbours_of_one_size():
    task = Few(validation_fraction=0)
    found = [tuple(targets.shape) for _, targets in task.batches("test", batch_size=2)]
    assert found == [(2, 10, 12), (1, 10, 12), (1, 9, 9), (1, 10, 12), (2, 12, 10)]
    inputs = [tuple(inputs.shape[2:]) for inputs, _ in task.batches("test", batch_size=2)]
    assert inputs == [(8, 10), (8, 10), (8, 8), (8, 10), (10, 8)]


def test_large_scenes_come_one_at_a_time(monkeypatch):
    monkeypatch.setattr("archsieve.tasks.segmentation.MOST_PIXELS", 250)
    found = [len(targets) for _, targets in Few(validation_fraction=0).batches("test", batch_size=256)]
    assert found == [2, 1, 1, 1, 2]
    monkeypatch.setattr("archsieve.tasks.segmentation.MOST_PIXELS", 1)
    found = [len(targets) for _, targets in Few(validation_fraction=0).batches("test", batch_size=256)]
    assert found == [1] * 7


@pytest.mark.parametrize("pixels", [1, 250, 1 << 20])
@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_evaluation_counts_every_scene_once(monkeypatch, pixels, batch_size):
    monkeypatch.setattr("archsieve.tasks.segmentation.MOST_PIXELS", pixels)
    task, seen = Few(validation_fraction=0), []
    network = nn.Conv2d(3, 7, 3, padding=1)

    def forward(inputs):
        seen.append(len(inputs))
        return network(inputs)

    found = evaluate(forward, task, "test", batch_size=batch_size)
    assert sum(seen) == 7
    assert pixels > 1 or max(seen) == 1
    metric = MeanIoU(7)
    for pair in (scene_pairs.whole(s, (8, 8), task._look) for s in task.load().test):
        metric.update(network(pair.inputs[None]), pair.labels[None].long())
    assert found == pytest.approx(metric.compute())


def test_the_stream_depends_neither_on_the_batch_size_nor_on_stopping_early():
    task = SyntheticSegmentation(side=16, images=20)

    def draw(batch_size):
        batches = task.batches("train", batch_size=batch_size, rng=np.random.default_rng(5), augment=True)
        inputs, targets = zip(*batches, strict=True)
        return torch.cat(inputs), torch.cat(targets)

    (inputs, targets), (others, same) = draw(7), draw(18)
    assert torch.equal(inputs, others)
    assert torch.equal(targets, same)
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    next(task.batches("train", batch_size=2, rng=rng, augment=True))
    list(task.batches("train", batch_size=2, rng=again, augment=True))
    assert rng.random() == again.random()


def test_pending_crops_are_those_of_the_batches_in_any_order():
    task = SyntheticSegmentation(side=16, images=20)
    settings = {"batch_size": 5, "augment": True}
    pending = list(task.pending("train", rng=np.random.default_rng(1), **settings))
    assert [p.items for p in pending] == [5, 5, 5, 3]
    batches = list(task.batches("train", rng=np.random.default_rng(1), **settings))
    for place in (3, 0, 2):
        assert torch.equal(pending[place].make()[0], batches[place][0])


def test_synthetic_scenes():
    task = SyntheticSegmentation(side=48, images=60, test_images=20, noise=0)
    data = task.load()
    labels, pictures = (np.stack([getattr(s, n) for s in data.train]) for n in ("labels", "picture"))
    assert set(np.unique(labels)) == {0, 1, 2, 3, IGNORED}
    assert 0.05 < (labels == IGNORED).mean() < 0.2
    # A pixel alone says nothing: it is light as often as dark in every class.
    light = pictures[:, 0] > 127
    for label in range(4):
        assert 0.47 < light[labels == label].mean() < 0.53
    inner = (labels[:, 1:] == labels[:, :-1]) & (labels[:, 1:] != IGNORED)
    alike = light[:, 1:] == light[:, :-1]  # with the pixel above
    assert [round(float(alike[inner & (labels[:, 1:] == k)].mean()), 1) for k in range(4)] == [0.5, 0.5, 1.0, 0.5]
    across = (labels[..., 1:] == labels[..., :-1]) & (labels[..., 1:] != IGNORED)
    alike = light[..., 1:] == light[..., :-1]
    assert [round(float(alike[across & (labels[..., 1:] == k)].mean()), 1) for k in range(4)] == [0.5, 1.0, 0.5, 0.5]
    assert len({s.picture.tobytes() for s in (*data.train, *data.test)}) == 80


def test_shuffled_masks_are_those_of_other_pictures():
    task = SyntheticSegmentation(side=16, images=30)
    plain, shuffled = task.load(), replace(task, shuffle_masks=True).load()
    pairs = zip(plain.train, shuffled.train, strict=True)
    assert all(np.array_equal(one.picture, other.picture) for one, other in pairs)
    before, after = ([s.labels.tobytes() for s in part] for part in (plain.train, shuffled.train))
    assert sorted(before) == sorted(after)
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert all(np.array_equal(a.labels, b.labels) for a, b in zip(plain.test, shuffled.test, strict=True))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"side": 8}, "`side >= 16` must hold, but got side=8"),
        ({"noise": -1}, "`0 <= noise < inf` must hold"),
        ({"images": 1, "shuffle_masks": True}, "`images >= 2` must hold"),
        ({"validation_fraction": 1}, "`0 <= validation_fraction < 1` must hold"),
    ],
)
def test_settings_that_cannot_be(given, sentence):
    with pytest.raises(SettingError, match=sentence):
        SyntheticSegmentation(**given)


@pytest.fixture
def ade(tmp_path):
    return write_ade20k(tmp_path / "ade")


def test_ade20k_from_its_folder(ade):
    task = ADE20K(source=str(ade), crop=32, validation_fraction=0.25)
    assert [task.count(split) for split in ("train", "validation", "test")] == [9, 3, 5]
    scene = task.load().test[1]
    raw = np.asarray(Image.open(ade / "annotations" / "validation" / "001.png"))
    assert scene.picture.shape == (3, 60, 50)
    assert scene.labels.shape == raw.shape == (60, 50)
    assert (scene.labels[raw == 0] == IGNORED).all()
    assert np.array_equal(scene.labels[raw > 0], raw[raw > 0] - 1)
    shapes = [(tuple(x.shape), tuple(y.shape)) for x, y in task.batches("test", batch_size=9)]
    # Sides 48 x 64, 60 x 50, 60 x 50, 48 x 64, 60 x 50 with a shorter side of 32.
    tall, wide = ((3, 38, 32), (60, 50)), ((3, 32, 43), (48, 64))
    expected = [(1, wide), (2, tall), (1, wide), (1, tall)]
    assert shapes == [((n, *inputs), (n, *labels)) for n, (inputs, labels) in expected]
    inputs, targets = next(task.batches("train", batch_size=4, rng=np.random.default_rng(0), augment=True))
    assert inputs.shape == (4, 3, 32, 32)
    assert int(targets[targets != IGNORED].max()) <= 149


def test_ade20k_from_parquet_is_the_same_data(ade, tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    for part in ("training", "validation"):
        names = sorted(p.stem for p in (ade / "images" / part).iterdir())
        images = [{"bytes": (ade / "images" / part / f"{n}.jpg").read_bytes(), "path": None} for n in names]
        masks = [(ade / "annotations" / part / f"{n}.png").read_bytes() for n in names]
        parquet.write_table(arrow.table({"image": images, "annotation": masks}), folder / f"ade20k-{part}.parquet")
    task, other = ADE20K(source=str(folder), crop=32), ADE20K(source=str(ade), crop=32)
    assert task.is_present()
    for one, same in zip(task.load().train, other.load().train, strict=True):
        assert np.array_equal(one.picture, same.picture)
        assert np.array_equal(one.labels, same.labels)
    assert task.identity() != other.identity()


def test_threads_change_no_crop(ade):
    one, four = (ADE20K(source=str(ade), crop=32, threads=n) for n in (1, 4))
    draws = [
        next(task.batches("train", batch_size=9, rng=np.random.default_rng(2), augment=True)) for task in (one, four)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*draws, strict=True))
    assert one.identity() == four.identity()


def test_ade20k_is_found_in_the_data_folder(ade, tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSIEVE_DATA", str(tmp_path))
    assert not ADE20K().is_present()
    assert ADE20K().count("test") == 2000
    before = ADE20K().identity()  # costs can be asked for
    with pytest.raises(MissingDataError, match=r"'ADEChallengeData2016' is not in the folder .*sceneparsing"):
        ADE20K().load()
    ade.rename(tmp_path / "ADEChallengeData2016")
    assert ADE20K().is_present()
    assert ADE20K().totals() == (12, 5)
    assert ADE20K().identity() != before


def test_the_identity_is_of_what_is_there_not_of_where(ade, tmp_path):
    before = ADE20K(source=str(ade)).identity()
    moved = tmp_path / "elsewhere"
    ade.rename(moved)
    assert ADE20K(source=str(moved)).identity() == before
    write_ade20k(ade, sizes=((40, 40),))
    copy = tmp_path / "third"
    ade.rename(copy)
    assert ADE20K(source=str(copy)).identity() != before


def spoil(path, write):
    path.unlink()
    write(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: (f / "annotations/validation/002.png").unlink(), "a picture 002.jpg, but no annotation"),
        (
            lambda f: spoil(f / "images/training/001.jpg", lambda p: p.write_bytes(b"no")),
            "Cannot read the picture .*001",
        ),
        (lambda f: spoil(f / "images/training/001.jpg", lambda p: p.touch()), "The picture .* is empty"),
        (
            lambda f: spoil(
                f / "annotations/training/001.png",
                lambda p: Image.fromarray(np.full((60, 50), 151, np.uint8)).save(p),
            ),
            "must be 0 to 150, but holds 151",
        ),
        (
            lambda f: spoil(
                f / "annotations/training/001.png", lambda p: Image.fromarray(np.zeros((50, 60), np.uint8)).save(p)
            ),
            r"8 bits for each of the picture's \(60, 50\) pixels, but has the shape \(50, 60\)",
        ),
        (
            lambda f: spoil(
                f / "annotations/training/001.png", lambda p: Image.fromarray(np.zeros((60, 50, 3), np.uint8)).save(p)
            ),
            r"but has the shape \(3, 60, 50\)",
        ),
        (lambda f: [p.unlink() for p in (f / "images/training").iterdir()], "holds no pictures"),
        (lambda f: (f / "images/validation").rename(f / "images/testing"), "must hold images/ and annotations/"),
    ],
)
def test_damaged_copies_of_ade20k(ade, change, sentence):
    change(ade)
    with pytest.raises(DataError, match=sentence):
        list(ADE20K(source=str(ade), crop=16, validation_fraction=0).batches("train", batch_size=4))


def test_damaged_tables_of_ade20k(tmp_path):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(stream, "PNG")
    good = {"image": [stream.getvalue()], "annotation": [{"bytes": None, "path": "/etc/passwd"}]}
    for part in ("training", "validation"):
        parquet.write_table(arrow.table(good), tmp_path / f"ade20k-{part}.parquet")
    with pytest.raises(DataError, match=r"The annotation of row 0 of .*ade20k-training.parquet.* is empty"):
        ADE20K(source=str(tmp_path)).load().train[0]
    other = tmp_path / "other"
    other.mkdir()
    for part in ("training", "validation"):
        parquet.write_table(arrow.table({"image": good["image"]}), other / f"ade20k-{part}.parquet")
    with pytest.raises(DataError, match="The column 'annotation' or 'mask' or 'label' is missing"):
        ADE20K(source=str(other)).load()
    (other / "ade20k-training.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="is not a complete parquet file"):
        ADE20K(source=str(other)).load()


def test_both_are_tasks_by_name():
    assert TASKS["ade20k"] is ADE20K
    assert TASKS["synthetic-segmentation"] is SyntheticSegmentation
    assert ADE20K.sources[0].file == "ADEChallengeData2016"
    assert "teaching only" in ADE20K.sources[0].licence
