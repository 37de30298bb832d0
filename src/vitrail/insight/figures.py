"""The parameter counts and costs that the papers' models should have, each with the model of ours that has it.

`parameters` and `giga` are measured on the released code where it exists, else worked out for the structure that the
paper describes (Iwin's ablations but "abs. pos.", ScalableViT's without PEG or LIM). All parameters, and 10^9
multiply-adds of one picture, one clip of 32 frames or one latent of 16 x 16, with the products of attention. What the
papers print stands in `printed_iwin` and its neighbours.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from vitrail.insight.costs import Network, network


class Figure(NamedTuple):
    """What one network should cost."""

    table: str
    row: str
    name: str
    given: dict[str, Any]
    parameters: int
    giga: float | None = None

    @property
    def network(self) -> Network:
        return network(self.name, **self.given)


def _at(side: int, **more: Any) -> dict[str, Any]:
    return {"size": (side, side), **more}


_22K = {"num_classes": 21841}

IWIN = [
    Figure("Iwin I", "T 224", "iwin_tiny", {}, 30226504, 4.720),
    Figure("Iwin I", "S 224", "iwin_small", {}, 51566152, 8.978),
    Figure("Iwin I", "B 224", "iwin_base", {}, 91241576, 15.843),
    Figure("Iwin I", "L 224", "iwin_large", {}, 204322984, 35.383),
    Figure("Iwin I", "S 384", "iwin_small", _at(384), 51566152, 27.685),
    Figure("Iwin I", "B 384", "iwin_base", _at(384), 91241576, 48.295),
    Figure("Iwin I", "L 384", "iwin_large", _at(384), 204322984, 106.587),
    Figure("Iwin I", "S 512", "iwin_small", _at(512), 51566152, 51.949),
    Figure("Iwin I", "B 512", "iwin_base", _at(512), 91241576, 89.498),
    Figure("Iwin I", "S 1024", "iwin_small", _at(1024), 51581512, 207.806),
    Figure("Iwin I", "B 1024", "iwin_base", _at(1024), 91262056, 358.008),
    Figure("Iwin, 22k head", "S", "iwin_small", _22K, 67592881),
    Figure("Iwin, 22k head", "B", "iwin_base", _22K, 112603601),
    Figure("Iwin, 22k head", "L", "iwin_large", _22K, 236355601),
]

IWIN_ABLATIONS = [
    Figure("Iwin VII", "DwConv", "iwin_tiny", {"attention": "none"}, 21598024),
    Figure("Iwin VII", "W-MSA", "iwin_tiny", {"attention": "block", "conv_stages": ()}, 30197704),
    Figure("Iwin VII", "IW-MSA", "iwin_tiny", {"conv_stages": ()}, 30197704),
    Figure("Iwin VII", "DwConv + W-MSA", "iwin_tiny", {"attention": "block"}, 30226504),
    Figure("Iwin VII", "DwConv + IW-MSA", "iwin_tiny", {}, 30226504, 4.720),
    Figure("Iwin VII", "down: DWConv", "iwin_tiny", {"down": "depthwise"}, 27136648),
    Figure("Iwin VII", "down: average pool", "iwin_tiny", {"down": "average"}, 27129928),
    Figure("Iwin VII", "down: patch merging", "iwin_tiny", {"down": "merge"}, 28293832),
    Figure("Iwin VII", "kernels 7,5,3,-", "iwin_tiny", {"kernels": (7, 5, 3, 3)}, 30240328),
    Figure("Iwin VII", "kernels 7,7,7,-", "iwin_tiny", {"kernels": (7, 7, 7, 3)}, 30341704),
    Figure("Iwin VII", "kernels 5,5,5,-", "iwin_tiny", {"kernels": (5, 5, 5, 3)}, 30272584),
    Figure("Iwin VII", "depths 4,3,2,2", "iwin_tiny", {"depths": (4, 3, 2, 2)}, 23785672),
    Figure(
        "Iwin VII", "depths 3,3,3,3 (run with kernels 7,5,3,-)", "iwin_tiny",
        {"depths": (3, 3, 3, 3), "kernels": (7, 5, 3, 3)}, 32559784, 4.795,
    ),
    Figure("Iwin VII", "depths 3,3,3,3, kernels 3,3,3,-", "iwin_tiny", {"depths": (3, 3, 3, 3)}, 32539048, 4.75),
    Figure(
        "Iwin VII", "depths 3,3,3,3, a convolution in stage 4", "iwin_tiny",
        {"depths": (3, 3, 3, 3), "conv_stages": (0, 1, 2, 3)}, 32562088, 4.75,
    ),
    Figure("Iwin VII", "abs. pos.", "iwin_tiny", {"position": "absolute"}, 30527560),
    Figure("Iwin VII", "rel. pos.", "iwin_tiny", {"position": "relative"}, 30249826),
]  # fmt: skip

SWIN = [
    Figure("Swin 1a", "T 224", "swin_tiny", {}, 28288354, 4.491),
    Figure("Swin 1a", "S 224", "swin_small", {}, 49606258, 8.741),
    Figure("Swin 1a", "B 224", "swin_base", {}, 87768224, 15.431),
    Figure("Swin 1b", "L 224", "swin_large", {}, 196532476, 34.476),
    Figure("Swin 1a", "B 384", "swin_base", _at(384), 87903584, 47.083),
    Figure("Swin 1b", "L 384", "swin_large", _at(384), 196735516, 103.919),
    Figure("Swin 8", "T 256", "swin_tiny", _at(256), 28296082, 5.926),
    Figure("Swin 8", "T 320", "swin_tiny", _at(320), 28314850, 9.469),
    Figure("Swin 8", "T 384", "swin_tiny", _at(384), 28338034, 14.005),
    Figure("Swin 8", "S 256", "swin_small", _at(256), 49622050, 11.515),
    Figure("Swin 8", "S 320", "swin_small", _at(320), 49660402, 18.335),
    Figure("Swin 8", "S 384", "swin_small", _at(384), 49707778, 27.005),
    Figure("Swin 8", "B 256", "swin_base", _at(256), 87789280, 20.286),
    Figure("Swin 8", "B 320", "swin_base", _at(320), 87840416, 32.154),
    Figure("Swin, 22k head", "T", "swin_tiny", _22K, 44315083, 4.510),
    Figure("Swin, 22k head", "S", "swin_small", _22K, 65632987, 8.763),
    Figure("Swin, 22k head", "B", "swin_base", _22K, 109130249, 15.460),
    Figure("Swin, 22k head", "L", "swin_large", _22K, 228565093, 34.519),
    Figure("Swin 10", "Swin-T/C24", "swin_tiny_c24", _at(256), 28306432, 5.926),
    Figure("Swin 10", "Mixer-T/C24", "swin_mlp_tiny_c24", _at(256), 20386632, 4.027),
    Figure("Swin 10", "Mixer-T/C12", "swin_mlp_tiny_c12", _at(256), 21152072, 4.027),
    Figure("Swin 10", "Mixer-T/C6", "swin_mlp_tiny_c6", _at(256), 22682952, 4.027),
    Figure("Swin 10", "Mixer-B", "swin_mlp_base", {}, 60659416, 10.412),
]

_S = "scalablevit_small"
SCALABLEVIT = [
    Figure("ScalableViT 2", "S", _S, {}, 32000472, 4.265),
    Figure("ScalableViT 2", "B", "scalablevit_base", {}, 81881624, 8.801),
    Figure("ScalableViT 2", "L", "scalablevit_large", {}, 109288840, 14.988),
    Figure("ScalableViT, plain head", "S", "scalablevit_small_plain", {}, 26307032, 4.260),
    Figure("ScalableViT, plain head", "B", "scalablevit_base_plain", {}, 75395608, 8.795),
    Figure("ScalableViT, plain head", "L", "scalablevit_large_plain", {}, 102010248, 14.980),
    Figure("ScalableViT 5a", "WSA", _S, {"pattern": ("window",), "local": "none"}, 30374120, 4.382),
    Figure("ScalableViT 5a", "IWSA", _S, {"pattern": ("window",)}, 30439400, 4.397),
    Figure("ScalableViT 5a", "SSA", _S, {"pattern": ("ssa",)}, 33561544, 4.133),
    Figure("ScalableViT 5a", "SSA, r_c = 1", _S, {"pattern": ("ssa",), "ratios": (1, 1, 1, 1)}, 31780584, 3.966),
    Figure("ScalableViT 5b", "no PEG", _S, {"peg": False}, 32000472 - 9600),
    Figure("ScalableViT 5b", "no LIM", _S, {"local": "none"}, 32000472 - 32640),
    Figure("ScalableViT 5b", "LEM in place of LIM", _S, {"local": "lem"}, 32000472),
]

_CLIP = {"num_classes": 400}
VIDEO = [
    Figure("Iwin V", "Iwin-T", "video_iwin_tiny", _CLIP, 29771248, 109.37),
    Figure("Iwin V", "Iwin-S", "video_iwin_small", _CLIP, 51110896, 198.74),
    Figure("Iwin V", "Swin-T", "video_swin_tiny", _CLIP, 28158070, 87.76),
    Figure("Iwin V", "Swin-S", "video_swin_small", _CLIP, 49816678, 165.68),
    Figure("Video, no head", "Iwin-T", "video_iwin_tiny", {"num_classes": 0}, 29463648, 109.37),
    Figure("Video, no head", "Iwin-S", "video_iwin_small", {"num_classes": 0}, 50803296, 198.74),
    Figure("Video, no head", "Iwin-B", "video_iwin_base", {"num_classes": 0}, 90224768, 326.95),
    Figure("Video, no head", "Iwin-L", "video_iwin_large", {"num_classes": 0}, 202798272),
    Figure("Video, no head", "Swin-T", "video_swin_tiny", {"num_classes": 0}, 27850470, 87.76),
    Figure("Video, no head", "Swin-S", "video_swin_small", {"num_classes": 0}, 49509078, 165.68),
    Figure("Video, no head", "Swin-B", "video_swin_base", {"num_classes": 0}, 87638984, 281.33),
    Figure("Video, no head", "Swin-L", "video_swin_large", {"num_classes": 0}, 196339116),
    Figure(
        "Video, no head", "Swin-B, 16 x 7 x 7", "video_swin_base", {"num_classes": 0, "window": (16, 7, 7)}, 88655688
    ),
]

# what would make Iwin-T cheaper than Swin-T, whose multiply-adds are 87.76 G: ours, no paper has run them.
# Without the embedding 16 * 96 parameters go; convolutions along time bring dim * (kernel + 1) a block, one of three
# moments in place of a frame's 18 * dim a block (in the first three stages)
_T, _LOCAL = 29771248 - 16 * 96, 2 * 96 + 2 * 192 + 6 * 384
_ALL = _LOCAL + 2 * 768
_OPTIONS = "Video, options of Iwin-T"
VIDEO_OPTIONS = [
    Figure(_OPTIONS, "as released", "video_iwin_tiny", _CLIP, 29771248, 109.37),
    *(
        Figure(
            _OPTIONS, f"windows of {moments} of 16 moments, interleaved along time, kernel {kernel}", "video_iwin_tiny",
            {**_CLIP, "time": "interleave", "time_window": moments, "time_kernel": kernel}, _T + (kernel + 1) * _ALL,
        )
        for moments, kernel in ((8, 3), (4, 3), (4, 7), (2, 3))
    ),
    Figure(_OPTIONS, "convolutions over 3 moments", "video_iwin_tiny", {**_CLIP, "time": "kernel"}, _T + 18 * _LOCAL),
    Figure(_OPTIONS, "windows of 6 x 6", "video_iwin_tiny", {**_CLIP, "window": 6}, 29771248),
    Figure(_OPTIONS, "windows of 5 x 5", "video_iwin_tiny", {**_CLIP, "window": 5}, 29771248),
    Figure(_OPTIONS, "windows of 4 x 4", "video_iwin_tiny", {**_CLIP, "window": 4}, 29771248),
]  # fmt: skip

DENSE = [
    Figure(f"{family}, dense", letter, f"dense_{family.lower()}_{size}", {}, count)
    for family, counts in (
        ("Swin", (27520698, 48838602, 86745016, 194998164)),
        ("Iwin", (29458848, 50798496, 90218368, 202788672)),
        ("ScalableViT", (25794032, 74626608, 100985248)),
    )
    for (letter, size), count in zip(
        [("S", "small"), ("B", "base"), ("L", "large")]
        if family == "ScalableViT"
        else [("T", "tiny"), ("S", "small"), ("B", "base"), ("L", "large")],
        counts,
        strict=True,
    )
]

_DIT = "Latents of 16 x 16"
GENERATION = [
    Figure(_DIT, "FlashDiT-XL/1, windows of 4 x 4", "flashdit_xl_1", {}, 712475552, 114.77),
    Figure(_DIT, "FlashDiT-XL/1, as released", "flashdit_xl_1_released", {}, 712475552, 115.57),
    Figure(_DIT, "FlashDiT-XL/2", "flashdit_xl_2", {}, 712696832, 28.91),
    Figure(_DIT, "FlashDiT-L/2", "flashdit_l_2", {}, 483523680, 19.59),
    Figure(_DIT, "FlashDiT-B/1", "flashdit_b_1", {}, 137538848, 21.90),
    Figure(_DIT, "FlashDiT-B/2", "flashdit_b_2", {}, 137686400, 5.52),
    Figure(_DIT, "FlashDiT-1p0B/1", "flashdit_1p0b_1", {}, 1086036512, 174.76),
    Figure(_DIT, "FlashDiT-1p0B/2", "flashdit_1p0b_2", {}, 1086331520),
    Figure(_DIT, "FlashDiT-1p6B/1", "flashdit_1p6b_1", {}, 1721775696, 277.39),
    Figure(_DIT, "FlashDiT-1p6B/2", "flashdit_1p6b_2", {}, 1722119856),
    Figure(_DIT, "LightningDiT-XL/1, its fixed sines apart", "lightningdit_xl_1", {}, 674961824),
]

FIGURES = [*IWIN, *IWIN_ABLATIONS, *SWIN, *SCALABLEVIT, *DENSE, *VIDEO, *VIDEO_OPTIONS, *GENERATION]
