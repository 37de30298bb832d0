"""Your own pictures, in class folders."""

from __future__ import annotations

from vitrail.data.settings import Augment
from vitrail.recipes.recipe import AdamW, Cosine, Folder, Model, Recipe


def finetune() -> Recipe:
    """A small Iwin on your own class folders at 96 pixels, 60 epochs; the classes are the folders' names.

    It begins from random weights, or from a run or a file: weights=PATH, with model.name as there.
    Cost: not measured.     Command: vitrail train finetune --data FOLDER weights=PATH
    """
    return Recipe(
        model=Model("iwin_nano", size=(96, 96), overrides={"window": 6, "drop_path": 0.1}),
        data=Folder(),
        optimizer=AdamW(lr=1e-3, weight_decay=0.05),
        schedule=Cosine(warmup=5, start=1e-6, end=1e-5),
        epochs=60,
        batch=64,
        augment=Augment(crop=(0.35, 1.0), flip=0.5, jitter=0.3, erase=0.1, mixup=0.2, cutmix=1.0),
        smoothing=0.1,
        clip=5.0,
    )
