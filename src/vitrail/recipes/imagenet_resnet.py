"""ResNet-50 and -101 (arXiv 1512.03385) of torchvision on ImageNet-1k: by Swin's recipe, like with like, and by theirs.

The figures of the classic recipe are torchvision's own, of its weights IMAGENET1K_V1, trained so.
"""

from __future__ import annotations

from dataclasses import replace

from vitrail.data.settings import Augment, Preprocessing
from vitrail.recipes.imagenet import from_scratch
from vitrail.recipes.recipe import SGD, Folder, Groups, Model, Recipe, Steps


def resnet50_in1k() -> Recipe:
    """ResNet-50 on ImageNet-1k at 224 as Swin-T is trained, 300 epochs.  Paper: no such row.  Ours: not trained yet.

    Everything as in swin_tiny_in1k, but for drop path, which torchvision's networks lack.
    Cost: not measured.     Command: vitrail train resnet50_in1k --data /path
    """
    return from_scratch("torchvision/resnet50")


def resnet101_in1k() -> Recipe:
    """ResNet-101 on ImageNet-1k at 224 as Swin-T is trained, 300 epochs.  Paper: no such row.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train resnet101_in1k --data /path
    """
    return from_scratch("torchvision/resnet101")


def resnet50_in1k_sgd() -> Recipe:
    """ResNet-50 on ImageNet-1k at 224, the classic 90 epochs.  torchvision: 76.1 top-1.  Ours: not trained yet.

    Batch 256, SGD from 0.1, a tenth of it after 30 and after 60 epochs; crops and mirror images; every parameter
    decays, biases and norms too; all in float32.
    Cost: not measured.     Command: vitrail train resnet50_in1k_sgd --data /path
    """
    return Recipe(
        model=Model("torchvision/resnet50"),
        data=Folder(),
        optimizer=SGD(lr=0.1, weight_decay=1e-4, momentum=0.9),
        groups=Groups(exempt=()),
        schedule=Steps(at=(30, 60), factor=0.1),
        epochs=90,
        batch=256,
        preprocessing=Preprocessing(interpolation="bilinear"),
        augment=Augment(crop=(0.08, 1.0), flip=0.5),
    )


def resnet101_in1k_sgd() -> Recipe:
    """ResNet-101 on ImageNet-1k at 224, the classic 90 epochs.  torchvision: 77.4 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train resnet101_in1k_sgd --data /path
    """
    return replace(resnet50_in1k_sgd(), model=Model("torchvision/resnet101"))


RECIPES = (resnet50_in1k, resnet101_in1k, resnet50_in1k_sgd, resnet101_in1k_sgd)
