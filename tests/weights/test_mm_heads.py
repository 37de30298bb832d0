"""Names and shapes of mmdetection's and mmsegmentation's necks and heads, written down here from their files."""

from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.weights.formats.mm_heads import head_names

FPN = {f"neck.{kind}_convs.{n}.conv" for kind in ("lateral", "fpn") for n in range(4)}
RPN = {f"rpn_head.rpn_{part}" for part in ("conv", "cls", "reg")}
MASK = {*(f"convs.{n}.conv" for n in range(4)), "upsample", "conv_logits"}


def normed(*names: str) -> set[str]:
    return {f"{name}.{part}" for name in names for part in ("conv", "bn")}


MODULES = {
    "retinanet_scalablevit_nano": {
        *(f"neck.lateral_convs.{n}.conv" for n in range(3)),
        *(f"neck.fpn_convs.{n}.conv" for n in range(5)),
        *(f"bbox_head.{tower}_convs.{n}.conv" for tower in ("cls", "reg") for n in range(4)),
        "bbox_head.retina_cls",
        "bbox_head.retina_reg",
    },
    "mask_rcnn_iwin_nano": {
        *FPN,
        *RPN,
        *(f"roi_head.bbox_head.{name}" for name in ("shared_fcs.0", "shared_fcs.1", "fc_cls", "fc_reg")),
        *(f"roi_head.mask_head.{name}" for name in MASK),
    },
    "cascade_mask_rcnn_swin_nano": {
        *FPN,
        *RPN,
        *(f"roi_head.bbox_head.{s}.{name}" for s in range(3) for name in ("shared_fcs.0", "fc_cls", "fc_reg")),
        *normed(*(f"roi_head.bbox_head.{s}.shared_convs.{n}" for s in range(3) for n in range(4))),
        *(f"roi_head.mask_head.{s}.{name}" for s in range(3) for name in MASK),
    },
    "upernet_iwin_nano": {
        *normed(*(f"decode_head.psp_modules.{n}.1" for n in range(4))),
        *normed(*(f"decode_head.{kind}_convs.{n}" for kind in ("lateral", "fpn") for n in range(3))),
        *normed("decode_head.bottleneck", "decode_head.fpn_bottleneck", "auxiliary_head.convs.0"),
        "decode_head.conv_seg",
        "auxiliary_head.conv_seg",
    },
    "semantic_fpn_scalablevit_nano": {
        *FPN,
        *normed("decode_head.scale_heads.0.0", "decode_head.scale_heads.1.0"),
        *normed(*(f"decode_head.scale_heads.2.{n}" for n in (0, 2))),
        *normed(*(f"decode_head.scale_heads.3.{n}" for n in (0, 2, 4))),
        "decode_head.conv_seg",
    },
}
SHAPES = {
    "mask_rcnn_iwin_nano": {
        "roi_head.bbox_head.shared_fcs.0.weight": (1024, 256 * 49),
        "roi_head.bbox_head.fc_cls.weight": (81, 1024),
        "roi_head.bbox_head.fc_reg.weight": (320, 1024),
        "roi_head.mask_head.upsample.weight": (256, 256, 2, 2),
        "roi_head.mask_head.conv_logits.weight": (80, 256, 1, 1),
        "rpn_head.rpn_reg.weight": (12, 256, 1, 1),
    },
    "retinanet_scalablevit_nano": {
        "bbox_head.retina_cls.weight": (720, 256, 3, 3),
        "bbox_head.retina_reg.weight": (36, 256, 3, 3),
        "neck.fpn_convs.3.conv.weight": (256, 128, 3, 3),
    },
    "upernet_iwin_nano": {"decode_head.bottleneck.conv.weight": (512, 128 + 4 * 512, 3, 3)},
    "semantic_fpn_scalablevit_nano": {"decode_head.scale_heads.3.4.conv.weight": (128, 128, 3, 3)},
}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_names_and_shapes(name):
    with torch.device("meta"):
        model = vitrail.create_model(name)
    state = model.state_dict()
    written = {theirs: state[ours] for ours, theirs in head_names(model).items()}
    assert len(written) == sum(not ours.startswith("backbone.") for ours in state)
    assert {key.rpartition(".")[0] for key in written} == MODULES[name]
    statistics = {key for key in written if key.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert len(statistics) == 3 * sum(module.endswith(".bn") for module in MODULES[name])
    for key, shape in SHAPES.get(name, {}).items():
        assert tuple(written[key].shape) == shape
