"""Three small models on real handwritten digits, in minutes on a laptop."""

from __future__ import annotations

from dataclasses import replace

from vitrail.data.settings import Augment, Preprocessing
from vitrail.recipes.recipe import AdamW, Cosine, Digits, Model, Recipe

MODELS = ("iwin_nano", "swin_nano", "scalablevit_nano")


def demo() -> Recipe:
    """Iwin-nano on scikit-learn's digits, enlarged to 32 pixels.

    Command: vitrail train demo
    """
    return Recipe(
        model=Model("iwin_nano", size=(32, 32), overrides={"window": (4, 2, 2, 1), "drop_path": 0.05}),
        data=Digits(),
        optimizer=AdamW(lr=2e-3, weight_decay=0.05),
        schedule=Cosine(warmup=2, start=1e-5, end=1e-5),
        epochs=25,
        batch=64,
        preprocessing=Preprocessing(share=None, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        augment=Augment(rotate=10.0, shift=0.1, scale=(0.9, 1.1)),
        smoothing=0.1,
        clip=5.0,
    )


def side_by_side() -> dict[str, Recipe]:
    """The same training for each of `MODELS`."""
    base = demo()
    return {name: replace(base, model=replace(base.model, name=name)) for name in MODELS}
