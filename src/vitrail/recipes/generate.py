"""Pictures made of classes: your own, and digits on a laptop."""

from __future__ import annotations

from dataclasses import replace

from vitrail.data.generation_settings import GenerationAugment, GenerationPreprocessing
from vitrail.recipes.recipe import AdamW, Cosine, Digits, Folder, Model, Recipe, Steps


def generate() -> Recipe:
    """Your own pictures in class folders, made anew at 64 pixels by a small FlashDiT, without an autoencoder.

    model.size=32x32 makes smaller ones, sooner; model.overrides.dim=384 model.overrides.heads=6
    model.overrides.depth=12 is a model that learns more. Larger pictures are learnt as latents: `vitrail latents`.
    Mirror images count as the same class: augment.flip=0 where they do not.
    Cost: not measured.     Command: vitrail train generate --data FOLDER
    """
    return Recipe(
        model=Model("flashdit_nano_2", size=(64, 64), overrides={"dim": 192, "depth": 8, "heads": 6}),
        data=Folder(held_out=0.05),
        optimizer=AdamW(lr=2e-4, weight_decay=0.0, betas=(0.9, 0.95)),
        schedule=Steps(warmup=1),
        epochs=400,
        batch=128,
        preprocessing=GenerationPreprocessing(),
        augment=GenerationAugment(),
        precision="bfloat16",
        average=0.999,
    )


def generate_digits() -> Recipe:
    """scikit-learn's digits at their own 8 x 8 pixels, by a FlashDiT of 0.5 M parameters.

    model.name=lightningdit_nano_1 trains LightningDiT instead.
    Cost: 11 minutes of one core.     Command: vitrail train generate_digits
    """
    return replace(
        generate(),
        model=Model("flashdit_nano_1", size=(8, 8)),
        data=Digits(),
        optimizer=AdamW(lr=1e-3, weight_decay=0.0, betas=(0.9, 0.95)),
        schedule=Cosine(warmup=2, start=1e-5, end=1e-5),
        epochs=150,
        batch=64,
        augment=GenerationAugment(flip=0.0),
        precision="float32",
        average=0.995,
    )
