"""What the tables of Iwin (arXiv 2507.18405) print, and the page of its released detectors.

Rows of networks that are neither Iwin nor Swin (DeiT, PVT, ConvNeXt, ResNet and others) are left out. Table II has one
row for each schedule; the network is the same, so here it stands once. Table III lists widths, table VIII accuracies.
"""

from __future__ import annotations

from functools import partial

from vitrail.insight.costs import network
from vitrail.insight.printed import Printed, at

_I = partial(Printed, "iwin", "I")
_II = partial(Printed, "iwin", "II")
_IV = partial(Printed, "iwin", "IV")
_V = partial(Printed, "iwin", "V")
_VI = partial(Printed, "iwin", "VI")
_VII = partial(Printed, "iwin", "VII")
_RELEASE = partial(Printed, "iwin", "release")

CLASSIFICATION = [
    _I("a: Swin-T 224", at("swin_tiny"), "29.0", "4.5", "758"),
    _I("a: Iwin-T 224", at("iwin_tiny"), "30.2", "4.7", "729"),
    _I("a: Swin-S 224", at("swin_small"), "50.0", "8.7", "437"),
    _I("a: Iwin-S 224", at("iwin_small"), "51.6", "9.0", "410"),
    _I("a: Iwin-S 384", at("iwin_small", 384), "51.6", "27.7", "142"),
    _I("a: Iwin-S 512", at("iwin_small", 512), "51.6", "52.0", "79"),
    _I("a: Iwin-S 1024", at("iwin_small", 1024), "51.6", "207.9", "20"),
    _I("a: Swin-B 224", at("swin_base"), "88.0", "15.4", "287"),
    _I("a: Swin-B 384", at("swin_base", 384), "88.0", "47.0", "85"),
    _I("a: Iwin-B 224", at("iwin_base"), "91.2", "15.9", "271"),
    _I("a: Iwin-B 384", at("iwin_base", 384), "91.2", "48.3", "78"),
    _I("a: Iwin-B 512", at("iwin_base", 512), "91.3", "89.5", "51"),
    _I("a: Iwin-B 1024", at("iwin_base", 1024), "91.3", "358.2", "12"),
    _I("b: Swin-B 224", at("swin_base"), "88", "15.4", "278"),
    _I("b: Swin-B 384", at("swin_base", 384), "88", "47.0", "85"),
    _I("b: Iwin-B 224", at("iwin_base"), "91.2", "15.9", "271"),
    _I("b: Iwin-B 384", at("iwin_base", 384), "91.2", "48.3", "79"),
    _I("b: Iwin-B 512", at("iwin_base", 512), "91.2", "89.5", "51"),
    _I("b: Iwin-B 1024", at("iwin_base", 1024), "91.2", "358.2", "12"),
    _I("b: Swin-L 224", at("swin_large"), "197", "34.5", "145"),
    _I("b: Swin-L 384", at("swin_large", 384), "197", "103.9", "46"),
    _I("b: Iwin-L 224", at("iwin_large"), "204.3", "35.4", "138"),
    _I("b: Iwin-L 384", at("iwin_large", 384), "204.3", "106.6", "40"),
]

DENSE = [
    _II("Mask R-CNN, Swin-T", network("mask_rcnn_swin_tiny"), None, "267"),
    _II("Mask R-CNN, Iwin-T", network("mask_rcnn_iwin_tiny"), None, "268"),
    _II("Mask R-CNN, Iwin-S", network("mask_rcnn_iwin_small"), None, "358"),
    _II("Cascade, Swin-T", network("cascade_mask_rcnn_swin_tiny"), None, "745"),
    _II("Cascade, Iwin-T", network("cascade_mask_rcnn_iwin_tiny"), None, "747"),
    _II("Cascade, Swin-S", network("cascade_mask_rcnn_swin_small"), None, "838"),
    _II("Cascade, Iwin-S", network("cascade_mask_rcnn_iwin_small"), None, "837"),
    _IV("UperNet, Swin-T", network("upernet_swin_tiny"), "59.9", "945"),
    _IV("UperNet, Iwin-T", network("upernet_iwin_tiny"), "61.9", "946"),
    _IV("UperNet, Swin-S", network("upernet_swin_small"), "81.3", "1038"),
    _IV("UperNet, Iwin-S", network("upernet_iwin_small"), "83.2", "1038"),
    _IV("UperNet, Swin-B", network("upernet_swin_base"), "121.0", "1188"),
    _IV("UperNet, Iwin-B", network("upernet_iwin_base"), "124.8", "1189"),
]

VIDEO = [
    _V("Swin-T", network("video_swin_tiny", num_classes=400), "28.2", "88"),
    _V("Swin-S", network("video_swin_small", num_classes=400), "49.8", "166"),
    _V("Iwin-T", network("video_iwin_tiny", num_classes=400), "29.8", "74"),
    _V("Iwin-S", network("video_iwin_small", num_classes=400), "51.1", "140"),
]

GENERATION = [
    _VI("LightningDiT-XL/1", network("lightningdit_xl_1"), "675"),
    _VI("FlashDiT-XL/1", network("flashdit_xl_1"), "675", copied=("iwin", "VI", "LightningDiT-XL/1")),
]

_T = "iwin_tiny"
ABLATIONS = [
    _VII("DwConv", at(_T, attention="none"), "21.60", "3.20", "861"),
    _VII("W-MSA", at(_T, attention="block", conv_stages=()), "30.20", "4.71", "758"),
    _VII("IW-MSA", at(_T, conv_stages=()), "30.20", "4.71", "756"),
    _VII("DwConv + W-MSA", at(_T, attention="block"), "30.23", "4.72", "737"),
    _VII("DwConv + IW-MSA", at(_T), "30.23", "4.72", "736"),
    _VII("down: DWConv", at(_T, down="depthwise"), "27.14", "4.57", "746"),
    _VII("down: Avg Pooling", at(_T, down="average"), "27.13", "4.51", "762"),
    _VII("down: Patch Merging", at(_T, down="merge"), "28.29", "4.51", "741"),
    _VII("down: Std Conv", at(_T), "30.23", "4.72", "736"),
    _VII("kernels 7, 5, 3, none", at(_T, kernels=(7, 5, 3, 3)), "30.24", "4.75", "714"),
    _VII("kernels 7, 7, 7, none", at(_T, kernels=(7, 7, 7, 3)), "30.34", "4.78", "729"),
    _VII("kernels 5, 5, 5, none", at(_T, kernels=(5, 5, 5, 3)), "30.27", "4.75", "731"),
    _VII("kernels 3, 3, 3, none", at(_T), "30.23", "4.72", "736"),
    _VII("depths 4, 3, 2, 2", at(_T, depths=(4, 3, 2, 2)), "23.79", "4.43", "473"),
    # run with the kernels of another row; see docs/quirks.md
    _VII("depths 3, 3, 3, 3", at(_T, depths=(3, 3, 3, 3), kernels=(7, 5, 3, 3)), "32.56", "4.80", "588"),
    _VII("depths 2, 2, 6, 2", at(_T), "30.23", "4.72", "736"),
    _VII("abs. pos.", at(_T, position="absolute"), "30.53", "4.72", "735"),
    _VII("rel. pos.", at(_T, position="relative"), "30.25", "4.72", "724"),
    _VII("no pos.", at(_T), "30.23", "4.72", "736"),
    _VII("rel. pos. (Iwin-S)", at("iwin_small", position="relative"), "51.60", "8.98", "403"),
    _VII("no pos. (Iwin-S)", at("iwin_small"), "51.60", "8.98", "410"),
]


def _page(kind: str, title: str, rows: dict[str, str]) -> list[Printed]:
    """Parameters on the page of the released detectors, all of them Swin's."""
    return [
        _RELEASE(
            f"{title}, Iwin-{size[0].upper()}", network(f"{kind}_iwin_{size}"), text,
            copied=("swin", "release" if kind == "mask_rcnn" else "2", f"{title}, Swin-{size[0].upper()}"),
        )
        for size, text in rows.items()
    ]  # fmt: skip


ROWS = [
    *CLASSIFICATION,
    *DENSE,
    *VIDEO,
    *GENERATION,
    *ABLATIONS,
    *_page("mask_rcnn", "Mask R-CNN", {"tiny": "48", "small": "69"}),
    *_page("cascade_mask_rcnn", "Cascade", {"tiny": "86", "small": "107"}),
]
