from __future__ import annotations

import math

import pytest
import torch

from vitrail.data import rle
from vitrail.data.detections import Instances
from vitrail.heads.mask_head import MaskHead, mask_loss, mask_targets, pack, paste

SIZE = (50, 61)
BOXES = torch.tensor([[3.0, 4, 31, 32], [10.0, 5, 38, 33], [2.3, 7.9, 55.1, 46.4], [30.0, 20.0, 36.5, 29.0]])


def blobs() -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    disc = (x - 25) ** 2 + (y - 22) ** 2 < 15**2
    stripes = (x // 3 + y // 2) % 3 > 0
    return torch.stack([disc, stripes])


def slow_value(mask: torch.Tensor, x: float, y: float) -> float:
    """Bilinear between the middles of pixels; the rim holds on for half a pixel, and 0 is beyond."""
    height, width = mask.shape
    x, y = x - 0.5, y - 0.5
    if not (-1 <= x <= width and -1 <= y <= height):
        return 0.0
    x, y = max(x, 0.0), max(y, 0.0)
    left, top = min(int(x), width - 1), min(int(y), height - 1)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    a, b = x - left if right > left else 0.0, y - top if bottom > top else 0.0
    upper = (1 - a) * float(mask[top, left]) + a * float(mask[top, right])
    return (1 - b) * upper + b * ((1 - a) * float(mask[bottom, left]) + a * float(mask[bottom, right]))


@pytest.mark.parametrize("packed", [False, True])
def test_targets_equal_a_slow_loop(packed):
    masks = blobs()
    things = torch.tensor([1, 0, 0, 1])
    known = Instances(
        torch.tensor([[0.0, 0, 9, 9]] * 2), torch.zeros(2).long(), SIZE, rle.encode(masks) if packed else masks
    )
    found = mask_targets(known, BOXES, things)
    near = 0
    for box, thing, cells in zip(BOXES.tolist(), things.tolist(), found, strict=True):
        wide, high = (box[2] - box[0]) / 28, (box[3] - box[1]) / 28
        columns, rows = math.ceil(wide), math.ceil(high)
        for i in range(28):
            for j in range(28):
                xs = [box[0] + wide * (j + (s + 0.5) / columns) for s in range(columns)]
                ys = [box[1] + high * (i + (r + 0.5) / rows) for r in range(rows)]
                mean = sum(slow_value(masks[thing], x, y) for x in xs for y in ys) / (columns * rows)
                if abs(mean - 0.5) < 1e-4:
                    near += 1
                else:
                    assert cells[i, j].item() == (mean > 0.5), (box, i, j)
    assert 0.2 < found.mean() < 0.8 and near < 200


def test_a_pixel_a_cell_is_the_mask_itself():
    known = Instances(torch.tensor([[0.0, 0, 9, 9]] * 2), torch.zeros(2).long(), SIZE, blobs())
    found = mask_targets(known, BOXES[:2], torch.tensor([0, 1]))
    assert torch.equal(found[0].bool(), blobs()[0, 4:32, 3:31])
    assert torch.equal(found[1].bool(), blobs()[1, 5:33, 10:38])


def test_pasting_undoes_the_target():
    disc = blobs()[:1]
    box = torch.tensor([[8.4, 5.2, 42.8, 39.1]])
    known = Instances(box, torch.zeros(1).long(), SIZE, disc)
    again = paste(mask_targets(known, box, torch.zeros(1).long())[0], box[0], SIZE)
    assert (again & disc[0]).sum() / (again | disc[0]).sum() > 0.95


@pytest.mark.parametrize("box", [*BOXES.tolist(), [-10.0, -5.0, 20.0, 70.0], [58.0, 47.0, 61.0, 50.0]])
def test_pasted_pixels_equal_a_slow_loop(box):
    mask = torch.rand(28, 28, generator=torch.Generator().manual_seed(0))
    found = paste(mask, torch.tensor(box), SIZE)
    for y in range(SIZE[0]):
        for x in range(SIZE[1]):
            u, v = (
                (x + 0.5 - box[0]) / (box[2] - box[0]) * 28 - 0.5,
                (y + 0.5 - box[1]) / (box[3] - box[1]) * 28 - 0.5,
            )
            value = 0.0
            for i, a in ((math.floor(v), 1 - v % 1), (math.floor(v) + 1, v % 1)):
                for j, b in ((math.floor(u), 1 - u % 1), (math.floor(u) + 1, u % 1)):
                    if 0 <= i < 28 and 0 <= j < 28:
                        value += a * b * mask[i, j].item()
            if abs(value - 0.5) > 1e-4:
                assert found[y, x].item() == (value > 0.5), (x, y)


def test_nothing_is_pasted_outside_or_into_a_box_of_no_size():
    mask = torch.ones(28, 28)
    for box in ([70.0, 10, 90, 20], [5.0, 5, 5, 9], [0.0, 60, 9, 70]):
        assert not paste(mask, torch.tensor(box), SIZE).any()
    assert len(pack(torch.zeros(0, 28, 28), torch.zeros(0, 4), SIZE)) == 0


def test_the_loss_is_of_the_own_class():
    masks = torch.full((2, 3, 28, 28), -20.0)
    masks[0, 2] = masks[1, 0] = 20.0
    wanted = torch.ones(2, 28, 28)
    assert mask_loss(masks, torch.tensor([2, 0]), wanted) < 1e-6
    assert mask_loss(masks, torch.tensor([2, 1]), wanted).item() == pytest.approx(10, rel=1e-4)
    nothing = mask_loss(MaskHead(8, 3)(torch.zeros(0, 8, 14, 14)), torch.zeros(0).long(), wanted[:0])
    assert nothing.item() == 0
    nothing.backward()


def test_a_picture_without_masks_cannot_be_learnt_from():
    known = Instances(torch.tensor([[0.0, 0, 9, 9]]), torch.zeros(1).long(), SIZE)
    with pytest.raises(ValueError, match="masks"):
        mask_targets(known, BOXES[:1], torch.zeros(1).long())


def test_packed_masks_are_the_pasted_ones():
    """Inside, across a border, all over the picture, beyond it, without area."""
    torch.manual_seed(0)
    boxes = torch.tensor(
        [
            [3.2, 4.1, 17.9, 15.5],
            [-5.0, -3.0, 9.0, 11.0],
            [0, 0, 31, 23],
            [20, 15, 40, 30],
            [40, 40, 50, 50],
            [5, 5, 5, 9],
        ]
    )
    masks = torch.rand(len(boxes), 28, 28)
    packed = pack(masks, boxes, SIZE)
    assert [mask.size for mask in packed] == [SIZE] * len(boxes)
    pasted = torch.stack([paste(mask, box, SIZE) for mask, box in zip(masks, boxes, strict=True)])
    assert torch.equal(rle.decode(packed, SIZE), pasted) and pasted.flatten(1).any(1).sum() >= 3
