"""RPN and RetinaNet against losses and choices computed one anchor at a time."""

from __future__ import annotations

import math

import pytest
import torch

from heads.test_matching import slow_match
from vitrail.data.detections import Instances
from vitrail.heads.dense import Dense, flat
from vitrail.heads.matching import NOTHING, Match, Sample
from vitrail.heads.retinanet import Keep, RetinaNetHead
from vitrail.heads.rpn import RPN, Proposals

STRIDES, GRIDS = (8, 16), ((5, 6), (3, 3))
SIZES = [(40, 48), (30, 41)]


def targets() -> list[Instances]:
    first = Instances(torch.tensor([[3.0, 4, 25, 30], [20.0, 8, 47, 20]]), torch.tensor([2, 0]), SIZES[0])
    return [first, Instances(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), SIZES[1])]


def filled(head):
    torch.manual_seed(0)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return head


def maps() -> list[torch.Tensor]:
    return [torch.randn(2, 8, *grid, generator=torch.Generator().manual_seed(1)) for grid in GRIDS]


def rows(dense: Dense, picture: int, values: int) -> list[tuple[list[float], list[float], tuple[int, int, int, int]]]:
    """Scores, offsets and (level, row, column, anchor), read from the maps one position at a time."""
    found = []
    for level, (scores, deltas) in enumerate(zip(dense.scores, dense.deltas, strict=True)):
        for y in range(scores.shape[2]):
            for x in range(scores.shape[3]):
                for a in range(deltas.shape[1] // 4):
                    score = scores[picture, a * values : (a + 1) * values, y, x].tolist()
                    found.append((score, deltas[picture, 4 * a : 4 * a + 4, y, x].tolist(), (level, y, x, a)))
    return found


def own(place: tuple[int, int, int, int], size: tuple[int, int]) -> bool:
    """Whether a position is one of the picture padded by itself, not by its batch."""
    level, y, x, _ = place
    return y * STRIDES[level] < -(-size[0] // 32) * 32 and x * STRIDES[level] < -(-size[1] // 32) * 32


def boxes_of(places, scales) -> torch.Tensor:
    found = []
    for level, y, x, a in places:
        ratio, scale = (0.5, 1.0, 2.0)[a // len(scales)], scales[a % len(scales)]
        height = STRIDES[level] * scale * math.sqrt(ratio)
        width = STRIDES[level] * scale / math.sqrt(ratio)
        cx, cy = x * STRIDES[level], y * STRIDES[level]
        found.append([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2])
    return torch.tensor(found)


def slow_offsets(box: list[float], anchor: list[float]) -> list[float]:
    w, h, bw, bh = anchor[2] - anchor[0], anchor[3] - anchor[1], box[2] - box[0], box[3] - box[1]
    steps = ((box[0] + box[2] - anchor[0] - anchor[2]) / 2 / w, (box[1] + box[3] - anchor[1] - anchor[3]) / 2 / h)
    return [*steps, math.log(bw / w), math.log(bh / h)]


@pytest.mark.parametrize(("border", "beta"), [(None, 0.0), (0.0, 1 / 9)], ids=["mask", "cascade"])
def test_rpn_loss_equals_a_slow_loop(border, beta):
    rule = (0.5, 0.3, 0.2)
    few = Proposals(5, 5)
    head = filled(RPN(8, STRIDES, Match(*rule), Sample(10000, 0.5), few, few, border, beta, scale=2.0))
    dense = head(maps())
    found = head.loss(dense, SIZES, targets())
    scores = offsets = count = 0.0
    for picture, (size, target) in enumerate(zip(SIZES, targets(), strict=True)):
        entries = rows(dense, picture, 1)
        anchors = boxes_of([place for _, _, place in entries], (2.0,))
        known = []
        for index, box in enumerate(anchors.tolist()):
            inside = box[0] >= 0 and box[1] >= 0 and box[2] < size[1] and box[3] < size[0]
            if own(entries[index][2], size) and (border is None or inside):
                known.append(index)
        matched = slow_match(target.boxes, anchors[known], *rule)
        for index, thing in zip(known, matched, strict=True):
            if thing < NOTHING:
                continue
            (score,), delta, _ = entries[index]
            count += 1
            scores += math.log1p(math.exp(-score if thing >= 0 else score))
            if thing >= 0:
                goal = slow_offsets(target.boxes[thing].tolist(), anchors[index].tolist())
                for a, b in zip(delta, goal, strict=True):
                    gap = abs(a - b)
                    offsets += gap**2 / 2 / beta if gap < beta else gap - beta / 2
    assert offsets > 0
    assert found["rpn_scores"].item() == pytest.approx(scores / count, rel=1e-4)
    assert found["rpn_boxes"].item() == pytest.approx(offsets / count, rel=1e-4)


def test_retinanet_loss_equals_a_slow_loop():
    rule, classes = (0.5, 0.4, 0.0), 3
    head = filled(RetinaNetHead(8, STRIDES, classes, Match(*rule), Keep(), depth=1, scale=2.0))
    dense = head(maps())
    found = head.loss(dense, SIZES, targets())
    focal = offsets = positives = 0.0
    for picture, (size, target) in enumerate(zip(SIZES, targets(), strict=True)):
        entries = rows(dense, picture, classes)
        anchors = boxes_of([place for _, _, place in entries], [2 * 2 ** (n / 3) for n in range(3)])
        here = 0
        for (score, delta, place), anchor, thing in zip(
            entries, anchors.tolist(), slow_match(target.boxes, anchors, *rule), strict=True
        ):
            if thing < NOTHING or not own(place, size):
                continue
            for number, value in enumerate(score):
                p = 1 / (1 + math.exp(-value))
                if thing >= 0 and number == target.classes[thing]:
                    focal -= 0.25 * (1 - p) ** 2 * math.log(p)
                else:
                    focal -= 0.75 * p**2 * math.log(1 - p)
            if thing >= 0:
                here += 1
                goal = slow_offsets(target.boxes[thing].tolist(), anchor)
                offsets += sum(abs(a - b) for a, b in zip(delta, goal, strict=True))
        positives += max(here, 1)
    assert positives > 2
    assert found["classes"].item() == pytest.approx(focal / positives, rel=1e-4)
    assert found["boxes"].item() == pytest.approx(offsets / positives, rel=1e-4)


def test_retinanet_finds_what_one_anchor_says():
    """Class 2 of one anchor is raised: that anchor's box comes out, of that class."""
    head = RetinaNetHead(8, STRIDES, 3, Match(), Keep(), depth=1, scale=2.0)
    dense = head(maps())
    for scores, deltas in zip(*dense, strict=True):
        scores.data.fill_(-9)
        deltas.data.zero_()
    dense.scores[0].data[1, 4 * 3 + 2, 2, 3] = 4.0  # ratio 1, the middle of three sizes
    nothing, (boxes, scores, classes) = head.find(dense, SIZES)
    assert len(nothing[0]) == 0 and classes.tolist() == [2]
    assert scores.item() == pytest.approx(1 / (1 + math.exp(-4)))
    half = 8 * 2 ** (4 / 3) / 2
    assert boxes[0].tolist() == pytest.approx([24 - half, 16 - half, 24 + half, min(16 + half, 30)], rel=1e-5)


def test_every_class_begins_at_the_prior():
    head = RetinaNetHead(8, STRIDES, 3, Match(), Keep(), depth=1)
    assert head.scores.bias.sigmoid().tolist() == pytest.approx([0.01] * 27)


def test_proposals_are_the_surest_that_do_not_overlap():
    """Per map the first `before` by score, suppression within a map alone, `keep` of the picture by score."""
    head = filled(RPN(8, STRIDES, Match(), Sample(8, 0.5), Proposals(5, 5), Proposals(5, 5), scale=2.0))
    dense = head(maps())
    how = Proposals(before=7, keep=9, overlap=0.3)
    found = head.propose(dense, SIZES, how)
    for picture, (height, width) in enumerate(SIZES):
        kept: list[tuple[float, int, list[float]]] = []
        for level in range(2):
            one = Dense([dense.scores[level]], [dense.deltas[level]])
            places = [(s[0], d, (level, *p[1:])) for s, d, p in rows(one, picture, 1)]
            for score, delta, place in sorted(places, key=lambda e: -e[0])[:7]:
                x1, y1, x2, y2 = boxes_of([place], (2.0,))[0].tolist()
                w, h = x2 - x1, y2 - y1
                cx, cy = (x1 + x2) / 2 + delta[0] * w, (y1 + y2) / 2 + delta[1] * h
                w, h = w * math.exp(delta[2]), h * math.exp(delta[3])
                box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
                box = [min(max(v, 0), limit) for v, limit in zip(box, (width, height) * 2, strict=True)]
                if all(other != level or _overlap(box, b) <= 0.3 for _, other, b in kept):
                    kept.append((score, level, box))
        expected = [box for _, _, box in sorted(kept, key=lambda e: -e[0])[:9]]
        torch.testing.assert_close(found[picture], torch.tensor(expected), rtol=1e-3, atol=1e-3)


def _overlap(a: list[float], b: list[float]) -> float:
    both = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union else 0.0


def test_flat_is_the_order_of_the_anchors():
    dense = Dense([torch.randn(2, 6, *g) for g in GRIDS], [torch.randn(2, 12, *g) for g in GRIDS])
    expected = [score for score, _, _ in rows(dense, 1, 2)]
    assert flat(dense.scores, 2)[1].tolist() == expected
