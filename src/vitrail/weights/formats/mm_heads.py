"""The names of necks and heads in mmdetection 2 and mmsegmentation 0, the papers' toolboxes; backbones are elsewhere.

Traps:
* A convolution with a norm is `NAME.conv` and `NAME.bn`, and the norm's running statistics belong to the file.
* The extra levels of RetinaNet's pyramid count on among its outputs: `neck.fpn_convs.3` and `.4`.
* With one stage, box and mask head have no number; with three they have.
* The upsampling between Semantic FPN's convolutions takes a place in their list: 0, 2, 4.
* The pooling pyramid's convolutions stand behind their pooling: `psp_modules.N.1`.
What needs no rule, as ours stands the same: "nothing" is the last class, a class's four offsets stand together, a
region's features are flattened channel by channel.
"""

from __future__ import annotations

import re

from vitrail.errors import InputError
from vitrail.models.assembled import Assembled
from vitrail.models.detectors import RCNN, RetinaNet
from vitrail.models.segmenters import SemanticFPN, UperNet
from vitrail.weights.formats.layout import Rules


def _extra(match: re.Match[str]) -> str:
    return f"neck.fpn_convs.{int(match[1]) + 3}.conv."


def _doubled(match: re.Match[str]) -> str:
    return f"decode_head.scale_heads.{match[1]}.{2 * int(match[2])}.{_NORMED[match[3]]}."


_NORMED = {"conv": "conv", "norm": "bn"}
_FPN: Rules = (
    (r"^neck\.laterals\.(\d+)\.", r"neck.lateral_convs.\1.conv."),
    (r"^neck\.outputs\.(\d+)\.", r"neck.fpn_convs.\1.conv."),
    (r"^neck\.extras\.(\d+)\.", _extra),
)
_RETINANET: Rules = (
    *_FPN,
    (r"^head\.class_tower\.(\d+)\.", r"bbox_head.cls_convs.\1.conv."),
    (r"^head\.box_tower\.(\d+)\.", r"bbox_head.reg_convs.\1.conv."),
    (r"^head\.scores\.", "bbox_head.retina_cls."),
    (r"^head\.deltas\.", "bbox_head.retina_reg."),
)


def _rcnn(stages: int) -> Rules:
    box, mask = (f"roi_head.{name}." + (r"\1." if stages > 1 else "") for name in ("bbox_head", "mask_head"))
    return (
        *_FPN,
        (r"^rpn\.conv\.", "rpn_head.rpn_conv."),
        (r"^rpn\.scores\.", "rpn_head.rpn_cls."),
        (r"^rpn\.deltas\.", "rpn_head.rpn_reg."),
        (r"^regions\.boxes\.(\d+)\.convs\.(\d+)\.conv\.", box + r"shared_convs.\2.conv."),
        (r"^regions\.boxes\.(\d+)\.convs\.(\d+)\.norm\.", box + r"shared_convs.\2.bn."),
        (r"^regions\.boxes\.(\d+)\.linears\.(\d+)\.", box + r"shared_fcs.\2."),
        (r"^regions\.boxes\.(\d+)\.scores\.", box + "fc_cls."),
        (r"^regions\.boxes\.(\d+)\.deltas\.", box + "fc_reg."),
        (r"^regions\.masks\.(\d+)\.convs\.(\d+)\.", mask + r"convs.\2.conv."),
        (r"^regions\.masks\.(\d+)\.up\.", mask + "upsample."),
        (r"^regions\.masks\.(\d+)\.masks\.", mask + "conv_logits."),
    )


def _normed(ours: str, theirs: str) -> Rules:
    return ((rf"^{ours}conv\.", f"{theirs}conv."), (rf"^{ours}norm\.", f"{theirs}bn."))


_UPERNET: Rules = (
    *_normed(r"head\.pool\.bins\.(\d+)\.", r"decode_head.psp_modules.\1.1."),
    *_normed(r"head\.pool\.bottleneck\.", "decode_head.bottleneck."),
    *_normed(r"head\.laterals\.(\d+)\.", r"decode_head.lateral_convs.\1."),
    *_normed(r"head\.outputs\.(\d+)\.", r"decode_head.fpn_convs.\1."),
    *_normed(r"head\.join\.", "decode_head.fpn_bottleneck."),
    (r"^head\.classes\.", "decode_head.conv_seg."),
    *_normed(r"auxiliary\.conv\.", "auxiliary_head.convs.0."),
    (r"^auxiliary\.classes\.", "auxiliary_head.conv_seg."),
)
_SEMANTIC: Rules = (
    *_FPN,
    (r"^head\.levels\.(\d+)\.(\d+)\.(conv|norm)\.", _doubled),
    (r"^head\.classes\.", "decode_head.conv_seg."),
)


def head_rules(model: Assembled) -> Rules:
    """The table for what stands on the model's backbone, read from our side.

    Raises: InputError for a model that those toolboxes do not have.
    """
    if isinstance(model, RetinaNet):
        return _RETINANET
    if isinstance(model, RCNN):
        return _rcnn(len(model.regions.stages))
    if isinstance(model, UperNet):
        return _UPERNET
    if isinstance(model, SemanticFPN):
        return _SEMANTIC
    raise InputError(f"{model.name}: no names of mmdetection or mmsegmentation are known for it.")


def head_names(model: Assembled) -> dict[str, str]:
    """Our name -> theirs, for every parameter and every running statistic above the backbone."""
    rules = head_rules(model)
    found = {}
    for ours in model.state_dict():
        if ours.startswith("backbone."):
            continue
        for pattern, replacement in rules:
            assert not isinstance(replacement, tuple)
            name, changed = re.subn(pattern, replacement, ours)
            if changed:
                found[ours] = name
                break
        else:
            raise InputError(f"{model.name}: mmdetection and mmsegmentation have no place for {ours}.")
    return found
