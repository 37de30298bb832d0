"""ADE20K as the papers' toolbox trains on it: what the recipes of `ade20k_swin.py`, `ade20k_iwin.py`, ... share.

The data is SceneParsing's: `--data FOLDER` with images/training, annotations/training and their validation, 150
classes, 0 for none. Backbones begin from ImageNet, `weights=PATH|NAME`: a classifier's weights, without their head and
last norm. "mIoU" is in percent on the validation part, looked at as a whole with the shorter side at 512; "with several
views" is `vitrail eval --views all`, the mean of six sizes and their mirror images.

A batch has 16 crops, 2 on each of 8 devices in the releases, 4 on each of 4 for Semantic FPN. An "epoch" is 16000
steps, after each of which is measured; 10 are the 160k of UperNet, 5 the 80k of Semantic FPN.
Exempt from weight decay is what Swin's configs name: tables of positions, and the backbone's norms. Biases decay, and
so do batch norms of the heads.
Ours differs from the toolbox: the loss is a mean over the pixels that have a class, not over all; pictures are smoothed
as they shrink; batch norm shares statistics between processes on CUDA alone; random numbers are drawn in another order.
"""

from __future__ import annotations

from typing import Any

from vitrail.data.pixel_settings import Fit, PixelAugment, PixelPreprocessing
from vitrail.recipes.coco import EXEMPT
from vitrail.recipes.recipe import SGD, AdamW, Groups, Model, Pixels, Polynomial, Recipe

STEPS = 16000
WARMUP = Polynomial(power=1.0, warmup=1500, start=6e-11, warmup_in="step", within=True)
DATA = Pixels(layout="ade20k", reduce=True)


def upernet(name: str, side: int = 512, **spec: Any) -> Recipe:
    """UperNet as Swin has it, which Iwin and ScalableViT follow; `spec` are overrides of the model.

    AdamW at 6e-5 and 0.01, 160k steps; the rate rises from a millionth over 1500 steps and falls in a line to 0.
    Args:
        side: Of the crops, and the usual shorter side; the longer one is 4 times that at most.
    """
    return Recipe(
        model=Model(name, (side, side), overrides=spec),
        data=DATA,
        optimizer=AdamW(lr=6e-5, weight_decay=0.01),
        groups=Groups(exempt=EXEMPT),
        schedule=WARMUP,
        epochs=10,
        steps=STEPS,
        batch=16,
        preprocessing=PixelPreprocessing(resize=Fit(4 * side, side)),
        augment=PixelAugment(crop=(side, side)),
    )


def upernet_by_sgd(name: str) -> Recipe:
    """UperNet as mmsegmentation trains it on ResNet: SGD at 0.01 and 0.0005, 160k steps, power 0.9, down to 1e-4."""
    return Recipe(
        model=Model(name, (512, 512)),
        data=DATA,
        optimizer=SGD(lr=0.01, weight_decay=5e-4),
        groups=Groups(exempt=()),
        schedule=Polynomial(power=0.9, end=1e-4),
        epochs=10,
        steps=STEPS,
        batch=16,
        preprocessing=PixelPreprocessing(),
        augment=PixelAugment(),
    )


def semantic_fpn(name: str, **spec: Any) -> Recipe:
    """Semantic FPN as ScalableViT has it, after PVT; `spec` are overrides of the model.

    AdamW at 1e-4 and 1e-4, 80k steps, power 0.9. The paper names no warm-up and nothing that is exempt from weight
    decay.
    """
    return Recipe(
        model=Model(name, (512, 512), overrides=spec),
        data=DATA,
        optimizer=AdamW(lr=1e-4, weight_decay=1e-4),
        groups=Groups(exempt=()),
        schedule=Polynomial(power=0.9),
        epochs=5,
        steps=STEPS,
        batch=16,
        preprocessing=PixelPreprocessing(),
        augment=PixelAugment(),
    )
