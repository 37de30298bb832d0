"""Where the named weights come from: one row each with its address, licence, preprocessing and printed accuracy.

Facts of the papers' pages, as data; nothing here is fetched. A row without an address says where one would look.
Top-1 is of ImageNet-1k's validation pictures, in per cent, as the release's page prints it: not always what the paper
does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vitrail.data.settings import Preprocessing
from vitrail.errors import InputError
from vitrail.models.catalogue import WEIGHTS
from vitrail.models.spec import to_dict

SWIN = "https://github.com/SwinTransformer/storage/releases/download"
IWIN = "https://github.com/Cominder/Iwin-Transformer/releases/download/v1.0"


@dataclass(frozen=True)
class Origin:
    """One row.

    url: Of the file, None where no direct address is known.     page: Where its authors speak of it.
    """

    page: str
    licence: str | None
    url: str | None = None
    top1: float | None = None

    @property
    def file(self) -> str:
        """What its file is called, as a line names it."""
        return self.url.rpartition("/")[2] if self.url else "FILE"


def _swin(path: str, top1: float | None = None) -> Origin:
    return Origin("https://github.com/microsoft/Swin-Transformer", "MIT", f"{SWIN}/{path}.pth", top1)


def _iwin(name: str, top1: float | None = None) -> Origin:
    return Origin("https://github.com/Cominder/Iwin-Transformer", "MIT", f"{IWIN}/iwin_{name}.pth", top1)


def _scalablevit(top1: float) -> Origin:
    return Origin("https://github.com/Yangr116/ScalableViT", None, None, top1)


ORIGINS: dict[str, Origin] = {
    "swin_tiny.in1k_224": _swin("v1.0.0/swin_tiny_patch4_window7_224", 81.2),
    "swin_small.in1k_224": _swin("v1.0.0/swin_small_patch4_window7_224", 83.2),
    "swin_base.in1k_224": _swin("v1.0.0/swin_base_patch4_window7_224", 83.5),
    "swin_base.in1k_384": _swin("v1.0.0/swin_base_patch4_window12_384", 84.5),
    "swin_tiny.in22k_224": _swin("v1.0.8/swin_tiny_patch4_window7_224_22k"),
    "swin_small.in22k_224": _swin("v1.0.8/swin_small_patch4_window7_224_22k"),
    "swin_base.in22k_224": _swin("v1.0.0/swin_base_patch4_window7_224_22k"),
    "swin_base.in22k_384": _swin("v1.0.0/swin_base_patch4_window12_384_22k"),
    "swin_large.in22k_224": _swin("v1.0.0/swin_large_patch4_window7_224_22k"),
    "swin_large.in22k_384": _swin("v1.0.0/swin_large_patch4_window12_384_22k"),
    "swin_tiny.in22k_in1k_224": _swin("v1.0.8/swin_tiny_patch4_window7_224_22kto1k_finetune", 80.9),
    "swin_small.in22k_in1k_224": _swin("v1.0.8/swin_small_patch4_window7_224_22kto1k_finetune", 83.2),
    "swin_base.in22k_in1k_224": _swin("v1.0.0/swin_base_patch4_window7_224_22kto1k", 85.2),
    "swin_base.in22k_in1k_384": _swin("v1.0.0/swin_base_patch4_window12_384_22kto1k", 86.4),
    "swin_large.in22k_in1k_224": _swin("v1.0.0/swin_large_patch4_window7_224_22kto1k", 86.3),
    "swin_large.in22k_in1k_384": _swin("v1.0.0/swin_large_patch4_window12_384_22kto1k", 87.3),
    "swin_tiny_c24.in1k_256": _swin("v1.0.5/swin_tiny_c24_patch4_window8_256", 81.6),
    "swin_mlp_tiny_c24.in1k_256": _swin("v1.0.5/swin_mlp_tiny_c24_patch4_window8_256", 79.4),
    "swin_mlp_tiny_c12.in1k_256": _swin("v1.0.5/swin_mlp_tiny_c12_patch4_window8_256", 79.6),
    "swin_mlp_tiny_c6.in1k_256": _swin("v1.0.5/swin_mlp_tiny_c6_patch4_window8_256", 79.7),
    "swin_mlp_base.in1k_224": _swin("v1.0.5/swin_mlp_base_patch4_window7_224", 81.3),
    "iwin_tiny.in1k_224": _iwin("tiny_patch4_window7_224", 82.0),
    "iwin_small.in1k_224": _iwin("small_patch4_window7_224", 83.4),
    "iwin_small.in1k_384": _iwin("small_patch4_window12_384", 84.3),
    "iwin_small.in1k_512": _iwin("small_patch4_window16_512", 84.4),
    "iwin_small.in1k_1024": _iwin("small_patch4_window16_1024", 83.8),
    "iwin_base.in1k_224": _iwin("base_patch4_window7_224", 83.5),
    "iwin_base.in1k_384": _iwin("base_patch4_window12_384", 84.9),
    "iwin_base.in1k_512": _iwin("base_patch4_window16_512", 85.1),
    "iwin_base.in1k_1024": _iwin("base_patch4_window16_1024", 85.0),
    "iwin_base.in22k_224": _iwin("base_patch4_window7_224_22k"),
    "iwin_large.in22k_224": _iwin("large_patch4_window7_224_22k"),
    "iwin_base.in22k_in1k_224": _iwin("base_patch4_window7_224_22kto1k", 85.5),
    "iwin_base.in22k_in1k_384": _iwin("base_patch4_window12_384_22kto1k", 86.6),
    "iwin_base.in22k_in1k_512": _iwin("base_patch4_window16_512_22kto1k", 86.1),
    "iwin_base.in22k_in1k_1024": _iwin("base_patch4_window16_1024_22kto1k", 85.6),
    "iwin_large.in22k_in1k_224": _iwin("large_patch4_window7_224_22kto1k", 86.4),
    "iwin_large.in22k_in1k_384": _iwin("large_patch4_window12_384_22kto1k", 87.4),
    # for S the release's page has a file on Google Drive, for B and L none
    "scalablevit_small.in1k_224": _scalablevit(83.1),
    "scalablevit_base.in1k_224": _scalablevit(84.1),
    "scalablevit_large.in1k_224": _scalablevit(84.4),
}

# rows whose files are not known: the page of their family
_PAGES = {
    "iwin": Origin("https://github.com/Cominder/Iwin-Transformer", "MIT"),
    "video_iwin": Origin("https://github.com/Cominder/Iwin-Transformer", None),
    "video_swin": Origin("https://github.com/SwinTransformer/Video-Swin-Transformer", "Apache-2.0"),
}


def origin(name: str) -> Origin:
    """The row of a name in the catalogue's table of weights. Raises: InputError for a name that is not there."""
    if name not in WEIGHTS:
        raise InputError(f"No weights row is called {name!r}.")
    page = next((page for family, page in _PAGES.items() if name.startswith(family)), None)
    return ORIGINS.get(name) or page or Origin("the page of its paper", None)


def preprocessing(name: str) -> dict[str, Any]:
    """What is done to a picture, by the releases' protocol: at 224 and 256 the centre of a picture 256 / 224 as large,
    at every larger size the whole picture, resized.

    Source: the releases' evaluation code (`TEST.CROP`), and timm's configurations for them.
    """
    side = min(WEIGHTS[name].size)
    return to_dict(Preprocessing(share=0.875 if side <= 256 else None))
