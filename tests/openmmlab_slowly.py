"""What mmdetection 2 and mmsegmentation 0 compute, in plain code that reads a dictionary of their names alone.

One picture; positions, anchors and classes one at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from openmmlab import State, stages

STDS = ((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067))
MOST = 5000  # detections of a picture, so that no level of a map hides another


def conv(p: State, name: str, x: Tensor, stride: int = 1) -> Tensor:
    weight = p[f"{name}.weight"]
    return F.conv2d(x, weight, p.get(f"{name}.bias"), stride, weight.shape[-1] // 2)


def linear(p: State, name: str, x: Tensor) -> Tensor:
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def normed(p: State, name: str, x: Tensor) -> Tensor:
    x = conv(p, f"{name}.conv", x)
    weight, bias, mean, var = (
        p[f"{name}.bn.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
    )
    return ((x - mean) / (var + 1e-5).sqrt() * weight + bias).relu()


def resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def neck(p: State, maps: Sequence[Tensor], kind: str) -> list[Tensor]:
    """The pyramid; RetinaNet's begins at the second map and takes its sixth level from the backbone's last map."""
    used = list(maps[1:] if kind == "retinanet" else maps)
    sides = [conv(p, f"neck.lateral_convs.{n}.conv", x) for n, x in enumerate(used)]
    for n in reversed(range(len(sides) - 1)):
        sides[n] = sides[n] + F.interpolate(sides[n + 1], size=sides[n].shape[-2:], mode="nearest")
    found = [conv(p, f"neck.fpn_convs.{n}.conv", x) for n, x in enumerate(sides)]
    if kind == "retinanet":
        found.append(conv(p, "neck.fpn_convs.3.conv", maps[-1], 2))
        found.append(conv(p, "neck.fpn_convs.4.conv", found[-1], 2))
    elif kind != "semantic_fpn":
        found.append(found[-1][..., ::2, ::2])
    return found


def decoded(deltas: Tensor, boxes: Tensor, stds: Sequence[float]) -> Tensor:
    """torchvision's coder, but that logarithms are cut below too."""
    from torchvision.models.detection._utils import BoxCoder

    weights = tuple(1 / std for std in stds)
    low = torch.tensor([-math.inf, -math.inf, *(math.log(16 / 1000) * weight for weight in weights[2:])])
    return BoxCoder(weights).decode_single(deltas.maximum(low), boxes)


def clipped(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    from torchvision.ops import clip_boxes_to_image

    return clip_boxes_to_image(boxes, size)


def dense(scores: Tensor, deltas: Tensor, stride: int, scales: Sequence[float], classes: int) -> tuple[Tensor, Tensor]:
    """Of a map (1, A·K, H, W) and (1, 4A, H, W), scores (n, K) and boxes (n, 4) of every anchor: an anchor's classes
    stand together, and its four offsets; anchors are counted ratio by ratio, then size by size."""
    rows, anchors, offsets = [], [], []
    for y in range(scores.shape[2]):
        for x in range(scores.shape[3]):
            sides = [(s * stride / math.sqrt(r), s * stride * math.sqrt(r)) for r in (0.5, 1.0, 2.0) for s in scales]
            for a, (w, h) in enumerate(sides):
                rows.append(torch.stack([scores[0, a * classes + k, y, x] for k in range(classes)]))
                offsets.append(torch.stack([deltas[0, 4 * a + n, y, x] for n in range(4)]))
                anchors.append([x * stride - w / 2, y * stride - h / 2, x * stride + w / 2, y * stride + h / 2])
    boxes = decoded(torch.stack(offsets), torch.tensor(anchors), (1.0, 1.0, 1.0, 1.0))
    return torch.stack(rows).sigmoid(), boxes


def best(boxes: Tensor, scores: Tensor, classes: Tensor, overlap: float, keep: int) -> tuple[Tensor, Tensor, Tensor]:
    from torchvision.ops import batched_nms

    kept = batched_nms(boxes, scores, classes, overlap)[:keep]
    return boxes[kept], scores[kept], classes[kept]


def of_classes(boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What a picture shows, all of it: boxes (n, K, 4) and scores (n, K), class by class."""
    found = [(boxes[:, k], scores[:, k], torch.full((len(boxes),), k)) for k in range(scores.shape[1])]
    every = [torch.cat(part) for part in zip(*found, strict=True)]
    sure = every[1] > 0.05
    return best(every[0][sure], every[1][sure], every[2][sure], 0.5, MOST)


def retinanet(p: State, maps: Sequence[Tensor], size: tuple[int, int]) -> tuple[Tensor, ...]:
    classes = len(p["bbox_head.retina_cls.bias"]) // 9
    boxes, scores = [], []
    for level, x in enumerate(neck(p, maps, "retinanet")):
        one = other = x
        for n in range(4):
            one = conv(p, f"bbox_head.cls_convs.{n}.conv", one).relu()
            other = conv(p, f"bbox_head.reg_convs.{n}.conv", other).relu()
        maps_of = conv(p, "bbox_head.retina_cls", one), conv(p, "bbox_head.retina_reg", other)
        score, box = dense(*maps_of, 8 * 2**level, [4 * 2 ** (n / 3) for n in range(3)], classes)
        scores.append(score)
        boxes.append(clipped(box, size))
    return of_classes(torch.cat(boxes)[:, None].expand(-1, classes, -1), torch.cat(scores))


def proposals(p: State, maps: Sequence[Tensor], size: tuple[int, int], kind: str) -> tuple[Tensor, ...]:
    boxes, scores, levels = [], [], []
    for level, x in enumerate(neck(p, maps, kind)):
        x = conv(p, "rpn_head.rpn_conv", x).relu()
        score, box = dense(conv(p, "rpn_head.rpn_cls", x), conv(p, "rpn_head.rpn_reg", x), 4 * 2**level, [8.0], 1)
        first = score[:, 0].argsort(descending=True)[:1000]
        scores.append(score[first, 0])
        boxes.append(clipped(box[first], size))
        levels.append(torch.full((len(first),), level))
    return best(torch.cat(boxes), torch.cat(scores), torch.cat(levels), 0.7, 1000)[:1]


def regions(p: State, maps: Sequence[Tensor], boxes: Tensor, side: int) -> Tensor:
    """RoIAlign, one box at a time, from the level that its size gives."""
    from torchvision.ops import roi_align

    found = []
    for x1, y1, x2, y2 in boxes.tolist():
        level = min(max(math.floor(math.log2(math.sqrt((x2 - x1) * (y2 - y1)) / 56 + 1e-6)), 0), 3)
        roi = torch.tensor([[0, x1, y1, x2, y2]])
        found.append(roi_align(maps[level], roi, side, 1 / (4 * 2**level), 0, True))
    return torch.cat(found)


def detections(p: State, maps: Sequence[Tensor], boxes: Tensor, size: tuple[int, int], kind: str) -> tuple[Tensor, ...]:
    """Boxes, scores, classes and masks; "nothing" is the last of the classes, a class's offsets stand together."""
    levels, total = neck(p, maps, kind), 0.0
    for number, (box, _) in enumerate(stages(kind)):
        x = regions(p, levels, boxes, 7)
        n = 0
        while f"{box}.shared_convs.{n}.conv.weight" in p:
            x = normed(p, f"{box}.shared_convs.{n}", x)
            n += 1
        x, n = x.reshape(len(x), -1), 0
        while f"{box}.shared_fcs.{n}.weight" in p:
            x = linear(p, f"{box}.shared_fcs.{n}", x).relu()
            n += 1
        scores, deltas = linear(p, f"{box}.fc_cls", x), linear(p, f"{box}.fc_reg", x)
        total = total + scores
        classes = scores.shape[1] - 1
        every = [decoded(deltas[:, 4 * k : 4 * k + 4], boxes, STDS[number]) for k in range(classes)]
        moved = clipped(torch.stack(every, 1), size)
        if number + 1 < len(stages(kind)):
            own = [int(row[:classes].argmax()) for row in scores]
            boxes = torch.stack([moved[n, k] for n, k in enumerate(own)])
    found = of_classes(moved, (total / len(stages(kind))).softmax(1)[:, :classes])
    if "mask" not in kind:
        return found
    masks = []
    for _, mask in stages(kind):
        x = regions(p, levels, found[0], 14)
        for n in range(4):
            x = conv(p, f"{mask}.convs.{n}.conv", x).relu()
        x = F.conv_transpose2d(x, p[f"{mask}.upsample.weight"], p[f"{mask}.upsample.bias"], 2).relu()
        logits = conv(p, f"{mask}.conv_logits", x)
        masks.append(torch.stack([logits[n, k] for n, k in enumerate(found[2].tolist())]).sigmoid())
    return (*found, sum(masks) / len(masks))


def upernet(p: State, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    pooled = [maps[-1]]
    for n, side in enumerate((1, 2, 3, 6)):
        x = normed(p, f"decode_head.psp_modules.{n}.1", F.adaptive_avg_pool2d(maps[-1], side))
        pooled.append(resized(x, maps[-1]))
    sides = [normed(p, f"decode_head.lateral_convs.{n}", x) for n, x in enumerate(maps[:-1])]
    sides.append(normed(p, "decode_head.bottleneck", torch.cat(pooled, 1)))
    for n in (2, 1, 0):
        sides[n] = sides[n] + resized(sides[n + 1], sides[n])
    levels = [normed(p, f"decode_head.fpn_convs.{n}", x) for n, x in enumerate(sides[:-1])] + sides[-1:]
    joined = torch.cat([resized(x, levels[0]) for x in levels], 1)
    auxiliary = conv(p, "auxiliary_head.conv_seg", normed(p, "auxiliary_head.convs.0", maps[-2]))
    return conv(p, "decode_head.conv_seg", normed(p, "decode_head.fpn_bottleneck", joined)), auxiliary


def semantic_fpn(p: State, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    total = None
    for level, x in enumerate(neck(p, maps, "semantic_fpn")):
        for n in range(max(level, 1)):
            x = normed(p, f"decode_head.scale_heads.{level}.{2 * n}", x)
            if level:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        total = x if total is None else total + resized(x, total)
    return (conv(p, "decode_head.conv_seg", total),)
