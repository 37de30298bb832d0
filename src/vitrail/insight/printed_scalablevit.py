"""What the tables of ScalableViT (arXiv 2203.10790) print, and the page of its release.

Rows of networks that are neither ScalableViT nor Swin are left out (RegNet, EfficientNet, PVT, Twins, CrossFormer and
others). One network trained for two schedules stands once. The page of the release has a decimal where the paper has
whole millions, and rows of L that the paper has not. Of 5b the check marks are lost in the text; what is on follows
from its prose.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from vitrail.insight.costs import network
from vitrail.insight.printed import Printed, at

_ROW = partial(Printed, "scalablevit")
_S, _SEMANTIC = "scalablevit_small", "semantic_fpn_scalablevit_small"
_PLAIN: dict[str, Any] = {"peg": False, "local": "none"}

CLASSIFICATION = [
    _ROW("2", "Swin-T", at("swin_tiny"), "29", "4.5"),
    _ROW("2", "ScalableViT-S", at(_S), "32", "4.2", differs=True),
    _ROW("2", "Swin-S", at("swin_small"), "50", "8.7"),
    _ROW("2", "ScalableViT-B", at("scalablevit_base"), "81", "8.6"),
    _ROW("2", "Swin-B", at("swin_base"), "88", "15.4"),
    _ROW("2", "ScalableViT-L", at("scalablevit_large"), "104", "14.7", differs=True),
]

DENSE = [
    _ROW("3", "RetinaNet, Swin-T", network("retinanet_swin_tiny"), "39", "245"),
    _ROW("3", "RetinaNet, ScalableViT-S", network("retinanet_scalablevit_small"), "36", "238", differs=True),
    _ROW("3", "RetinaNet, Swin-S", network("retinanet_swin_small"), "60", "335"),
    _ROW("3", "RetinaNet, ScalableViT-B", network("retinanet_scalablevit_base"), "85", "330"),
    _ROW("3", "Mask R-CNN, Swin-T", network("mask_rcnn_swin_tiny"), "48", "264"),
    _ROW("3", "Mask R-CNN, ScalableViT-S", network("mask_rcnn_scalablevit_small"), "46", "256", differs=True),
    _ROW("3", "Mask R-CNN, Swin-S", network("mask_rcnn_swin_small"), "69", "354"),
    _ROW("3", "Mask R-CNN, ScalableViT-B", network("mask_rcnn_scalablevit_base"), "95", "349"),
    _ROW("4", "Semantic FPN, Swin-T", network("semantic_fpn_swin_tiny"), "32", "182"),
    _ROW("4", "Semantic FPN, ScalableViT-S", network(_SEMANTIC), "30", "174", differs=True),
    _ROW("4", "Semantic FPN, Swin-S", network("semantic_fpn_swin_small"), "53", "274"),
    _ROW("4", "Semantic FPN, ScalableViT-B", network("semantic_fpn_scalablevit_base"), "79", "270"),
    _ROW("4", "Semantic FPN, Swin-B", network("semantic_fpn_swin_base"), "91", "422"),
    _ROW("4", "Semantic FPN, ScalableViT-L", network("semantic_fpn_scalablevit_large"), "105", "402"),
    _ROW("4", "UperNet, Swin-T", network("upernet_swin_tiny"), "60", "945"),
    _ROW("4", "UperNet, ScalableViT-S", network("upernet_scalablevit_small"), "57", "931", differs=True),
    _ROW("4", "UperNet, Swin-S", network("upernet_swin_small"), "81", "1038"),
    _ROW("4", "UperNet, ScalableViT-B", network("upernet_scalablevit_base"), "107", "1029"),
    _ROW("4", "UperNet, Swin-B", network("upernet_swin_base"), "121", "1188"),
    _ROW("4", "UperNet, ScalableViT-L", network("upernet_scalablevit_large"), "135", "1162"),
]

ABLATIONS = [
    _ROW("5a", "WSA", at(_S, pattern=("window",), local="none"), "30", "4.3"),
    _ROW("5a", "IWSA", at(_S, pattern=("window",)), "30", "4.3"),
    _ROW("5a", "SSA", at(_S, pattern=("ssa",)), "34", "4.1"),
    _ROW("5a", "SSA, r_c = 1", at(_S, pattern=("ssa",), ratios=(1, 1, 1, 1)), "32", "3.9"),
    _ROW("5a", "SWSA & SSA", at(_S, windows="shifted", local="none"), "32", "4.2"),
    _ROW("5a", "SSA & IWSA", at(_S, pattern=("ssa", "window")), "32", "4.2"),
    _ROW("5a", "IWSA & SSA", at(_S), "32", "4.2"),
    _ROW("5b", "none", at(_S, **_PLAIN), "32", "4.2"),
    _ROW("5b", "PEG", at(_S, local="none"), "32", "4.2"),
    _ROW("5b", "LEM", at(_S, peg=False, local="lem"), "32", "4.2"),
    _ROW("5b", "LIM", at(_S, peg=False), "32", "4.2"),
    _ROW("5b", "PEG, LEM", at(_S, local="lem"), "32", "4.2"),
    _ROW("5b", "PEG, LIM", at(_S), "32", "4.2"),
    _ROW("6", "Swin-T", at("swin_tiny"), "29", "4.5", "975.0"),
    _ROW("6", "Swin-S", at("swin_small"), "50", "8.7", "589.2"),
    _ROW("6", "ScalableViT-S", at(_S), "32", "4.2", "832.9"),
    _ROW("7", "Semantic FPN, LEM", network(_SEMANTIC, local="lem"), "30", "174", differs=True),
    _ROW("7", "Semantic FPN, LIM", network(_SEMANTIC), "30", "174", differs=True),
]

_PAGE = partial(_ROW, "release")
RELEASE = [
    _PAGE("ScalableViT-S", at(_S), "32.4", differs=True),
    _PAGE("ScalableViT-B", at("scalablevit_base"), "81.9"),
    _PAGE("ScalableViT-L", at("scalablevit_large"), "104.9", differs=True),
    _PAGE("RetinaNet, ScalableViT-S", network("retinanet_scalablevit_small"), "36.4", differs=True),
    _PAGE("RetinaNet, ScalableViT-B", network("retinanet_scalablevit_base"), "85.6"),
    _PAGE("RetinaNet, ScalableViT-L", network("retinanet_scalablevit_large"), "112.6", "457"),
    _PAGE("Mask R-CNN, ScalableViT-S", network("mask_rcnn_scalablevit_small"), "46.3", differs=True),
    _PAGE("Mask R-CNN, ScalableViT-B", network("mask_rcnn_scalablevit_base"), "94.9"),
    _PAGE("Mask R-CNN, ScalableViT-L", network("mask_rcnn_scalablevit_large"), "121.4", "477"),
    _PAGE("Semantic FPN, ScalableViT-S", network(_SEMANTIC), "30.4", differs=True),
    _PAGE("Semantic FPN, ScalableViT-B", network("semantic_fpn_scalablevit_base"), "79.0"),
    _PAGE("Semantic FPN, ScalableViT-L", network("semantic_fpn_scalablevit_large"), "105.5"),
    _PAGE("UperNet, ScalableViT-S", network("upernet_scalablevit_small"), "56.5", differs=True),
    _PAGE("UperNet, ScalableViT-B", network("upernet_scalablevit_base"), "107.0"),
    _PAGE("UperNet, ScalableViT-L", network("upernet_scalablevit_large"), "135.5"),
]

ROWS = [*CLASSIFICATION, *DENSE, *ABLATIONS, *RELEASE]
