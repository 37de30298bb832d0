from __future__ import annotations

import pytest
import torch

from vitrail.heads.regions import levels_of, read

STRIDES = (4, 8, 16, 32)


@pytest.mark.parametrize(
    ("width", "height", "level"),
    [(1, 1, 0), (0, 5, 0), (56, 56, 0), (111, 111, 0), (112, 112, 1), (56, 224, 1), (223, 223, 1), (224, 224, 2),
     (447, 447, 2), (448, 448, 3), (900, 900, 3), (4000, 4000, 3)],
)  # fmt: skip
def test_levels(width, height, level):
    assert levels_of(torch.tensor([[3.0, 5, 3 + width, 5 + height]]), 4).tolist() == [level]


def test_a_region_is_read_from_its_level_and_its_picture():
    maps = [torch.full((2, 1, 256 // s, 256 // s), float(n)) for n, s in enumerate(STRIDES)]
    for x in maps:
        x[1] += 10
    boxes = [torch.tensor([[10.0, 10, 40, 40], [0.0, 0, 240, 240]]), torch.tensor([[20.0, 9, 150, 149]])]
    found = read(maps, STRIDES, boxes, 7)
    assert found.shape == (3, 1, 7, 7)
    assert found.mean((1, 2, 3)).tolist() == [0, 2, 11]


@pytest.mark.parametrize("size", [7, 14])
def test_cells_have_the_coordinates_of_the_picture(size):
    """A map that holds the x and y of its positions' middles gives the middles of a box's cells."""
    maps = []
    for stride in STRIDES:
        middle = (torch.arange(512 // stride) + 0.5) * stride
        maps.append(torch.stack(torch.meshgrid(middle, middle, indexing="xy"))[None])
    boxes = torch.tensor([[33.3, 41.7, 80.1, 90.2], [65.0, 70.0, 300.5, 222.2], [64.0, 64.0, 400.0, 448.0]])
    found = read(maps, STRIDES, [boxes], size)
    for box, cells in zip(boxes, found, strict=True):
        for axis in (0, 1):
            side = (box[axis + 2] - box[axis]) / size
            middle = box[axis] + (torch.arange(size) + 0.5) * side
            along = cells[axis].mean(0) if axis == 0 else cells[axis].mean(1)
            torch.testing.assert_close(along, middle, rtol=1e-4, atol=1e-2)


def test_no_regions():
    maps = [torch.randn(2, 3, 8, 8, requires_grad=True) for _ in STRIDES]
    found = read(maps, STRIDES, [torch.zeros(0, 4)] * 2, 7)
    assert found.shape == (0, 3, 7, 7)
    found.sum().backward()
