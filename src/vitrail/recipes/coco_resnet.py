"""ResNet and ResNeXt backbones on COCO: by AdamW as Swin is trained, and by SGD as the toolbox always did.

Backbones are torchvision's and timm's, whose parameters have the same names: `weights=PATH` takes the .safetensors
file that timm's page of a ResNet offers, or a run of resnet50_in1k. Nothing is downloaded.
The stem and the first stage are frozen, and batch norms of the backbone keep their statistics; from random weights
neither is of use: `groups.frozen=0 groups.still=false`. SGD has momentum 0.9 and weight decay 1e-4 on everything, and a
rate of 0.02, for RetinaNet 0.01.
"""

from __future__ import annotations

from dataclasses import replace

from vitrail.recipes.coco import as_scalablevit, as_swin, steps
from vitrail.recipes.recipe import SGD, Groups, Recipe

GROUPS = Groups(exempt=(), frozen=2, still=True)


def _like_swin(name: str) -> Recipe:
    return replace(as_swin(f"cascade_mask_rcnn_{name}", 36), groups=GROUPS)


def _by_sgd(base: Recipe, lr: float = 0.02) -> Recipe:
    return replace(base, optimizer=SGD(lr=lr, weight_decay=1e-4), schedule=steps(lr, base.epochs))


def _usual(name: str, epochs: int, lr: float) -> Recipe:
    return replace(_by_sgd(as_scalablevit(name, epochs, lr, 1e-4), lr), groups=GROUPS)


def cascade_mask_rcnn_resnet50_coco_3x() -> Recipe:
    """Cascade Mask R-CNN on ResNet-50 on COCO, 36 epochs.  Paper: 46.3 box AP, 40.1 mask AP.  Ours: not trained yet.

    Everything as in cascade_mask_rcnn_swin_tiny_coco_3x, but for drop path and what is frozen.
    Cost: not measured.     Command: vitrail train cascade_mask_rcnn_resnet50_coco_3x --data /path weights=PATH
    """
    return _like_swin("torchvision/resnet50")


def cascade_mask_rcnn_resnet101_coco_3x() -> Recipe:
    """Cascade Mask R-CNN on ResNet-101 on COCO, 36 epochs.  Paper: no such row.  Ours: not trained yet.

    Everything as in cascade_mask_rcnn_swin_tiny_coco_3x, but for drop path and what is frozen.
    Cost: not measured.     Command: vitrail train cascade_mask_rcnn_resnet101_coco_3x --data /path weights=PATH
    """
    return _like_swin("torchvision/resnet101")


def cascade_mask_rcnn_resnext101_32x4d_coco_3x() -> Recipe:
    """Cascade Mask R-CNN on X101-32x4d on COCO, 36 epochs.  Paper: 48.1 box AP, 41.6 mask AP.  Ours: not trained yet.

    Everything as in cascade_mask_rcnn_swin_tiny_coco_3x, but for drop path and what is frozen.
    Cost: not measured.     Command: vitrail train cascade_mask_rcnn_resnext101_32x4d_coco_3x --data /path weights=PATH
    """
    return _like_swin("timm/resnext101_32x4d")


def cascade_mask_rcnn_resnext101_64x4d_coco_3x() -> Recipe:
    """Cascade Mask R-CNN on X101-64x4d on COCO, 36 epochs.  Paper: 48.3 box AP, 41.7 mask AP.  Ours: not trained yet.

    Everything as in cascade_mask_rcnn_swin_tiny_coco_3x, but for drop path and what is frozen.
    Cost: not measured.     Command: vitrail train cascade_mask_rcnn_resnext101_64x4d_coco_3x --data /path weights=PATH
    """
    return _like_swin("torchvision/resnext101_64x4d")


def cascade_mask_rcnn_resnet50_coco_3x_sgd() -> Recipe:
    """Cascade Mask R-CNN on ResNet-50 on COCO, 36 epochs.  Paper: table 9.  Ours: not trained yet.

    As cascade_mask_rcnn_resnet50_coco_3x, but by SGD from 0.02.
    The printed figures are not at hand.
    Cost: not measured.     Command: vitrail train cascade_mask_rcnn_resnet50_coco_3x_sgd --data /path weights=PATH
    """
    return _by_sgd(_like_swin("torchvision/resnet50"))


def cascade_mask_rcnn_resnet101_coco_3x_sgd() -> Recipe:
    """Cascade Mask R-CNN on ResNet-101 on COCO, 36 epochs.  Paper: no such row.  Ours: not trained yet.

    As cascade_mask_rcnn_resnet101_coco_3x, but by SGD from 0.02.
    Cost: not measured.     Command: vitrail train cascade_mask_rcnn_resnet101_coco_3x_sgd --data /path weights=PATH
    """
    return _by_sgd(_like_swin("torchvision/resnet101"))


def cascade_mask_rcnn_resnext101_32x4d_coco_3x_sgd() -> Recipe:
    """Cascade Mask R-CNN on X101-32x4d on COCO, 36 epochs.  Paper: table 9.  Ours: not trained yet.

    As cascade_mask_rcnn_resnext101_32x4d_coco_3x, but by SGD from 0.02.
    The printed figures are not at hand.
    Cost: not measured.  Command: vitrail train cascade_mask_rcnn_resnext101_32x4d_coco_3x_sgd --data /path weights=PATH
    """
    return _by_sgd(_like_swin("timm/resnext101_32x4d"))


def cascade_mask_rcnn_resnext101_64x4d_coco_3x_sgd() -> Recipe:
    """Cascade Mask R-CNN on X101-64x4d on COCO, 36 epochs.  Paper: table 9.  Ours: not trained yet.

    As cascade_mask_rcnn_resnext101_64x4d_coco_3x, but by SGD from 0.02.
    The printed figures are not at hand.
    Cost: not measured.  Command: vitrail train cascade_mask_rcnn_resnext101_64x4d_coco_3x_sgd --data /path weights=PATH
    """
    return _by_sgd(_like_swin("torchvision/resnext101_64x4d"))


def retinanet_resnet50_coco_1x_sgd() -> Recipe:
    """RetinaNet on ResNet-50 on COCO, 12 epochs.  Paper: 36.3 box AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, by SGD from 0.01.
    Cost: not measured.     Command: vitrail train retinanet_resnet50_coco_1x_sgd --data /path weights=PATH
    """
    return _usual("retinanet_torchvision/resnet50", 12, lr=0.01)


def retinanet_resnet50_coco_3x_sgd() -> Recipe:
    """RetinaNet on ResNet-50 on COCO, 36 epochs.  Paper: 39.0 box AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, by SGD from 0.01.
    Cost: not measured.     Command: vitrail train retinanet_resnet50_coco_3x_sgd --data /path weights=PATH
    """
    return _usual("retinanet_torchvision/resnet50", 36, lr=0.01)


def retinanet_resnet101_coco_1x_sgd() -> Recipe:
    """RetinaNet on ResNet-101 on COCO, 12 epochs.  Paper: 38.5 box AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, by SGD from 0.01.
    Cost: not measured.     Command: vitrail train retinanet_resnet101_coco_1x_sgd --data /path weights=PATH
    """
    return _usual("retinanet_torchvision/resnet101", 12, lr=0.01)


def retinanet_resnet101_coco_3x_sgd() -> Recipe:
    """RetinaNet on ResNet-101 on COCO, 36 epochs.  Paper: 40.9 box AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, by SGD from 0.01.
    Cost: not measured.     Command: vitrail train retinanet_resnet101_coco_3x_sgd --data /path weights=PATH
    """
    return _usual("retinanet_torchvision/resnet101", 36, lr=0.01)


def mask_rcnn_resnet50_coco_1x_sgd() -> Recipe:
    """Mask R-CNN on ResNet-50 on COCO, 12 epochs.  Paper: 38.0 box AP, 34.4 mask AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, by SGD from 0.02.
    Cost: not measured.     Command: vitrail train mask_rcnn_resnet50_coco_1x_sgd --data /path weights=PATH
    """
    return _usual("mask_rcnn_torchvision/resnet50", 12, lr=0.02)


def mask_rcnn_resnet50_coco_3x_sgd() -> Recipe:
    """Mask R-CNN on ResNet-50 on COCO, 36 epochs.  Paper: 41.0 box AP, 37.1 mask AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, by SGD from 0.02.
    Cost: not measured.     Command: vitrail train mask_rcnn_resnet50_coco_3x_sgd --data /path weights=PATH
    """
    return _usual("mask_rcnn_torchvision/resnet50", 36, lr=0.02)


def mask_rcnn_resnet101_coco_1x_sgd() -> Recipe:
    """Mask R-CNN on ResNet-101 on COCO, 12 epochs.  Paper: 40.4 box AP, 36.4 mask AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, by SGD from 0.02.
    Cost: not measured.     Command: vitrail train mask_rcnn_resnet101_coco_1x_sgd --data /path weights=PATH
    """
    return _usual("mask_rcnn_torchvision/resnet101", 12, lr=0.02)


def mask_rcnn_resnet101_coco_3x_sgd() -> Recipe:
    """Mask R-CNN on ResNet-101 on COCO, 36 epochs.  Paper: 42.8 box AP, 38.5 mask AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, by SGD from 0.02.
    Cost: not measured.     Command: vitrail train mask_rcnn_resnet101_coco_3x_sgd --data /path weights=PATH
    """
    return _usual("mask_rcnn_torchvision/resnet101", 36, lr=0.02)


RECIPES = (
    cascade_mask_rcnn_resnet50_coco_3x,
    cascade_mask_rcnn_resnet101_coco_3x,
    cascade_mask_rcnn_resnext101_32x4d_coco_3x,
    cascade_mask_rcnn_resnext101_64x4d_coco_3x,
    cascade_mask_rcnn_resnet50_coco_3x_sgd,
    cascade_mask_rcnn_resnet101_coco_3x_sgd,
    cascade_mask_rcnn_resnext101_32x4d_coco_3x_sgd,
    cascade_mask_rcnn_resnext101_64x4d_coco_3x_sgd,
    retinanet_resnet50_coco_1x_sgd,
    retinanet_resnet50_coco_3x_sgd,
    retinanet_resnet101_coco_1x_sgd,
    retinanet_resnet101_coco_3x_sgd,
    mask_rcnn_resnet50_coco_1x_sgd,
    mask_rcnn_resnet50_coco_3x_sgd,
    mask_rcnn_resnet101_coco_1x_sgd,
    mask_rcnn_resnet101_coco_3x_sgd,
)
