"""Your own videos, a class each."""

from __future__ import annotations

from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing, Sampling
from vitrail.recipes.recipe import AdamW, Cosine, Model, Recipe, Videos


def finetune_clips() -> Recipe:
    """Your own videos, 40 epochs; the classes are those of the videos.

    weights=PATH|NAME begins from a video model; without, everything begins at random. Mirror images count as the
    same class: augment.flip=0 where they do not. `--data moving` draws clips to try it on.
    Cost: not measured.     Command: vitrail train finetune_clips --data FOLDER weights=PATH
    """
    return Recipe(
        model=Model("video_iwin_nano", size=(96, 96), overrides={"frames": 8, "window": 6, "dim": 32, "dropout": 0.2}),
        data=Videos(),
        optimizer=AdamW(lr=1e-3, weight_decay=0.05),
        schedule=Cosine(warmup=2, start=1e-5, end=1e-6),
        epochs=40,
        batch=8,
        preprocessing=ClipPreprocessing(sampling=Sampling(length=8, interval=2)),
        augment=ClipAugment(crop=(0.5, 1.0)),
        smoothing=0.1,
        clip=5.0,
    )
