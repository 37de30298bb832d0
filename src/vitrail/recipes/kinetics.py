"""Kinetics as the releases train on it: what `kinetics_swin.py`, `kinetics_iwin.py` and `something_swin.py` share.

The data is `--data FOLDER` with train.csv and val.csv, or another layout of docs/video_data.md. A model begins from a
classifier of pictures, inflated: `weights=PATH|NAME`. "top-1" and "top-5" are in percent on the validation part, of 4
clips of each video times 3 crops of each clip where nothing else is said: the mean of their probabilities.

A clip has 32 frames, every second one. 8 videos on each of 8 devices make a forward pass, and the gradients of 4 passes
(T) or 8 (others) one step, so a batch is of 256 or of 512; Video Swin's paper prints 64. The rate falls in a cosine to
0 that changes once an epoch, and over 2.5 epochs is multiplied by a factor that rises from 0.1 at every step.

What the configs mean by their optimizer keys is `MEANT`: what came from ImageNet learns at a tenth of the rate; norms
and tables of relative positions do not decay. But of the keys that a parameter's name holds, the toolbox heeds the
longest alone, and what that one does not set is as usual. So what ran, and gave the printed figures, is `RAN`, or with
bias tables `RAN_WITH_TABLES`, and the recipes follow that: all of the backbone learns at a tenth and decays, its norms
and Iwin's time embedding, too; bias tables learn at the full rate and do not decay; the head learns at the full rate
and decays. `groups={"exempt": ["bias.table", "norm"], "rates": {"trunk.": 0.1, "norm.": 0.1}}` is the other.

Ours differs from the releases: float16 is autocast where they use apex O1; the rate of a step is that of its first
pass, not of its last; random numbers are drawn in another order.
"""

from __future__ import annotations

from typing import Any

from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing
from vitrail.recipes.recipe import AdamW, Cosine, Groups, Model, Recipe, Videos

BACKBONE = {"trunk.": 0.1, "norm.": 0.1}
RAN = Groups(exempt=(), rates=BACKBONE)
RAN_WITH_TABLES = Groups(exempt=("bias.table",), rates={**BACKBONE, "bias.table": 1.0})
MEANT = Groups(exempt=("bias.table", "norm"), rates=BACKBONE)
TOGETHER = 64  # videos of a forward pass on all devices


def kinetics(
    name: str, groups: Groups, weight_decay: float, passes: int, lr: float = 1e-3, side: int = 224, **spec: Any
) -> Recipe:
    """30 epochs of AdamW; `spec` are overrides of the model.

    Args:
        passes: Whose gradients make a step.     lr: Of the head.     side: Of the frames, in pixels.
    """
    return Recipe(
        model=Model(name, (side, side), overrides=spec),
        data=Videos(),
        optimizer=AdamW(lr=lr, weight_decay=weight_decay),
        groups=groups,
        schedule=falling(lr),
        epochs=30,
        batch=TOGETHER * passes,
        accumulate=passes,
        preprocessing=ClipPreprocessing(),
        augment=ClipAugment(),
        precision="float16",
    )


def falling(lr: float) -> Cosine:
    """The releases' schedule from `lr` to 0."""
    return Cosine(warmup=2.5, start=lr / 10, by="epoch", warmup_as="factor")
