"""ImageNet as the released code of Swin trains on it, which Iwin and, with another schedule, ScalableViT follow.

The recipes themselves stand in a file for each paper, `imagenet_iwin.py` and so on; here is what they share.

Learning rates are the effective ones: the releases multiply theirs by (pictures a step, over all processes) / 512, ours
belong to the recipe's `batch` as it stands. Where a paper and its code differ, the code is followed:
* The colour jitter of 0.4 in the configs does nothing: timm leaves it out where RandAugment is on.
* Gradients are clipped at 5.0; the appendix of Swin says 1.0.
* The pre-training on 22k decays by a cosine with weight decay 0.05, and fine-tuning starts from 2e-5 for 512 pictures;
  a page on Swin says linear, 0.01 and 1e-5, and Iwin's paper calls the fine-tuning rate constant.
Ours differ from the code in the products' precision, bfloat16 where the releases use float16, and in the order in which
random numbers are drawn.
"""

from __future__ import annotations

from dataclasses import replace

from vitrail.data.settings import Augment, Preprocessing, RandAugment
from vitrail.recipes.recipe import AdamW, Cosine, Folder, Model, Recipe

AUGMENT = Augment(crop=(0.08, 1.0), flip=0.5, rand=RandAugment(), erase=0.25, mixup=0.8, cutmix=1.0)


def from_scratch(name: str, size: int = 224, accumulate: int = 1, **spec: float) -> Recipe:
    """300 epochs on ImageNet-1k from random weights, batch 1024, lr 1e-3; `spec` are overrides of the architecture.

    Tested on the centre 7/8 of the resized picture: 224 of 256, 256 of 292.
    """
    return Recipe(
        model=Model(name, (size, size), overrides=spec),
        data=Folder(),
        optimizer=AdamW(lr=1e-3, weight_decay=0.05),
        schedule=Cosine(warmup=20, start=1e-6, end=1e-5),
        epochs=300,
        batch=1024,
        accumulate=accumulate,
        augment=AUGMENT,
        smoothing=0.1,
        clip=5.0,
        precision="bfloat16",
    )


def pretrain(name: str, drop_path: float, accumulate: int = 1) -> Recipe:
    """90 epochs on ImageNet-22k at 224 from random weights, batch 4096, lr 1e-3.

    The classes are those of the data folder, 21 841 in the releases.
    """
    return replace(
        from_scratch(name, accumulate=accumulate, drop_path=drop_path),
        schedule=Cosine(warmup=5, start=1e-6, end=1e-5),
        epochs=90,
        batch=4096,
    )


def fine_tune(
    base: Recipe, batch: int, size: int = 224, epochs: int = 30, warmup: int = 5, accumulate: int = 1, **spec: float
) -> Recipe:
    """On ImageNet-1k from the weights of a run of `base`, given as `weights=PATH`: a run's folder or a weights file.

    The rate is 2e-5 for 512 pictures, almost without weight decay. From 384 on the whole picture is resized, whatever
    its shape. `spec` are overrides of the architecture beside those of `base`.
    The head of weights trained on the same classes is kept.
    Differs: the releases take the 1000 rows of a 22k head that are 1k's; ours begins anew.
    """
    return replace(
        base,
        model=Model(base.model.name, (size, size), overrides=base.model.overrides | spec),
        optimizer=AdamW(lr=2e-5 * batch / 512, weight_decay=1e-8),
        schedule=Cosine(warmup=warmup, start=2e-8 * batch / 512, end=2e-7 * batch / 512),
        epochs=epochs,
        batch=batch,
        accumulate=accumulate,
        preprocessing=Preprocessing(share=None) if size >= 384 else base.preprocessing,
    )
