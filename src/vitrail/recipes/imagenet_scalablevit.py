"""ScalableViT (arXiv 2203.10790) on ImageNet-1k, by its release: DeiT's recipe.

That is Swin's but for the schedule: a rate for each epoch, that of the epoch before, so that the first two both run at
1e-6, and a cosine counted from the first epoch. Repeated augmentation is off in the code and on in the paper:
`augment.repeats=3` is the paper's.
"""

from __future__ import annotations

from dataclasses import replace

from vitrail.recipes.imagenet import from_scratch
from vitrail.recipes.recipe import Cosine, Recipe


def scalablevit_small_in1k() -> Recipe:
    """ScalableViT-S on ImageNet-1k at 224, 300 epochs.  Paper: 83.1 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train scalablevit_small_in1k --data /path
    """
    return replace(
        from_scratch("scalablevit_small", drop_path=0.2),
        schedule=Cosine(warmup=5, start=1e-6, end=1e-5, by="epoch", within=True),
    )


def scalablevit_base_in1k() -> Recipe:
    """ScalableViT-B on ImageNet-1k at 224, 300 epochs.  Paper: 84.1 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train scalablevit_base_in1k --data /path
    """
    small = scalablevit_small_in1k()
    return replace(small, model=replace(small.model, name="scalablevit_base", overrides={"drop_path": 0.5}))


def scalablevit_large_in1k() -> Recipe:
    """ScalableViT-L on ImageNet-1k at 224, 300 epochs.  Paper: 84.4 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train scalablevit_large_in1k --data /path
    """
    small = scalablevit_small_in1k()
    return replace(small, model=replace(small.model, name="scalablevit_large", overrides={"drop_path": 0.5}))


RECIPES = (scalablevit_small_in1k, scalablevit_base_in1k, scalablevit_large_in1k)
