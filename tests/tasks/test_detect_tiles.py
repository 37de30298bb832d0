"""Large pictures in tiles, by a detector that finds the squares it is shown exactly, and knows no others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from small_detectors import NAMES, SETTINGS, detector, picture
from vitrail.data import rle
from vitrail.data.detections import Detections
from vitrail.errors import InputError
from vitrail.tasks.detect_tiles import joined, look_in_tiles, tiles
from vitrail.tasks.detect_views import looking, views_of


def drawn(size: tuple[int, int], boxes: list[tuple[int, int, int, int]]) -> Image.Image:
    """Each box in a grey of its own."""
    pixels = np.zeros((*size, 3), dtype=np.uint8)
    for number, (left, top, right, bottom) in enumerate(boxes, start=1):
        pixels[top:bottom, left:right] = number
    return Image.fromarray(pixels)


def exact(image: Image.Image) -> Detections:
    """The visible part of every box, its mask, and the share of 1000 pixels that is seen as its score."""
    pixels = torch.from_numpy(np.asarray(image)[:, :, 0].copy())
    masks = torch.stack([pixels == grey for grey in pixels.unique() if grey] or [torch.zeros_like(pixels) > 0])
    masks = masks[masks.flatten(1).any(1)]
    scores = (masks.flatten(1).sum(1) / 1000).clamp(max=1)
    classes = torch.zeros(len(masks), dtype=torch.int64)
    return Detections.of(rle.boxes_of(masks), scores, classes, (image.height, image.width), rle.encode(masks))


def sorted_rows(boxes: torch.Tensor) -> list[list[float]]:
    return sorted(boxes.tolist())


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
@pytest.mark.parametrize(("size", "side"), [((50, 70), 100), ((97, 203), 40), ((1, 64), 16), ((40, 80), 40)])
def test_tiles_cover_and_overlap(size: tuple[int, int], side: int, overlap: float) -> None:
    places = tiles(size, side, overlap)
    seen = torch.zeros(size, dtype=torch.int64)
    for left, top, right, bottom in places:
        assert 0 <= left < right <= size[1] and 0 <= top < bottom <= size[0]
        assert right - left == min(side, size[1]) and bottom - top == min(side, size[0])
        seen[top:bottom, left:right] += 1
    assert (seen > 0).all()
    for axis in (0, 1):
        starts = sorted({place[axis] for place in places})
        assert all(side - (b - a) >= round(side * overlap) for a, b in itertools.pairwise(starts))
    assert len(places) == 1 or max(size) > side
    if overlap == 0:
        assert len(places) == -(-size[0] // side) * -(-size[1] // side)


def test_tiles_that_cannot_be() -> None:
    for side, overlap in ((0, 0.2), (10, 1.0), (10, -0.1)):
        with pytest.raises(InputError, match="share below 1"):
            tiles((20, 20), side, overlap)


def test_every_square_is_found_once() -> None:
    """Small ones lie in some tile whole; large ones lie in none and become one again, mask and all."""
    random = np.random.default_rng(0)
    boxes, taken = [], np.zeros((150, 231), dtype=bool)
    for side in (95, *random.integers(3, 20, 300).tolist()):
        top, left = int(random.integers(0, 150 - side)), int(random.integers(0, 231 - side))
        around = slice(max(top - 1, 0), top + side + 1), slice(max(left - 1, 0), left + side + 1)
        if not taken[around].any():
            taken[top : top + side, left : left + side] = True
            boxes.append((left, top, left + side, top + side))
    assert len(boxes) > 60
    image = drawn((150, 231), boxes)
    whole = exact(image)
    for overlap in (0.3, 0.5):
        found = look_in_tiles(exact, image, 64, overlap, 0.5)
        assert sorted_rows(found.boxes) == sorted_rows(whole.boxes)
        assert set(found.masks or ()) == set(whole.masks or ())
        assert found.size == (150, 231)


def test_a_thing_at_the_seam_is_the_whole_one() -> None:
    image = drawn((40, 100), [(50, 10, 64, 24)])  # 50 to 60 in the first tile, all of it in the second
    places = [(0, 0, 60, 40), (40, 0, 100, 40)]
    found = [exact(image.crop(place)) for place in places]
    assert [one.boxes.tolist() for one in found] == [[[50, 10, 60, 24]], [[10, 10, 24, 24]]]
    one = joined(found, places, (40, 100), 0.5)
    assert one.boxes.tolist() == [[50, 10, 64, 24]] and one.masks == exact(image).masks
    # the same seen as two classes stays two things
    other = Detections(found[1].boxes, found[1].scores, found[1].classes + 1, found[1].size, found[1].masks)
    assert len(joined([found[0], other], places, (40, 100), 0.5)) == 2


def test_neighbours_at_the_seam_stay_two() -> None:
    image = drawn((40, 100), [(38, 10, 50, 24), (50, 10, 66, 24), (42, 26, 58, 36)])
    found = look_in_tiles(exact, image, 60, 1 / 3, 0.5)
    assert sorted_rows(found.boxes) == [[38, 10, 50, 24], [42, 26, 58, 36], [50, 10, 66, 24]]


@pytest.mark.parametrize("name", NAMES)
def test_one_tile_is_the_plain_prediction(name: str) -> None:
    look = looking(detector(name), SETTINGS, views_of("one", SETTINGS.resize))
    plain, tiled = look(picture()), look_in_tiles(look, picture(), 53, 0.2, 0.5)
    assert torch.equal(plain.boxes, tiled.boxes) and plain.masks == tiled.masks and len(plain) == 20
    several = look_in_tiles(look, picture(), 30, 0.2, 0.5)
    assert len(several) > 20 and several.size == plain.size
    assert (several.boxes[:, 2:] <= torch.tensor([53, 37])).all() and (several.masks is None) == (plain.masks is None)


def test_nothing_is_nothing() -> None:
    found = look_in_tiles(exact, drawn((60, 90), []), 40, 0.2, 0.5)
    assert len(found) == 0 and found.masks == () and found.size == (60, 90)
