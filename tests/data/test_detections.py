"""The currency of detection holds what it says, and masks survive being packed."""

from __future__ import annotations

import pytest
import torch
from pycocotools import mask as theirs

from vitrail.data import rle
from vitrail.data.detections import Detections, Instances, Rle

SIZE = (13, 17)
BOXES = torch.tensor([[0.0, 0.0, 4.0, 5.0], [2.0, 3.0, 17.0, 13.0]])


def some_masks(count: int = 5) -> torch.Tensor:
    masks = torch.rand(count, *SIZE, generator=torch.Generator().manual_seed(0)) > 0.6
    masks[1], masks[2:3] = False, True
    return masks


def test_instances_fill_in_what_is_left_out() -> None:
    found = Instances(BOXES, torch.tensor([1, 0]), SIZE)
    assert found.crowd.tolist() == [False, False] and found.areas.tolist() == [20.0, 150.0]
    masks = some_masks(2)
    assert Instances(BOXES, torch.tensor([1, 0]), SIZE, masks).areas.tolist() == [masks[0].sum(), 0]


def test_instances_are_chosen_by_mask_and_by_index() -> None:
    packed = rle.encode(some_masks(2))
    whole = Instances(BOXES, torch.tensor([1, 0]), SIZE, packed, picture=5)
    for chosen in (torch.tensor([False, True]), torch.tensor([1])):
        one = whole[chosen]
        assert len(one) == 1 and one.classes.tolist() == [0] and one.masks == packed[1:] and one.picture == 5
    assert len(whole[torch.tensor([False, False])]) == 0
    assert whole.to("cpu").boxes.equal(BOXES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"boxes": BOXES.double()}, "float32"),
        ({"boxes": BOXES[:, [2, 1, 0, 3]]}, "x1 <= x2"),
        ({"boxes": BOXES * torch.nan}, "finite"),
        ({"classes": torch.tensor([0, -1])}, "from 0"),
        ({"classes": torch.tensor([0])}, r"classes \(2,\)"),
        ({"masks": torch.zeros(2, 13, 16, dtype=torch.bool)}, "masks"),
        ({"masks": (Rle(SIZE, b""),)}, "2 masks"),
    ],
)
def test_instances_are_checked_where_they_are_built(change: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Instances(**({"boxes": BOXES, "classes": torch.tensor([0, 1]), "size": SIZE} | change))


def test_detections_come_in_falling_order() -> None:
    scores, classes, masks = torch.tensor([0.2, 0.9]), torch.tensor([0, 1]), rle.encode(some_masks(2))
    with pytest.raises(ValueError, match="surest first"):
        Detections(BOXES, scores, classes, SIZE)
    found = Detections.of(BOXES, scores, classes, SIZE, masks)
    assert found.scores.tolist() == pytest.approx([0.9, 0.2]) and found.classes.tolist() == [1, 0]
    assert found.boxes.equal(BOXES[[1, 0]]) and found.masks == (masks[1], masks[0])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        Detections.of(BOXES, scores + 1, classes, SIZE)
    with pytest.raises(ValueError, match="Rle"):
        Detections(BOXES, scores.flip(0), classes, SIZE, some_masks(2))  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with numpy 2
def test_masks_come_back_and_agree_with_pycocotools() -> None:
    masks = some_masks()
    packed = rle.encode(masks)
    assert rle.decode(packed, SIZE).equal(masks)
    for mask, one in zip(masks, packed, strict=True):
        again = theirs.decode({"size": list(one.size), "counts": one.counts})
        assert torch.from_numpy(again).bool().equal(mask)
    assert rle.areas(packed).tolist() == masks.flatten(1).sum(1).tolist()
    assert rle.boxes(packed).equal(rle.boxes_of(masks))
    assert rle.encode(masks[:0]) == () and rle.decode((), SIZE).shape == (0, *SIZE)
    assert rle.boxes(()).shape == (0, 4) and rle.boxes_of(masks[:0]).shape == (0, 4)


def test_the_box_of_a_mask_is_found_by_looking() -> None:
    for mask, box in zip(masks := some_masks(), rle.boxes_of(masks).tolist(), strict=True):
        rows, columns = mask.nonzero(as_tuple=True)
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else [0, 0, 0, 0]
        assert box == [float(side) for side in seen]


def test_each_way_to_write_a_mask_is_read() -> None:
    square = [2.0, 3.0, 9.0, 3.0, 9.0, 8.0, 2.0, 8.0]
    mask = torch.zeros(1, *SIZE, dtype=torch.bool)
    mask[:, 3:8, 2:9] = True
    packed = rle.encode(mask)[0]
    runs, value, length = [], False, 0
    for pixel in mask[0].T.flatten().tolist():
        if pixel != value:
            runs.append(length)
            value, length = pixel, 0
        length += 1
    runs.append(length)
    text = packed.counts.decode()
    for segment in ([square], {"size": list(SIZE), "counts": runs}, {"size": list(SIZE), "counts": text}):
        assert rle.decode((rle.read(segment, SIZE),), SIZE).equal(mask)
    both = rle.read([square, [10.0, 3.0, 12.0, 3.0, 12.0, 8.0, 10.0, 8.0]], SIZE)
    assert int(rle.areas((both,))) == 35 + 10


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        ([], "three points"),
        ([[1.0, 2.0, 3.0, 4.0]], "three points"),
        ([[1.0, 2.0, 3.0, 4.0, float("nan"), 1.0]], "finite"),
        ({"size": [13, 17], "counts": [5, 5]}, "add up"),
        ({"size": [13, 17], "counts": [-5, 226]}, "add up"),
        ({"size": [17, 13], "counts": [221]}, "13 x 17|17 x 13"),
        ({"size": [13, 17], "counts": "0"}, "add up"),
        ({"size": [13, 17], "counts": "oo"}, "break off"),
        ({"size": [13, 17], "counts": "é!"}, "packs|packed"),
        ("mask.png", "neither"),
    ],
)
def test_a_damaged_mask_is_told_in_a_few_words(segment: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rle.read(segment, SIZE)
