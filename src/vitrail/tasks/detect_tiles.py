"""A large picture looked at in overlapping parts, whose answers become one.

A thing in two tiles is known by what both can see: cut to the pixels that the two tiles share, both answers overlap.
n answers of a picture; boxes are xyxy in the pixels of the whole picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from vitrail.data import rle_moves
from vitrail.data.detections import Detections, Rle, areas_of
from vitrail.errors import InputError
from vitrail.tasks.detect_views import Look

EDGE = 0.01  # of a tile's side: a box that ends so near to an inner border is taken to be cut there
SAME = 0.5  # intersection over union from which on two answers of two tiles are of one thing
INSIDE = 0.5  # share of a cut answer inside another of its class from which on it is a part of that one
Tile = tuple[int, int, int, int]  # left, top, right, bottom


def tiles(size: tuple[int, int], side: int, overlap: float) -> list[Tile]:
    """Squares of `side` pixels that cover a picture (H, W), evenly spread; shorter where the picture is.

    Args:
        overlap: Share of a side that neighbours have in common at least, 0 to below 1.
    Raises: InputError for a side below 1, or another overlap.
    """
    if side < 1 or not 0 <= overlap < 1:
        raise InputError(f"tile={side}, overlap={overlap:g}: wanted pixels from 1 on, and a share below 1.")
    down, along = (_starts(length, side, overlap) for length in size)
    return [(x, y, min(x + side, size[1]), min(y + side, size[0])) for y in down for x in along]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    if length <= side:
        return [0]
    step = max(side - round(side * overlap), 1)
    count = -(-(length - side) // step) + 1
    return [round(place * (length - side) / (count - 1)) for place in range(count)]


@dataclass(eq=False)
class Answers:
    """What was found in all tiles.

    boxes: (n, 4).     scores, classes: (n,).     tile: (n,), which tile each is of.
    cut: (n,) bool, whether it ends at a border of its tile inside the picture.
    masks: n `Rle` of their tiles, or None.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    tile: Tensor
    cut: Tensor
    masks: list[Rle] | None

    @classmethod
    def of(cls, found: Sequence[Detections], places: Sequence[Tile], size: tuple[int, int]) -> Answers:
        corners = torch.tensor(places, dtype=torch.float32)
        boxes = torch.cat([one.boxes + corner[[0, 1, 0, 1]] for one, corner in zip(found, corners, strict=True)])
        tile = torch.repeat_interleave(torch.arange(len(found)), torch.tensor([len(one) for one in found]))
        whole = torch.tensor([0, 0, size[1], size[0]], dtype=torch.float32)
        near = (boxes - corners[tile]).abs() <= (corners[:, 2:] - corners[:, :2]).repeat(1, 2)[tile] * EDGE + 1
        masks = None if any(one.masks is None for one in found) else [mask for one in found for mask in one.masks or ()]
        return cls(
            boxes,
            torch.cat([one.scores for one in found]),
            torch.cat([one.classes for one in found]),
            tile,
            (near & (corners != whole)[tile]).any(1),
            masks,
        )


def look_in_tiles(look: Look, image: Image.Image, side: int, share: float, overlap: float) -> Detections:
    """What is in a large picture, each tile looked at as a picture of its own.

    Of the answers to one thing the surest that no border cuts stays; where borders cut all of them, they become one:
    the box around them, the highest score, the union of masks. A picture of one tile is looked at as it is.
    Masks stay packed, each in the frame of its tile until it is kept.
    Args:
        share: Of a side that neighbours have in common.
        overlap: The intersection over union that two of a class may have at most.
    """
    size = (image.height, image.width)
    places = tiles(size, side, share)
    if len(places) == 1:
        return look(image)
    return joined([look(image.crop(place)) for place in places], places, size, overlap)


def joined(found: Sequence[Detections], places: Sequence[Tile], size: tuple[int, int], overlap: float) -> Detections:
    """The answers of all tiles as one answer for the picture of `size`, in whatever order; see `look_in_tiles`."""
    from torchvision.ops import batched_nms

    answers = Answers.of(found, places, size)
    things = [_thing(answers, members) for members in _groups(answers, places, overlap)]
    if not things:
        empty = torch.zeros(0, dtype=torch.int64)
        return Detections(torch.zeros(0, 4), torch.zeros(0), empty, size, None if answers.masks is None else ())
    boxes, scores = torch.stack([box for box, *_ in things]), torch.stack([score for _, score, *_ in things])
    first = torch.tensor([members[0] for *_, members in things])
    classes = answers.classes[first]
    alone = torch.tensor([len(members) == 1 for *_, members in things]) & answers.cut[first]
    part = _parts(boxes, classes, alone)
    rest = (~part).nonzero()[:, 0]
    order = rest[batched_nms(boxes[rest], scores[rest], classes[rest], overlap)]
    masks = None
    if answers.masks is not None:
        masks = [_mask(answers, things[at][2], places, size) for at in order.tolist()]
    return Detections.of(boxes[order], scores[order], classes[order], size, masks)


def _groups(answers: Answers, places: Sequence[Tile], overlap: float) -> list[list[int]]:
    """The answers to each thing, the surest first."""
    above = list(range(len(answers.boxes)))

    def top(at: int) -> int:
        while above[at] != at:
            above[at] = at = above[above[at]]
        return at

    for one, other in _pairs(answers, places, overlap):
        above[max(top(one), top(other))] = min(top(one), top(other))
    members: dict[int, list[int]] = {}
    for at in answers.scores.argsort(descending=True, stable=True).tolist():
        members.setdefault(top(at), []).append(at)
    return list(members.values())


def _pairs(answers: Answers, places: Sequence[Tile], overlap: float) -> Iterator[tuple[int, int]]:
    """Two answers of two tiles to one thing; each answer is in one pair at most for two tiles."""
    from torchvision.ops import box_iou

    members = [(answers.tile == number).nonzero()[:, 0] for number in range(len(places))]
    for first, second in itertools.combinations(range(len(places)), 2):
        shared = _shared(places[first], places[second])
        if shared[2] <= shared[0] or shared[3] <= shared[1]:
            continue
        a, b = (_reaching(answers.boxes, members[each], shared) for each in (first, second))
        if not len(a) or not len(b):
            continue
        whole = box_iou(answers.boxes[a], answers.boxes[b]) * ~answers.cut[a][:, None] * ~answers.cut[b]
        seen = box_iou(_within(answers.boxes[a], shared), _within(answers.boxes[b], shared))
        seen *= answers.cut[a][:, None] | answers.cut[b]
        fitting = torch.where(whole > overlap, whole, torch.where(seen >= SAME, seen, 0.0))
        fitting *= answers.classes[a][:, None] == answers.classes[b]
        while len(fitting) and float(fitting.max()) > 0:
            row, column = divmod(int(fitting.argmax()), len(b))
            yield int(a[row]), int(b[column])
            fitting[row], fitting[:, column] = 0, 0


def _shared(one: Tile, other: Tile) -> Tile:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _within(boxes: Tensor, place: Tile) -> Tensor:
    left, top, right, bottom = place
    return torch.cat([boxes[:, :2].maximum(boxes.new_tensor([left, top])), boxes[:, 2:]], 1).minimum(
        boxes.new_tensor([right, bottom, right, bottom])
    )


def _reaching(boxes: Tensor, members: Tensor, place: Tile) -> Tensor:
    """Those of `members` with an inside in `place`."""
    inside = _within(boxes[members], place)
    return members[(inside[:, 2:] > inside[:, :2]).all(1)]


def _thing(answers: Answers, members: list[int]) -> tuple[Tensor, Tensor, list[int]]:
    """The box, the score and whose mask it has: the surest whole answer, or all of them."""
    whole = [at for at in members if not answers.cut[at]]
    chosen = whole[:1] or members
    boxes = answers.boxes[chosen]
    return torch.cat([boxes[:, :2].amin(0), boxes[:, 2:].amax(0)]), answers.scores[chosen].amax(), chosen


def _parts(boxes: Tensor, classes: Tensor, alone: Tensor) -> Tensor:
    """Which of the answers that are cut and `alone` lie mostly inside another of their class: (n,) bool."""
    part = torch.zeros_like(alone)
    for at in alone.nonzero()[:, 0].tolist():
        sides = (boxes[:, 2:].minimum(boxes[at, 2:]) - boxes[:, :2].maximum(boxes[at, :2])).clamp(min=0)
        larger = (classes == classes[at]) & (areas_of(boxes) > areas_of(boxes[at : at + 1]))
        part[at] = bool((larger & (sides.prod(1) > INSIDE * areas_of(boxes[at : at + 1]))).any())
    return part


def _mask(answers: Answers, members: list[int], places: Sequence[Tile], size: tuple[int, int]) -> Rle:
    assert answers.masks is not None
    moved = []
    for at in members:
        left, top, _, _ = places[int(answers.tile[at])]
        moved.append(rle_moves.moved(answers.masks[at], (top, left), size))
    return moved[0] if len(moved) == 1 else rle_moves.joined(moved)
