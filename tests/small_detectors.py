"""Untrained detectors of width 8 that find something in any picture, and a picture to find it in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

import vitrail
from vitrail.data.settings import DetectionPreprocessing, Sides
from vitrail.models.detectors import Detector
from vitrail.weights import save

NAMES = ("mask_rcnn_swin_nano", "retinanet_iwin_nano")
BACKBONE = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 2, "channels": 16}
OWN = {
    "retinanet": {"tower": 1, "keep": 20, "before": 100},
    "mask_rcnn": {"width": 16, "test_before": 100, "test_proposals": 40, "keep": 20},
}
CLASSES = ("cat", "dog")
SETTINGS = DetectionPreprocessing(resize=Sides(64, 64, 1, 128))


def detector(name: str, seed: int = 0) -> Detector:
    """With weights so far from nothing that its answers differ from place to place."""
    torch.manual_seed(seed)
    own = next(fields for kind, fields in OWN.items() if name.startswith(kind))
    model = vitrail.create_model(name, len(CLASSES), (64, 64), **BACKBONE, **own).eval()
    for path, parameter in model.named_parameters():
        if "neck" in path or "head" in path or "regions" in path or "rpn" in path:
            spread = 0.06 if name.startswith("retinanet") else 0.15  # scores that are neither 0 nor 1
            nn.init.normal_(parameter, 0.0, 0.001 if "deltas" in path else spread)
    assert isinstance(model, Detector)
    return model


def kept(path: Path, name: str, seed: int = 0, **document: object) -> Path:
    """The detector in a weights file."""
    said = {"classes": list(CLASSES), "preprocessing": dataclasses.asdict(SETTINGS), **document}
    save(path, detector(name, seed), **said)
    return path


def picture(height: int = 37, width: int = 53, seed: int = 0) -> Image.Image:
    """Rectangles of many colours on noise."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 80, (height, width, 3), dtype=np.uint8)
    for _ in range(6):
        top, left = random.integers(0, max(height - 4, 1)), random.integers(0, max(width - 4, 1))
        pixels[top : top + height // 4, left : left + width // 3] = random.integers(0, 255, 3)
    return Image.fromarray(pixels)


def size_of(path: Path) -> tuple[int, int]:
    """(W, H) of a picture in a file."""
    with Image.open(path) as image:
        return image.size
