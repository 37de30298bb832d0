"""Detectors and segmenters as mmdetection 2 and mmsegmentation 0 hold them: small random tensors under their names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

import originals
import vitrail
from vitrail.weights.formats import LAYOUTS

DIM, WIDTH = 8, 16  # of pyramids and heads, and of linear layers
State = dict[str, Tensor]
SMALL = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 2, 2, 4)}
CHANNELS = (8, 16, 32, 64)
# of each kind the backbone's names in its file; "mm" is OpenMMLab's own Swin
CASES = {
    "retinanet": "scalablevit",
    "faster_rcnn": "swin",
    "mask_rcnn": "iwin",
    "cascade_rcnn": "mm",
    "cascade_mask_rcnn": "iwin",
    "upernet": "swin",
    "semantic_fpn": "scalablevit",
}
HIDDEN = {"iwin": ("heads",), "scalablevit": ("heads", "ratios"), "swin": (), "mm": ()}  # what no shape shows


class Writer:
    """Random tensors under names."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.state: State = {}

    def layer(self, name: str, *shape: int, bias: bool = True) -> None:
        self.state[f"{name}.weight"] = 0.15 * torch.randn(shape, generator=self.generator)
        if bias:
            self.state[f"{name}.bias"] = 0.15 * torch.randn(shape[0], generator=self.generator)

    def normed(self, name: str, out: int, into: int, kernel: int = 3) -> None:
        """A convolution without bias, and batch norm."""
        self.layer(f"{name}.conv", out, into, kernel, kernel, bias=False)
        self.layer(f"{name}.bn", out)
        self.state[f"{name}.bn.weight"] += 1
        self.state[f"{name}.bn.running_mean"] = 0.15 * torch.randn(out, generator=self.generator)
        self.state[f"{name}.bn.running_var"] = 0.5 + torch.rand(out, generator=self.generator)
        self.state[f"{name}.bn.num_batches_tracked"] = torch.tensor(7)

    def neck(self, channels: Sequence[int], start: int = 0) -> None:
        for n, width in enumerate(channels[start:]):
            self.layer(f"neck.lateral_convs.{n}.conv", DIM, width, 1, 1)
            self.layer(f"neck.fpn_convs.{n}.conv", DIM, DIM, 3, 3)


def heads(kind: str, channels: Sequence[int], classes: int, seed: int = 0) -> State:
    """Everything but the backbone of a detector or a segmenter on maps of `channels`."""
    w = Writer(seed)
    if kind == "retinanet":
        w.neck(channels, 1)
        w.layer("neck.fpn_convs.3.conv", DIM, channels[-1], 3, 3)
        w.layer("neck.fpn_convs.4.conv", DIM, DIM, 3, 3)
        for n in range(4):
            w.layer(f"bbox_head.cls_convs.{n}.conv", DIM, DIM, 3, 3)
            w.layer(f"bbox_head.reg_convs.{n}.conv", DIM, DIM, 3, 3)
        w.layer("bbox_head.retina_cls", 9 * classes, DIM, 3, 3)
        w.layer("bbox_head.retina_reg", 9 * 4, DIM, 3, 3)
    elif kind == "upernet":
        for n in range(4):
            w.normed(f"decode_head.psp_modules.{n}.1", DIM, channels[-1], 1)
        w.normed("decode_head.bottleneck", DIM, channels[-1] + 4 * DIM)
        for n, width in enumerate(channels[:-1]):
            w.normed(f"decode_head.lateral_convs.{n}", DIM, width, 1)
            w.normed(f"decode_head.fpn_convs.{n}", DIM, DIM)
        w.normed("decode_head.fpn_bottleneck", DIM, 4 * DIM)
        w.normed("auxiliary_head.convs.0", WIDTH, channels[-2])
        w.layer("decode_head.conv_seg", classes, DIM, 1, 1)
        w.layer("auxiliary_head.conv_seg", classes, WIDTH, 1, 1)
    elif kind == "semantic_fpn":
        w.neck(channels)
        for level in range(4):
            for n in range(max(level, 1)):
                w.normed(f"decode_head.scale_heads.{level}.{2 * n}", WIDTH, WIDTH if n else DIM)
        w.layer("decode_head.conv_seg", classes, WIDTH, 1, 1)
    else:
        w.neck(channels)
        w.layer("rpn_head.rpn_conv", DIM, DIM, 3, 3)
        w.layer("rpn_head.rpn_cls", 3, DIM, 1, 1)
        w.layer("rpn_head.rpn_reg", 12, DIM, 1, 1)
        for box, mask in stages(kind):
            if "cascade" in kind:
                for n in range(4):
                    w.normed(f"{box}.shared_convs.{n}", DIM, DIM)
                w.layer(f"{box}.shared_fcs.0", WIDTH, DIM * 49)
            else:
                w.layer(f"{box}.shared_fcs.0", WIDTH, DIM * 49)
                w.layer(f"{box}.shared_fcs.1", WIDTH, WIDTH)
            w.layer(f"{box}.fc_cls", classes + 1, WIDTH)
            w.layer(f"{box}.fc_reg", 4 * classes, WIDTH)
            if "mask" in kind:
                for n in range(4):
                    w.layer(f"{mask}.convs.{n}.conv", DIM, DIM, 3, 3)
                w.layer(f"{mask}.upsample", DIM, DIM, 2, 2)
                w.layer(f"{mask}.conv_logits", classes, DIM, 1, 1)
    return w.state


def stages(kind: str) -> list[tuple[str, str]]:
    """The names of box and mask heads; one alone has no number."""
    numbers = [f".{n}" for n in range(3)] if "cascade" in kind else [""]
    return [(f"roi_head.bbox_head{number}", f"roi_head.mask_head{number}") for number in numbers]


def classes_of(kind: str) -> int:
    return 2 + sorted(CASES).index(kind)


def backbone(family: str) -> dict[str, Tensor]:
    if family == "mm":
        return {key: value for key, value in originals.mm_swin().items() if key.startswith("backbone.")}
    model = originals.fill(vitrail.create_model(f"dense_{family}_nano", size=(64, 64), **SMALL))
    return LAYOUTS["release"].write(model, "backbone.")


def original(kind: str, family: str | None = None) -> dict[str, Tensor]:
    """A whole file's tensors."""
    return backbone(family or CASES[kind]) | heads(kind, CHANNELS, classes_of(kind))


def told(family: str) -> dict[str, object]:
    spec = vitrail.create_model(f"dense_{family}_nano", **SMALL).spec if HIDDEN[family] else None
    return {field: getattr(spec, field) for field in HIDDEN[family]}
