"""What detectors and segmenters cost, beside what the papers print: two ways of counting, and which one a paper used.

Multiply-adds of a detector are of a picture of 800 x 1280 with 1000 regions and 100 masks, of a segmenter of 512 x 2048
without its auxiliary head. Swin's printed figures hold the products of attention; Iwin's and ScalableViT's, and those
of Swin in ScalableViT's table 3 and in its Semantic FPN column, were counted by modules and leave them out.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import torch
from torch import nn

from vitrail import count
from vitrail.mixers import WindowAttention
from vitrail.models.catalogue import build

DETECTION, SEGMENTATION = (800, 1280), (512, 2048)


class Costs(NamedTuple):
    """Parameters, and multiply-adds of ours, without the products of attention, and what the releases do besides.

    padding: Projections of the zeros that fill up windows: q, k and v where ours come before the padding, and the
        output projection, which ScalableViT's has after the crop too.
    """

    parameters: int
    whole: int
    without: int
    padding: int


class DenseFigure(NamedTuple):
    """One row of a paper's table.

    parameters: Of the released backbone and the standard head, counted layer by layer.
    printed: (10^6 parameters, 10^9 multiply-adds).     products: Whether the printed cost holds those of attention.
    """

    table: str
    name: str
    parameters: int
    printed: tuple[float | None, float | None] = (None, None)
    products: bool = False

    @property
    def size(self) -> tuple[int, int]:
        return SEGMENTATION if self.name.startswith(("upernet", "semantic_fpn")) else DETECTION

    def ours(self) -> Costs:
        """Built and counted on the meta device."""
        with torch.device("meta"):
            model = build(self.name, None, self.size)
        output = "scalablevit" not in self.name
        return Costs(count.parameters(model), *measured(model, (1, 3, *self.size), output))

    def alike(self, ours: Costs) -> float:
        """10^9 multiply-adds, counted as the printed ones were."""
        return (ours.padding + (ours.whole if self.products else ours.without)) / 1e9


def measured(model: nn.Module, shape: tuple[int, ...], output: bool) -> tuple[int, int, int]:
    """Multiply-adds with and without the products of attention, and those that projecting padding would add.

    Args:
        model: On the meta device.     shape: (1, 3, H, W).     output: The output projection too; see `Costs`.
    """
    padding = 0

    def add(mixer: nn.Module, came: tuple[torch.Tensor, ...]) -> None:
        nonlocal padding
        assert isinstance(mixer, WindowAttention)
        axes, channels = mixer.windows.axes(came[0].shape[1:-1]), came[0].shape[-1]
        rows = prod(axis.padded for axis in axes) - prod(axis.length for axis in axes)
        padding += rows * channels**2 * (3 * mixer._before(came[0]) + output)

    hooks = [m.register_forward_pre_hook(add) for m in model.modules() if isinstance(m, WindowAttention)]
    whole, without = count.both(model, shape)
    for hook in hooks:
        hook.remove()
    return whole, without, padding


def _rows(
    table: str, kind: str, family: str, products: bool, rows: dict[str, tuple[int, float | None, float | None]]
) -> list[DenseFigure]:
    return [
        DenseFigure(table, f"{kind}_{family}_{size}", parameters, (millions, giga), products)
        for size, (parameters, millions, giga) in rows.items()
    ]


MASK, CASCADE, RETINA = "mask_rcnn", "cascade_mask_rcnn", "retinanet"
UPER, SEMANTIC = "upernet", "semantic_fpn"

DENSE_FIGURES = [
    *_rows("Swin, Mask R-CNN", MASK, "swin", True, {
        "tiny": (47794602, 48, 267), "small": (69112506, 69, None), "base": (107141800, None, None),
    }),
    *_rows("Swin, Cascade Mask R-CNN", CASCADE, "swin", True, {
        "tiny": (85629804, 86, 745), "small": (106947708, 107, 838), "base": (144977002, 145, 982),
    }),
    *_rows("Swin, UperNet", UPER, "swin", True, {
        "tiny": (59941862, 59.9, 945), "small": (81259766, 81.3, 1038), "base": (121279716, 121, 1188),
    }),
    *_rows("Iwin II, Mask R-CNN", MASK, "iwin", False, {
        "tiny": (49732752, None, 268), "small": (71072400, None, 358), "base": (110615152, None, None),
    }),
    *_rows("Iwin II, Cascade Mask R-CNN", CASCADE, "iwin", False, {
        "tiny": (87567954, None, 747), "small": (108907602, None, 837), "base": (148450354, None, None),
    }),
    *_rows("Iwin IV, UperNet", UPER, "iwin", False, {
        "tiny": (61880012, 61.9, 946), "small": (83219660, 83.2, 1038), "base": (124753068, 124.8, 1189),
    }),
    *_rows("Iwin, RetinaNet (no table)", RETINA, "iwin", False, {
        "tiny": (40396948, None, None), "small": (61736596, None, None), "base": (101860980, None, None),
    }),
    *_rows("Iwin, Semantic FPN (no table)", SEMANTIC, "iwin", False, {
        "tiny": (33831990, None, None), "small": (55171638, None, None), "base": (94714390, None, None),
    }),
    *_rows("ScalableViT 3, RetinaNet", RETINA, "scalablevit", False, {
        "small": (36027620, 36.4, 238), "base": (85564708, 85.6, 330), "large": (112627860, 112.6, 457),
    }),
    *_rows("ScalableViT 3, RetinaNet", RETINA, "swin", False, {
        "tiny": (38458798, 39, 245), "small": (59776702, 60, 335), "base": (98387628, None, None),
    }),
    *_rows("ScalableViT 3, Mask R-CNN", MASK, "scalablevit", False, {
        "small": (45945056, 46.3, 256), "base": (94900512, 94.9, 349), "large": (121382032, 121.4, 477),
    }),
    *_rows("ScalableViT 3, Mask R-CNN", MASK, "swin", False, {
        "tiny": (47794602, 48, 264), "small": (69112506, 69, 354),
    }),
    *_rows("ScalableViT 4, Semantic FPN", SEMANTIC, "scalablevit", False, {
        "small": (30044294, 30.4, 174), "base": (78999750, 79.0, 270), "large": (105481270, 105.5, 402),
    }),
    *_rows("ScalableViT 4, Semantic FPN", SEMANTIC, "swin", False, {
        "tiny": (31893840, 32, 182), "small": (53211744, 53, 274), "base": (91241038, 91, 422),
    }),
    *_rows("ScalableViT 4, UperNet", UPER, "scalablevit", False, {
        "small": (56101660, 56.5, 931), "base": (107047772, 107.0, 1029), "large": (135519948, 135.5, 1162),
    }),
]  # fmt: skip
