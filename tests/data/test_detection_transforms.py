"""Boxes and masks follow their picture: whatever is done to it, each stays where its own colour is painted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vitrail.data import detection_transforms as change
from vitrail.data import rle
from vitrail.data.annotations import Annotations, Reading
from vitrail.data.detection_batches import DetectionBatches, together
from vitrail.data.detection_set import DetectionSet
from vitrail.data.detection_transforms import Scene
from vitrail.data.detections import Instances
from vitrail.data.loader import Loader
from vitrail.data.randomness import seeded
from vitrail.data.settings import (
    CropBranch,
    DetectionAugment,
    DetectionPreprocessing,
    LargeJitter,
    Sides,
)
from vitrail.errors import InputError

FILL = (124, 116, 104)
COLOURS = ((220, 30, 30), (30, 200, 40), (40, 60, 220), (200, 190, 20), (180, 30, 200))  # no two mix to a third


def painted(height: int = 90, width: int = 120, count: int = 5, seed: int = 0) -> tuple[Image.Image, Instances]:
    """Ellipses, thing k of its colour on white; later ones lie above, each keeps its rest."""
    random = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 255, dtype=np.uint8)
    y, x = np.mgrid[:height, :width]
    owner = np.full((height, width), -1)
    for k in range(count):
        middle = random.uniform(0.1, 0.9, 2) * (height, width)
        reach = random.uniform(0.12, 0.35, 2) * (height, width)
        inside = ((y - middle[0]) / reach[0]) ** 2 + ((x - middle[1]) / reach[1]) ** 2 <= 1
        pixels[inside], owner[inside] = COLOURS[k], k
    masks = torch.stack([torch.from_numpy(owner == k) for k in range(count)])
    masks = masks[masks.flatten(1).any(1)]
    classes = torch.tensor([k for k in range(count) if (owner == k).any()])
    truth = Instances(rle.boxes_of(masks), classes, (height, width), masks)
    return Image.fromarray(pixels), truth


def scene(**options: int) -> Scene:
    return Scene.of(*painted(**options))


def by_colour(image: Tensor, k: int, slack: int = 12) -> Tensor:
    """(H, W): where the colour of thing k is seen; smoothing mixes colours at edges only."""
    colour = torch.tensor(COLOURS[k]).view(3, 1, 1)
    return ((image.int() - colour).abs() <= slack).all(0)


def spread(mask: Tensor) -> Tensor:
    """(H, W) grown by four pixels, as far as smoothing mixes colours."""
    return torch.nn.functional.max_pool2d(mask[None], 9, 1, 4)[0]


def hold(found: Scene) -> None:
    """Each mask is where its colour is, but for edges; each box is around its mask; all inside; nothing strange."""
    truth = found.target()
    height, width = truth.size
    assert truth.boxes.isfinite().all() and (truth.boxes >= 0).all()
    assert (truth.boxes[:, 2] <= width).all() and (truth.boxes[:, 3] <= height).all()
    assert ((truth.boxes[:, 2:] - truth.boxes[:, :2]) >= 1).all()
    around = rle.boxes_of(truth.masks)
    for mask, box, own, k in zip(truth.masks, truth.boxes, around, truth.classes.tolist(), strict=True):
        seen = by_colour(found.image.as_subclass(Tensor), k)
        near, outer = (spread(part.float()).bool() for part in (~mask, mask))  # `near` the edge from inside
        assert not (seen & ~outer).any() and (seen | near).float().mean() > 0.99
        assert (own[:2] >= box[:2] - 1.5).all() and (own[2:] <= box[2:] + 1.5).all()
    assert truth.areas.tolist() == truth.masks.flatten(1).sum(1).tolist()


def test_a_scene_is_what_was_given() -> None:
    image, truth = painted()
    found = Scene.of(image, truth)
    hold(found)
    assert found.target().boxes.equal(truth.boxes) and found.target().masks.equal(truth.masks)
    packed = Instances(truth.boxes, truth.classes, truth.size, rle.encode(truth.masks))
    assert Scene.of(image, packed).target().masks.equal(truth.masks)


def test_mirror_twice_is_the_same_and_once_is_counted_from_the_other_side() -> None:
    given = scene()
    once = change.flip(given)
    hold(once)
    boxes = given.target().boxes
    assert once.target().boxes[:, 0].equal(120 - boxes[:, 2]) and once.target().boxes[:, 1].equal(boxes[:, 1])
    assert once.target().boxes.equal(rle.boxes_of(once.target().masks))
    again = change.flip(once)
    assert again.image.equal(given.image) and again.target().boxes.equal(boxes)


@pytest.mark.parametrize(
    ("size", "side", "longest", "wanted"),
    [
        ((480, 640), 800, 1333, (800, 1067)),
        ((640, 480), 800, 1333, (1067, 800)),
        ((300, 900), 800, 1333, (444, 1333)),
        ((427, 640), 400, 1600, (400, 600)),
        ((1, 5000), 800, 1333, (1, 1333)),
    ],
)
def test_sizes_are_those_of_the_papers_toolbox(size: tuple, side: int, longest: int, wanted: tuple) -> None:
    assert change.fitting(size, side, longest) == wanted


@pytest.mark.parametrize("size", [(45, 60), (180, 240), (61, 203)])
def test_resizing_scales_boxes_as_pixels(size: tuple[int, int]) -> None:
    given, found = scene(), change.resize(scene(), size)
    hold(found)
    stretch = torch.tensor([size[1] / 120, size[0] / 90] * 2)
    assert torch.allclose(found.target().boxes, given.target().boxes * stretch, atol=1e-3)


def test_a_crop_is_what_cutting_the_masks_gives() -> None:
    """Against masks and boxes cut one by one, by hand."""
    given = scene()
    truth = given.target()
    found = change.crop(given, 20, 30, 50, 41)
    hold(found)
    wanted = []
    for mask, box, k in zip(truth.masks, truth.boxes.tolist(), truth.classes.tolist(), strict=True):
        part = mask[20:70, 30:71]
        left, top, right, bottom = box[0] - 30, box[1] - 20, box[2] - 30, box[3] - 20
        cut = [min(max(left, 0), 41), min(max(top, 0), 50), min(max(right, 0), 41), min(max(bottom, 0), 50)]
        if part.any() and cut[2] - cut[0] >= 1 and cut[3] - cut[1] >= 1:
            wanted.append((k, cut, part))
    got = found.target()
    assert len(wanted) > 0 and got.classes.tolist() == [k for k, _, _ in wanted]
    assert got.boxes.tolist() == [cut for _, cut, _ in wanted]
    assert got.masks.equal(torch.stack([part for _, _, part in wanted]))


def test_a_crop_without_a_box_is_kept() -> None:
    given = scene(count=1, seed=3)
    given = given.chosen(torch.zeros(len(given.classes), dtype=torch.bool))
    found = change.random_crop(given, 20, 40)
    truth = found.target()
    assert truth.boxes.shape == (0, 4) and truth.masks.shape == (0, *found.size)
    assert min(found.size) >= 20 and max(found.size) <= 40


def test_boxes_on_the_border_stay_and_slivers_go() -> None:
    boxes = torch.tensor(
        [[0.0, 0.0, 30.0, 20.0], [0.0, 0.0, 10.5, 9.0], [10.0, 0.0, 12.0, 20.0], [29.5, 5.0, 30.0, 9.0]]
    )
    truth = Instances(boxes, torch.arange(4), (20, 30))
    found = change.crop(Scene.of(Image.new("RGB", (30, 20)), truth), 0, 10, 20, 20)
    assert found.target().classes.tolist() == [0, 2] and found.target().masks is None
    assert found.target().boxes.tolist() == [[0.0, 0.0, 20.0, 20.0], [0.0, 0.0, 2.0, 20.0]]


def test_a_crowd_stays_a_crowd() -> None:
    image, truth = painted()
    crowd = torch.zeros(len(truth), dtype=torch.bool)
    crowd[1] = True
    given = Scene.of(image, Instances(truth.boxes, truth.classes, truth.size, truth.masks, crowd))
    found = change.resize(change.flip(given), (70, 80)).kept().target()
    assert found.classes[found.crowd].tolist() == [int(truth.classes[1])]


def test_the_branch_draws_each_side_it_should() -> None:
    """Policy (a) half the time; else crops with each side from least to most of a picture resized before."""
    settings, sides = CropBranch(0.5, Sides(40, 60, 10), 38, 60), Sides(48, 80, 16, 133)
    seen: dict[bool, set] = {True: set(), False: set()}
    shorts, changed = set(), 0
    plain = {change.fitting((90, 120), side, 133) for side in (48, 64, 80)}
    for seed in range(60):
        with seeded(seed):
            found = change.branch(scene(), settings, sides).kept()
        hold(found)
        shorts.add(min(found.size))
        changed += found.size not in plain
        seen[found.size in plain].add(found.size)
    assert shorts >= {48, 64, 80} and max(max(size) for size in seen[False]) <= 133
    assert 15 <= changed <= 45


def test_large_jitter_cuts_and_fills() -> None:
    sizes, filled = set(), 0
    for seed in range(20):
        with seeded(seed):
            found = change.jitter(scene(), LargeJitter(0.3, 2.0, 64), FILL).kept()
        sizes.add(found.size)
        hold(found)
        filled += found.image[:, -1, -1].tolist() == list(FILL)
    assert sizes == {(64, 64)} and 0 < filled < 20


def test_copy_paste_gives_each_pixel_to_what_is_seen_there() -> None:
    pasted = 0
    for seed in range(12):
        below, above = scene(seed=seed), scene(height=60, width=110, count=4, seed=seed + 50)
        with seeded(seed):
            found = change.paste(below, above)
        truth = found.target()
        assert found.size == below.size and not (truth.masks.sum(0) > 1).any()
        new = len(truth) - len(below.classes)
        pasted += new > 0
        around = rle.boxes_of(truth.masks)
        assert torch.allclose(around, truth.boxes)
        for mask, k in zip(truth.masks, truth.classes.tolist(), strict=True):
            colour = torch.tensor(COLOURS[k])[:, None]
            assert (found.image.as_subclass(Tensor)[:, mask] == colour).all()
    assert pasted >= 4


def test_what_is_covered_whole_is_gone_and_no_crowd_is_pasted() -> None:
    small = torch.zeros(1, 20, 20, dtype=torch.bool)
    small[:, 5:8, 5:8] = True
    large = torch.zeros(1, 20, 20, dtype=torch.bool)
    large[:, 2:15, 2:15] = True

    def of(masks: Tensor, k: int, crowd: bool = False) -> Scene:
        truth = Instances(rle.boxes_of(masks), torch.tensor([k]), (20, 20), masks, torch.tensor([crowd]))
        return Scene.of(Image.new("RGB", (20, 20), (50 * k, 0, 0)), truth)

    results = []
    for seed in range(8):
        with seeded(seed):
            results.append(change.paste(of(small, 0), of(large, 1)).target().classes.tolist())
        with seeded(seed):
            assert change.paste(of(small, 0), of(large, 1, crowd=True)).target().classes.tolist() == [0]
    assert [0] in results and [1] in results and len(set(map(tuple, results))) == 2
    bare = Scene.of(Image.new("RGB", (20, 20)), Instances(torch.zeros(0, 4), torch.zeros(0).long(), (20, 20)))
    with pytest.raises(InputError, match="needs masks"):
        change.paste(bare, of(large, 1))


def folder(root: Path, count: int = 6, things: int = 5, masks: bool = True) -> DetectionSet:
    """Pictures of several sizes with polygons; the last holds nothing, the one before 300 things."""
    records = []
    for number in range(count):
        height, width = 50 + 7 * number, 90 - 9 * number
        Image.new("RGB", (width, height), (40 * number, 90, 20)).save(root / f"{number}.png")
        reading = Reading(number + 1, f"{number}.png", (height, width), f"{number}.png")
        many = 0 if number == count - 1 else 300 if number == count - 2 else things
        random = np.random.default_rng(number)
        for place in range(many):
            left, top = random.integers(0, width - 12), random.integers(0, height - 12)
            box = [float(side) for side in (left, top, left + 10, top + 9)]
            square = [[box[0], box[1], box[2], box[1], box[2], box[3], box[0], box[3]]]
            reading.box(box, place % 2, place, segment=square if masks else None)
        records.append(reading.record())
    return DetectionSet(Annotations(root, root, records, ("a", "b"), (1, 2)))


SETTINGS = DetectionPreprocessing(Sides(60, 60, 32, 100))


def test_batches_in_use_keep_the_originals_frame(tmp_path: Path) -> None:
    pictures = folder(tmp_path)
    for batch in Loader(DetectionBatches(pictures, SETTINGS, None, 0), 2, False).epoch(0):
        assert batch.images.shape[2] % 32 == 0 and batch.images.shape[3] % 32 == 0 and batch.images.isfinite().all()
        for image, truth, (height, width), original in zip(
            batch.images, batch.target, batch.sizes, batch.originals, strict=True
        ):
            assert truth.size == original and (height, width) == change.fitting(original, 60, 100)
            assert (image[:, height:] == 0).all() and (image[:, :, width:] == 0).all()
            assert (image[:, :height, :width] != 0).any()
        moved = batch.to("cpu")
        assert len(moved) == 2 and moved.names == batch.names and moved.images.equal(batch.images)
    assert [len(truth) for truth in batch.target] == [300, 0]


def test_pixels_are_normalised_before_they_are_padded() -> None:
    grey = torch.full((3, 5, 7), 51, dtype=torch.uint8)
    found = together([grey], DetectionPreprocessing(multiple=4))
    assert found.shape == (1, 3, 8, 8)
    for channel, mean, std in zip(found[0], (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True):
        assert torch.allclose(channel[:5, :7], torch.tensor((0.2 - mean) / std))
        assert (channel[5:] == 0).all() and (channel[:, 7:] == 0).all()


AUGMENTS = {
    "crop": DetectionAugment(Sides(48, 80, 16, 133), CropBranch(0.5, Sides(40, 60, 10), 38, 60)),
    "paste": DetectionAugment(jitter=LargeJitter(0.1, 2.0, 64), paste=1.0),
    "plain": DetectionAugment(Sides(48, 80, 1, 100)),
}


@pytest.mark.parametrize("name", sorted(AUGMENTS))
def test_training_batches_follow_from_seed_epoch_and_sample(name: str, tmp_path: Path) -> None:
    """Alone or two together, whatever was drawn before; pictures with nothing and with 300 things make no NaN."""
    pictures = folder(tmp_path)
    found = []
    for batch_size in (2, 3):
        torch.rand(batch_size)
        batches = DetectionBatches(pictures, SETTINGS, AUGMENTS[name], 7, replace=True)
        seen = {}
        for epoch in (0, 1):
            for batch in Loader(batches, batch_size, True).epoch(epoch):
                assert batch.images.isfinite().all()
                for image, truth, (height, width), title in zip(
                    batch.images, batch.target, batch.sizes, batch.names, strict=True
                ):
                    assert truth.size == (height, width) and truth.boxes.isfinite().all()
                    assert truth.masks.shape == (len(truth), height, width)
                    assert (truth.boxes[:, 2] <= width).all() and (truth.boxes[:, 3] <= height).all()
                    seen[epoch, title] = (image[:, :height, :width], truth.boxes, truth.classes)
        found.append(seen)
    assert len(found[0]) == 12 and found[0].keys() == found[1].keys()
    for key, values in found[0].items():
        assert all(a.equal(b) for a, b in zip(values, found[1][key], strict=True))


def test_workers_change_nothing_and_a_damaged_picture_is_replaced(tmp_path: Path) -> None:
    pictures = folder(tmp_path)
    (tmp_path / "2.png").write_bytes(b"broken")
    runs = []
    for workers in (0, 1):
        batches = DetectionBatches(pictures, SETTINGS, AUGMENTS["paste"], 3, replace=True)
        runs.append(list(Loader(batches, 3, True, workers=workers).epoch(0)))
    assert sum(len(batch.skipped) for batch in runs[0]) == 1
    for here, there in zip(*runs, strict=True):
        assert here.names == there.names and here.images.equal(there.images)
    measured = list(Loader(DetectionBatches(pictures, SETTINGS, None, 3), 3, False).epoch(0))
    assert [len(batch) for batch in measured] == [2, 3]


def test_one_class_is_enough_and_paste_wants_masks(tmp_path: Path) -> None:
    pictures = folder(tmp_path, masks=False)
    pictures.classes = ("a",)
    assert len(Loader(DetectionBatches(pictures, SETTINGS, AUGMENTS["plain"], 0), 2, True)) == 3
    with pytest.raises(InputError, match="Copy-paste needs masks"):
        DetectionBatches(pictures, SETTINGS, AUGMENTS["paste"], 0)
