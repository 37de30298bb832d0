"""What the tables of Swin (arXiv 2103.14030) print, and the pages of its released classifiers and detectors.

Rows of other networks are left out (EfficientNet, DeiT, ResNet and others), and those of detectors that are not here
(ATSS, RepPoints v2, Sparse R-CNN, HTC++). Table 8 prints accuracies and speeds of other sizes, no parameters.
"""

from __future__ import annotations

from functools import partial

from vitrail.insight.costs import network
from vitrail.insight.printed import Printed, at

_ROW = partial(Printed, "swin")

ROWS = [
    _ROW("1a", "Swin-T 224", at("swin_tiny"), "29", "4.5"),
    _ROW("1a", "Swin-S 224", at("swin_small"), "50", "8.7"),
    _ROW("1a", "Swin-B 224", at("swin_base"), "88", "15.4"),
    _ROW("1a", "Swin-B 384", at("swin_base", 384), "88", "47.0"),
    _ROW("1b", "Swin-L 224", at("swin_large"), "197", "34.5"),
    _ROW("1b", "Swin-L 384", at("swin_large", 384), "197", "103.9"),
    _ROW("2", "Cascade, Swin-T", network("cascade_mask_rcnn_swin_tiny"), "86", "745"),
    _ROW("2", "Cascade, Swin-S", network("cascade_mask_rcnn_swin_small"), "107", "838"),
    _ROW("2", "Cascade, Swin-B", network("cascade_mask_rcnn_swin_base"), "145", "982"),
    _ROW("10", "Swin-T/C24", at("swin_tiny_c24", 256), "28", "5.9"),
    _ROW("10", "Mixer-T/C24", at("swin_mlp_tiny_c24", 256), "20", "4.0"),
    _ROW("10", "Mixer-T/C12", at("swin_mlp_tiny_c12", 256), "21", "4.0"),
    _ROW("10", "Mixer-T/C6", at("swin_mlp_tiny_c6", 256), "23", "4.0"),
    _ROW("10", "Mixer-B", at("swin_mlp_base"), "61", "10.4"),
    _ROW("release", "Mask R-CNN, Swin-T", network("mask_rcnn_swin_tiny"), "48", "267"),
    _ROW("release", "Mask R-CNN, Swin-S", network("mask_rcnn_swin_small"), "69"),
    _ROW("release", "UperNet, Swin-T", network("upernet_swin_tiny"), "60", "945"),
    _ROW("release", "UperNet, Swin-S", network("upernet_swin_small"), "81", "1038"),
    _ROW("release", "UperNet, Swin-B", network("upernet_swin_base"), "121", "1188"),
]
