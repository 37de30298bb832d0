"""What the names of OpenMMLab's necks and heads mean: the same answers here, and none from tensors in another order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import openmmlab
import openmmlab_slowly
from openmmlab import CASES, CHANNELS, classes_of, original, told
from vitrail.models.catalogue import KINDS
from vitrail.weights.restore import restore

SIZE = (96, 70)
BOXES = torch.tensor(
    [[3.0, 5.0, 40.0, 60.0], [10.0, 0.0, 66.0, 90.0], [20.5, 31.0, 30.0, 44.0], [0.0, 0.0, 70.0, 96.0]]
)
Answer = Callable[[dict[str, Tensor]], tuple[Tensor, ...]]


def maps() -> list[Tensor]:
    """Of a backbone, whatever it saw."""
    generator = torch.Generator().manual_seed(3)
    sides = [(-(-SIZE[0] // stride), -(-SIZE[1] // stride)) for stride in (4, 8, 16, 32)]
    return [torch.randn(1, width, *side, generator=generator) for width, side in zip(CHANNELS, sides, strict=True)]


def theirs(kind: str, x: list[Tensor]) -> Answer:
    """A dictionary of their names -> what the toolbox answers."""
    if kind == "retinanet":
        return lambda p: openmmlab_slowly.retinanet(p, x, SIZE)
    if kind == "upernet":
        return lambda p: openmmlab_slowly.upernet(p, x)
    if kind == "semantic_fpn":
        return lambda p: openmmlab_slowly.semantic_fpn(p, x)
    return lambda p: (
        *openmmlab_slowly.proposals(p, x, SIZE, kind),
        *openmmlab_slowly.detections(p, x, BOXES, SIZE, kind),
    )


def ours(model, x: list[Tensor]) -> tuple[Tensor, ...]:
    name = type(model).__name__
    if name == "UperNet":
        return model.head(x), model.auxiliary(x[-2])
    pyramid = model.neck(x)
    if name == "SemanticFPN":
        return (model.head(pyramid),)
    if name == "RetinaNet":
        return model.head.find(model.head(pyramid), [SIZE])[0]
    found = model.regions.find(pyramid, [BOXES], [SIZE])[0]
    return (
        *model.rpn.propose(model.rpn(pyramid), [SIZE], model.rpn.test_proposals),
        *(part for part in found if part is not None),
    )


def agree(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
    return len(one) == len(other) and all(
        a.shape == b.shape and torch.allclose(a.float(), b.float(), rtol=1e-4, atol=1e-4)
        for a, b in zip(one, other, strict=True)
    )


def swap(one: str, other: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """Two modules in each other's place."""

    def change(p: dict[str, Tensor]) -> dict[str, Tensor]:
        pairs = {key: key.replace(one, other) for key in p if key.startswith(one)}
        pairs |= {back: key for key, back in pairs.items()}
        assert pairs and all(p[key].shape == p[to].shape for key, to in pairs.items())
        return p | {to: p[key] for key, to in pairs.items()}

    return change


def rows(order: Callable[[Tensor], Tensor], *names: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """The rows, or whatever `order` moves, of these tensors; the layer keeps its shape."""

    def change(p: dict[str, Tensor]) -> dict[str, Tensor]:
        moved = {name: order(p[name]) for name in names}
        assert all(moved[name].shape == p[name].shape for name in names)
        return p | moved

    return change


def both(name: str) -> tuple[str, str]:
    return f"{name}.weight", f"{name}.bias"


def across(size: int) -> Callable[[Tensor], Tensor]:
    """Rows that stand (a, size) -> (size, a)."""
    return lambda x: x.unflatten(0, (-1, size)).transpose(0, 1).flatten(0, 1)


def within(size: int, order: list[int]) -> Callable[[Tensor], Tensor]:
    """Each `size` rows in another order."""
    return lambda x: x.unflatten(0, (-1, size))[:, order].flatten(0, 1)


def blocks_reversed(count: int, first: int = 0) -> Callable[[Tensor], Tensor]:
    """Input channels: after the first ones, `count` equal blocks in the opposite order."""

    def change(x: Tensor) -> Tensor:
        parts = x[:, first:].chunk(count, 1)
        return torch.cat([x[:, :first], *reversed(parts)], 1)

    return change


def rolled(count: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x.roll(count, 0)


PYRAMID = {
    "levels of the pyramid": swap("neck.fpn_convs.0.", "neck.fpn_convs.1."),
}


def rcnn(kind: str) -> dict[str, Callable]:
    """The mistakes that one could make with an R-CNN's names."""
    box, mask = openmmlab.stages(kind)[-1]
    traps = PYRAMID | {
        "offsets of anchors": rows(across(4), *both("rpn_head.rpn_reg")),
        "order of anchors": rows(rolled(1), *both("rpn_head.rpn_cls")),
        "nothing is the first class": rows(rolled(1), *both(f"{box}.fc_cls")),
        "order of classes": rows(lambda x: torch.cat([x[:-1].flip(0), x[-1:]]), *both(f"{box}.fc_cls")),
        "coordinates before classes": rows(across(4), *both(f"{box}.fc_reg")),
        "y before x": rows(within(4, [1, 0, 3, 2]), *both(f"{box}.fc_reg")),
        "sides before steps": rows(within(4, [2, 3, 0, 1]), *both(f"{box}.fc_reg")),
        "channels last in a region": rows(
            lambda x: x.unflatten(1, (openmmlab.DIM, 7, 7)).permute(0, 2, 3, 1).flatten(1), f"{box}.shared_fcs.0.weight"
        ),
        "columns before rows in a region": rows(
            lambda x: x.unflatten(1, (openmmlab.DIM, 7, 7)).mT.flatten(1), f"{box}.shared_fcs.0.weight"
        ),
    }
    if "mask" in kind:
        traps |= {
            "order of masks": rows(lambda x: x.flip(0), *both(f"{mask}.conv_logits")),
            "in and out of the transposed convolution": rows(
                lambda x: x.transpose(0, 1).contiguous(), f"{mask}.upsample.weight"
            ),
            "rows and columns of the transposed convolution": rows(lambda x: x.mT, f"{mask}.upsample.weight"),
            "convolutions of masks": swap(f"{mask}.convs.0.", f"{mask}.convs.3."),
        }
    if "cascade" in kind:
        traps |= {
            "stages of boxes": swap("roi_head.bbox_head.0.", "roi_head.bbox_head.1."),
            "convolutions of boxes": swap(f"{box}.shared_convs.0.", f"{box}.shared_convs.3."),
            "statistics": rows(lambda x: x.flip(0), f"{box}.shared_convs.0.bn.running_mean"),
        }
    else:
        traps["linear layers"] = rows(lambda x: x.T.contiguous(), f"{box}.shared_fcs.1.weight")
    return traps


TRAPS: dict[str, dict[str, Callable]] = {
    "retinanet": PYRAMID
    | {
        "classes before anchors": rows(across(classes_of("retinanet")), *both("bbox_head.retina_cls")),
        "order of classes": rows(
            within(classes_of("retinanet"), list(range(classes_of("retinanet")))[::-1]), *both("bbox_head.retina_cls")
        ),
        "coordinates before anchors": rows(across(4), *both("bbox_head.retina_reg")),
        "y before x": rows(within(4, [1, 0, 3, 2]), *both("bbox_head.retina_reg")),
        "sizes before ratios": rows(
            lambda x: x.unflatten(0, (3, 3, 4)).transpose(0, 1).flatten(0, 2), *both("bbox_head.retina_reg")
        ),
        "towers": swap("bbox_head.cls_convs.", "bbox_head.reg_convs."),
        "depth of a tower": swap("bbox_head.cls_convs.0.", "bbox_head.cls_convs.3."),
        "extra levels": swap("neck.fpn_convs.2.", "neck.fpn_convs.4."),
    },
    "upernet": {
        "bins": swap("decode_head.psp_modules.0.", "decode_head.psp_modules.3."),
        "the map after its means": rows(lambda x: x.roll(-CHANNELS[-1], 1), "decode_head.bottleneck.conv.weight"),
        "means from the last": rows(blocks_reversed(4, CHANNELS[-1]), "decode_head.bottleneck.conv.weight"),
        "levels of the pyramid": swap("decode_head.fpn_convs.0.", "decode_head.fpn_convs.2."),
        "levels joined from the last": rows(blocks_reversed(4), "decode_head.fpn_bottleneck.conv.weight"),
        "statistics": rows(lambda x: x.flip(0), "decode_head.fpn_bottleneck.bn.running_var"),
        "order of classes": rows(lambda x: x.flip(0), *both("decode_head.conv_seg")),
        "classes of the auxiliary head": rows(lambda x: x.flip(0), *both("auxiliary_head.conv_seg")),
    },
    "semantic_fpn": PYRAMID
    | {
        "convolutions of a level": swap("decode_head.scale_heads.3.2.", "decode_head.scale_heads.3.4."),
        "levels": swap("decode_head.scale_heads.0.0.", "decode_head.scale_heads.1.0."),
        "order of classes": rows(lambda x: x.flip(0), *both("decode_head.conv_seg")),
        "statistics": rows(lambda x: x.flip(0), "decode_head.scale_heads.2.2.bn.running_mean"),
    },
    **{kind: rcnn(kind) for kind in CASES if "rcnn" in kind},
}


@pytest.mark.parametrize("kind", sorted(CASES))
def test_the_answers_are_theirs_and_no_permutation_passes(kind):
    state, x = original(kind), maps()
    more = {} if kind in ("upernet", "semantic_fpn") else {"keep": openmmlab_slowly.MOST}
    model = restore(state, fields=told(CASES[kind]) | more).model.eval()
    reference = theirs(kind, x)
    with torch.no_grad():
        mine = ours(model, x)
        assert all(len(part) for part in mine)
        assert agree(mine, reference(state))
        for name, trap in TRAPS[kind].items():
            assert not agree(mine, reference(trap(state))), f"{name}: not noticed"


def test_every_kind_has_its_case():
    assert sorted(CASES) == sorted(KINDS) == sorted(TRAPS)
