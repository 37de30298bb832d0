"""Pictures and recipes small enough for a test to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vitrail.recipes.recipe import AdamW, Cosine, Folder, Model, Recipe

COLOURS = {"blue": (40, 60, 220), "green": (30, 200, 60), "red": (220, 40, 40)}
SPEC = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": (4, 2, 2, 1)}


def folders(root: Path, training: int = 4, held_out: int = 2) -> Path:
    """root/{train,val}/{blue,green,red}/N.png: noisy pictures of one colour, 20 x 16 pixels."""
    random = np.random.default_rng(0)
    for part, count in (("train", training), ("val", held_out)):
        for name, colour in COLOURS.items():
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(np.array(colour) + random.normal(0, 20, (20, 16, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(root / part / name / f"{number}.png")
    return root


def recipe(data: Path, **fields: object) -> Recipe:
    """Six epochs of a very small Iwin on such folders."""
    settings: dict = {
        "model": Model("iwin_nano", (32, 32), dict(SPEC)),
        "data": Folder(str(data)),
        "optimizer": AdamW(lr=5e-3),
        "schedule": Cosine(warmup=1),
        "epochs": 6,
        "batch": 4,
        **fields,
    }
    return Recipe(**settings)
