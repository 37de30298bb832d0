"""Your own pictures, in class folders."""

from __future__ import annotations

from vitrail.data.settings import Augment
from vitrail.recipes.recipe import AdamW, Cosine, Folder, Model, Recipe

SMALL = Model("iwin_nano", size=(96, 96), overrides={"window": 6})  # what is trained where there are no weights


def finetune() -> Recipe:
    """Your own pictures, 60 epochs, from weights that somebody trained; the classes are those of the pictures.

    weights=PATH|NAME says which: a run, a file, or a row of the weights table. The model, its size and its
    preprocessing follow them. Without weights a small Iwin begins at random.
    groups.frozen=3 keeps the stem and two stages as they are; groups.layer_decay=0.75 lets low layers learn slower.
    Cost: not measured.     Command: vitrail train finetune --data FOLDER weights=PATH
    """
    return Recipe(
        model=Model("auto", size=SMALL.size, overrides={"drop_path": 0.1}),
        data=Folder(),
        optimizer=AdamW(lr=1e-3, weight_decay=0.05),
        schedule=Cosine(warmup=5, start=1e-6, end=1e-5),
        epochs=60,
        batch=64,
        augment=Augment(crop=(0.35, 1.0), flip=0.5, jitter=0.3, erase=0.1, mixup=0.2, cutmix=1.0),
        smoothing=0.1,
        clip=5.0,
    )
