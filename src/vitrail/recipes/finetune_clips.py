"""Your own videos, a class each."""

from __future__ import annotations

from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing, Sampling
from vitrail.recipes.recipe import AdamW, Cosine, Model, Recipe, Videos

# what is trained where there are no weights
SMALL = Model("video_iwin_nano", size=(96, 96), overrides={"frames": 8, "window": 6, "dim": 32})


def finetune_clips() -> Recipe:
    """Your own videos, 40 epochs; the classes are those of the videos.

    weights=PATH|NAME says what it begins from: a model of clips, whose size, frames and preprocessing it takes; or an
    Iwin's or a Swin's classifier of pictures, which becomes the model of clips that sees each frame as it did. A row of
    the weights table says no more of its clips than their length; those of Something-Something were trained with
    preprocessing.sampling.how=uniform. model.overrides.frames=16 takes clips of another length. Without weights a small
    Video Iwin begins at random.
    Mirror images count as the same class: augment.flip=0 where they do not. `--data moving` draws clips to try it on.
    A model that knows much already wants less: optimizer.lr=1e-4, and groups.frozen=2 keeps the stem and the first
    stage.
    Cost: not measured.     Command: vitrail train finetune_clips --data FOLDER weights=PATH
    """
    return Recipe(
        model=Model("auto", size=SMALL.size, overrides={"dropout": 0.2}),
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
