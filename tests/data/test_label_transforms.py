"""Classes follow their pixels: whatever is done to a picture, each label stays where its own colour is painted."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

import labelled
from vitrail.data import label_layouts
from vitrail.data import label_transforms as change
from vitrail.data.label_batches import PixelBatches
from vitrail.data.label_map import IGNORED, Labels, LabelSample
from vitrail.data.label_transforms import PixelScene
from vitrail.data.loader import Loader
from vitrail.data.pixel_settings import Distortion, Fit, PixelAugment, PixelPreprocessing
from vitrail.data.randomness import seeded

COLOURS = np.asarray([(220, 30, 30), (30, 200, 40), (40, 60, 220), (255, 255, 255)], dtype=np.uint8)  # the last: none


def sample(height: int = 61, width: int = 83, seed: int = 0) -> LabelSample:
    """Ellipses of three classes on pixels of none."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    owner = np.full((height, width), 3)
    for k in range(3):
        middle, reach = (
            random.uniform(0.2, 0.8, 2) * (height, width),
            random.uniform(0.15, 0.4, 2) * (height, width),
        )
        owner[((y - middle[0]) / reach[0]) ** 2 + ((x - middle[1]) / reach[1]) ** 2 <= 1] = k
    labels = np.where(owner == 3, IGNORED, owner).astype(np.uint8)
    return LabelSample(Image.fromarray(COLOURS[owner]), Labels(torch.from_numpy(labels), 3), "x")


def hold(scene: PixelScene, slack: int = 12) -> None:
    """Each pixel has the label of its colour, but at edges, where a resize mixes colours."""
    image = scene.image.as_subclass(Tensor).int()
    labels = scene.labels.as_subclass(Tensor)
    assert labels.dtype == torch.uint8 and tuple(labels.shape) == scene.size
    near = [(image - torch.tensor(colour).view(3, 1, 1)).abs().amax(0) <= slack for colour in COLOURS.tolist()]
    plain = torch.stack(near).any(0)
    assert plain.float().mean() > 0.75
    for k, seen in enumerate(near):
        wrong = seen & (labels != (IGNORED if k == 3 else k))
        assert not wrong.any(), f"class {k}"


@pytest.mark.parametrize("size", [(30, 41), (122, 166), (61, 200), (47, 20)])
def test_resizing_moves_no_label(size: tuple[int, int]) -> None:
    scene = change.resize(PixelScene.of(sample()), size)
    assert scene.size == size
    hold(scene)


def test_resizing_to_a_third_takes_the_middle_pixel() -> None:
    labels = torch.arange(9 * 12, dtype=torch.uint8).view(9, 12)
    assert change.resize_labels(labels, (3, 4)).tolist() == labels[1::3, 1::3].tolist()
    assert change.resize_labels(labels, (18, 24)).equal(labels.repeat_interleave(2, 0).repeat_interleave(2, 1))


@pytest.mark.parametrize(
    ("size", "ratio", "wanted"),
    [
        ((512, 683), 1.0, (512, 683)),
        ((300, 400), 1.0, (512, 683)),
        ((200, 1600), 1.0, (256, 2048)),  # the longer side decides
        ((512, 683), 0.5, (256, 342)),
        ((683, 512), 1.75, (1195, 896)),
    ],
)
def test_sizes_are_those_of_the_papers_toolbox(size: tuple, ratio: float, wanted: tuple) -> None:
    """min(longest / longer, shortest / shorter), half a pixel up, worked out by hand."""
    assert change.fitted(size, Fit(), ratio) == wanted


def test_without_a_usual_size_ratios_are_of_the_picture() -> None:
    assert change.fitted((61, 83), None) == (61, 83) and change.fitted((61, 83), None, 0.5) == (31, 42)


def test_a_ratio_is_drawn_evenly_between_two() -> None:
    with seeded(0):
        sides = [
            change.random_resize(PixelScene.of(sample(20, 30)), Fit(90, 20), (0.5, 2.0)).size[0] for _ in range(99)
        ]
    assert min(sides) in (10, 11) and max(sides) in (39, 40) and 23 < np.mean(sides) < 27


def test_a_crop_is_a_part_of_the_picture() -> None:
    scene = PixelScene.of(sample())
    corners = set()
    for seed in range(12):
        with seeded(seed):
            found = change.random_crop(scene, (25, 90), 1.0, 10)
        assert found.size == (25, 83)
        tops = [
            top
            for top in range(61 - 25 + 1)
            if scene.image[:, top : top + 25].equal(found.image) and scene.labels[top : top + 25].equal(found.labels)
        ]
        assert tops
        corners.add(tops[0])
    assert len(corners) > 4


def full(labels: Tensor) -> bool:
    """Whether a class has three quarters or more of the pixels that have one, or is alone; one by one."""
    counts: dict[int, int] = {}
    for k in labels.flatten().tolist():
        if k != IGNORED:
            counts[k] = counts.get(k, 0) + 1
    return len(counts) < 2 or max(counts.values()) >= 0.75 * sum(counts.values())


def test_crops_full_of_one_class_are_drawn_again() -> None:
    """Two thirds of the picture are of class 0: fewer full crops with each further try, and none where it can be."""
    labels = torch.zeros(60, 90, dtype=torch.uint8)
    labels[:, 60:], labels[:10] = 1, IGNORED
    scene = PixelScene(tv_tensors.Image(torch.zeros(3, 60, 90, dtype=torch.uint8)), tv_tensors.Mask(labels))
    shares = []
    for tries in (0, 1, 10):
        found = []
        for seed in range(60):
            with seeded(seed):
                found.append(full(change.random_crop(scene, (30, 30), 0.75, tries).labels))
        shares.append(np.mean(found))
    assert shares[0] > 0.5 and shares[0] > shares[1] > shares[2] and shares[2] < 0.1
    for seed in range(20):
        with seeded(seed):
            found = change.random_crop(scene, (30, 30), 1.0, 10).labels
        assert change.mixed(found, 0.75) != full(found)
    plain = PixelScene(scene.image, tv_tensors.Mask(torch.zeros_like(labels)))
    assert change.random_crop(plain, (30, 30), 0.75, 10).size == (30, 30)  # taken as it is


def test_mirrored_labels_count_from_the_other_side() -> None:
    scene = PixelScene.of(sample())
    once = change.flip(scene)
    hold(once)
    assert once.labels.equal(scene.labels.flip(1)) and change.flip(once).image.equal(scene.image)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.5])
def test_saturation_is_that_of_hsv(factor: float) -> None:
    image = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, 9, 11), dtype=np.uint8))
    found = change.saturate(image, factor).permute(1, 2, 0).reshape(-1, 3).tolist()
    for before, after in zip(image.permute(1, 2, 0).reshape(-1, 3).tolist(), found, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in before))
        wanted = colorsys.hsv_to_rgb(hue, min(factor * saturation, 1.0), value)
        assert after == pytest.approx([255 * channel for channel in wanted], abs=0.51)


def test_colours_are_distorted_within_bounds() -> None:
    """A grey keeps its hue and saturation: what is left is a x + b; each change is made half of the time."""
    grey = torch.full((3, 4, 4), 100, dtype=torch.uint8)
    values = []
    for seed in range(300):
        with seeded(seed):
            found = change.distort(grey, Distortion())
        assert found.dtype == torch.uint8 and len(found.unique()) == 1
        values.append(int(found[0, 0, 0]))
    assert 0.17 < np.mean(np.asarray(values) == 100) < 0.33  # neither brightness nor contrast: a quarter
    assert min(values) >= 34 and max(values) <= 198 and min(values) < 50 and max(values) > 150
    image = change.pixels(sample().image)
    still = Distortion(0.0, (1.0, 1.0), (1.0, 1.0), 0.0)
    for seed in range(8):
        with seeded(seed):
            assert (change.distort(image, still).int() - image.int()).abs().max() <= 1


def test_hues_turn_no_further_than_they_should() -> None:
    red = torch.tensor([200, 50, 50], dtype=torch.uint8).view(3, 1, 1)
    hues = []
    for seed in range(200):
        with seeded(seed):
            found = change.distort(red, Distortion(0.0, (1.0, 1.0), (1.0, 1.0), 36.0)).flatten().tolist()
        hue = 360 * colorsys.rgb_to_hsv(*(channel / 255 for channel in found))[0]
        hues.append(hue - 360 if hue > 180 else hue)
    assert -37 <= min(hues) < -30 and 30 < max(hues) <= 37


SETTINGS = PixelPreprocessing(Fit(100, 20), 8)
AUGMENTS = {
    "crop": PixelAugment(crop=(24, 40)),
    "whole": PixelAugment(crop=None, distortion=None),
}


@pytest.mark.parametrize("name", sorted(AUGMENTS))
def test_training_batches_follow_from_seed_epoch_and_sample(name: str, tmp_path: Path) -> None:
    """Alone or two together, whatever was drawn before."""
    pictures, _ = label_layouts.open_split(labelled.folders(tmp_path / "set"))
    found: list[dict] = []
    for size in (1, 3):
        torch.rand(size)
        batches = PixelBatches(pictures, SETTINGS, AUGMENTS[name], 7, replace=True)
        of_epoch = {}
        for batch in Loader(batches, size, True).epoch(2):
            assert batch.target.shape == (len(batch), *batch.images.shape[2:]) and batch.target.dtype == torch.int64
            for image, target, (height, width), one in zip(
                batch.images, batch.target, batch.sizes, batch.names, strict=True
            ):
                assert (image[:, height:] == 0).all() and (image[:, :, width:] == 0).all()
                assert (target[height:] == IGNORED).all() and (target[:, width:] == IGNORED).all()
                of_epoch[one] = (image[:, :height, :width], target[:height, :width])
            side = (24, 40) if name == "crop" else tuple(batch.images.shape[2:])
            assert tuple(batch.images.shape[2:]) == side and (name == "crop" or (not side[0] % 8 and not side[1] % 8))
        found.append(of_epoch)
    assert len(found[0]) == 3
    for key, (image, target) in found[0].items():
        assert image.equal(found[1][key][0]) and target.equal(found[1][key][1])


def test_batches_in_use_keep_the_originals_labels(tmp_path: Path) -> None:
    root = labelled.folders(tmp_path / "set")
    Image.fromarray(np.zeros((30, 20, 3), np.uint8)).save(root / "images" / "val" / "e.png")
    Image.fromarray(np.ones((30, 20), np.uint8)).save(root / "annotations" / "val" / "e.png")
    _, held_out = label_layouts.open_split(root)
    for settings, sizes in ((SETTINGS, ((20, 27), (30, 20))), (PixelPreprocessing(None), ((12, 16), (30, 20)))):
        (batch,) = Loader(PixelBatches(held_out, settings, None, 0), 2, False).epoch(0)
        assert batch.sizes == sizes and batch.originals == ((12, 16), (30, 20))
        assert tuple(batch.images.shape[2:]) == ((32, 32) if settings is SETTINGS else (30, 20))
        assert batch.target[0].numpy().tolist() == labelled.truth("d").tolist() and (batch.target[1] == 1).all()
        assert (batch.images[0, :, sizes[0][0] :] == 0).all()
        black = torch.tensor([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])
        assert torch.allclose(batch.images[1, :, :30, :20].mean((1, 2)), black)
    moved = batch.to("cpu")
    assert len(moved) == 2 and moved.names == batch.names and moved.target[0].equal(batch.target[0])


def test_a_bad_label_takes_its_picture_out_of_a_measurement(tmp_path: Path) -> None:
    root = labelled.folders(tmp_path / "set")
    (root / "classes.txt").write_text("x\ny\nz\n")
    _, held_out = label_layouts.open_split(root)
    Image.new("RGB", (16, 12)).save(root / "annotations" / "val" / "d.png")
    (batch,) = Loader(PixelBatches(held_out, SETTINGS, None, 0), 2, False, workers=1).epoch(0)
    assert len(batch) == 1 and "d.png: pixels in RGB" in batch.skipped[0]
    Image.new("RGB", (16, 12)).save(root / "annotations" / "val" / "e.png")
    (batch,) = Loader(PixelBatches(held_out, SETTINGS, None, 0), 2, False).epoch(0)
    assert len(batch) == 0 and len(batch.images) == 0 and len(batch.skipped) == 2


def test_settings_refuse_what_makes_no_sense() -> None:
    for fields in ({"ratio": (2.0, 0.5)}, {"cap": 0.0}, {"crop": (0, 5)}, {"kind": "boxes"}):
        with pytest.raises(ValueError):
            PixelAugment(**fields)
    with pytest.raises(ValueError):
        PixelPreprocessing(multiple=0)
