"""COCO as the papers' toolbox trains on it: what the recipes of `coco_swin.py`, `coco_iwin.py`, ... share.

The data is COCO 2017: `--data FOLDER` with annotations/instances_train2017.json and instances_val2017.json beside the
pictures. Backbones begin from ImageNet, `weights=PATH|NAME`: a classifier's weights, without their head and last norm.
"box AP" and "mask AP" are COCO's AP in percent, on val2017.

A batch has 16 pictures, 2 on each of 8 devices in the releases. The rate rises in a line over 500 steps, from a
thousandth of its height, and falls to a tenth after epochs 8 and 11 of 12, 27 and 33 of 36.
Exempt from weight decay is what the configs name: tables of positions, and every parameter with "norm" in its name.
Biases of linear maps and convolutions decay, other than on ImageNet, and so do the batch norms of box heads, which the
toolbox calls "bn".
Ours differs from the code in float16's way, autocast where the releases use apex O1, and in the order in which random
numbers are drawn.
"""

from __future__ import annotations

from typing import Any

from vitrail.data.settings import CropBranch, DetectionAugment, DetectionPreprocessing, Sides
from vitrail.recipes.recipe import AdamW, Boxes, Groups, Model, Recipe, Steps

SIZE = (800, 1280)
EXEMPT = ("table", "backbone.*norm")
DROPS = {12: (8.0, 11.0), 36: (27.0, 33.0)}  # epochs -> those after which the rate falls to a tenth
CROPPED = DetectionAugment(resize=Sides(480, 800), crop=CropBranch())  # Swin's and Iwin's
SEVERAL = DetectionAugment(resize=Sides(480, 800, step=1))  # ScalableViT's for 36 epochs
FIXED = DetectionAugment(resize=Sides())  # for 12: 800, and 1333 at most


def steps(lr: float, epochs: int) -> Steps:
    """The schedule of 12 or of 36 epochs up to `lr`."""
    return Steps(at=DROPS[epochs], factor=0.1, warmup=500, start=lr / 1000, warmup_in="step")


def as_swin(name: str, epochs: int, lr: float = 1e-4, **spec: Any) -> Recipe:
    """Swin's setting, which Iwin follows; `spec` are overrides of the model.

    Half of the pictures are mirrored. Half of them are first resized to a shorter side of 400, 500 or 600 pixels and
    cropped to sides of 384 to 600; all are resized to a shorter side of 480, 512, ..., 800. No stage is frozen, no
    gradient is clipped.
    """
    return Recipe(
        model=Model(name, SIZE, overrides=spec),
        data=Boxes(),
        optimizer=AdamW(lr=lr, weight_decay=0.05),
        groups=Groups(exempt=EXEMPT),
        schedule=steps(lr, epochs),
        epochs=epochs,
        batch=16,
        preprocessing=DetectionPreprocessing(),
        augment=CROPPED,
        precision="float16",
    )


def as_scalablevit(name: str, epochs: int, lr: float, weight_decay: float, **spec: Any) -> Recipe:
    """ScalableViT's setting; `spec` are overrides of the model.

    Pictures of 800 pixels for 12 epochs, of any shorter side from 480 to 800 for 36. The paper names nothing that is
    exempt from weight decay, so everything decays; nor a precision, so all is float32.
    """
    return Recipe(
        model=Model(name, SIZE, overrides=spec),
        data=Boxes(),
        optimizer=AdamW(lr=lr, weight_decay=weight_decay),
        groups=Groups(exempt=()),
        schedule=steps(lr, epochs),
        epochs=epochs,
        batch=16,
        preprocessing=DetectionPreprocessing(),
        augment=FIXED if epochs == 12 else SEVERAL,
    )
