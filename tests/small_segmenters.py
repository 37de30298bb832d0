"""Segmenters and pictures with label maps small enough for a test to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

BACKBONE = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 2}
HEADS = {"upernet": {"channels": 8, "auxiliary_channels": 8}, "semantic_fpn": {"channels": 8, "pyramid": 8}}
COLOURS = [(90, 90, 90), (220, 40, 40), (40, 60, 220)]


def squares(folder: Path, pictures: int = 4) -> Path:
    """A red and a blue square on each noisy grey picture, train and val; a label map has its colours, some no class."""
    generator = np.random.default_rng(0)
    for part in ("train", "val"):
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True)
        for number in range(pictures):
            labels = np.zeros((40, 52 - number % 2), dtype=np.uint8)
            for target in (1, 2):
                top, left = generator.integers(0, (24, 36))
                labels[top : top + 16, left : left + 16] = target
            pixels = np.asarray(COLOURS)[labels] + generator.integers(-20, 20, (*labels.shape, 3))
            labels[:2] = 255
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "images" / part / f"{number}.png")
            drawn = Image.frombytes("P", labels.shape[::-1], labels.tobytes())
            drawn.putpalette([channel for colour in [*COLOURS, *[(0, 0, 0)] * 253] for channel in colour])
            drawn.save(folder / "labels" / part / f"{number}.png")
    (folder / "classes.txt").write_text("ground\nred\nblue\n")
    return folder
