"""ResNet and ResNeXt on ADE20K: the baselines of ScalableViT's table 4 and Iwin's table IV; `ade20k` has the rest.

Their Semantic FPN figures are PVT's (arXiv 2102.12122), trained in the way that ScalableViT follows. UperNet's setting
is mmsegmentation's, whose ResNet has a stem of three convolutions where torchvision's has one.
Other backbones of these tables (PVT, Twins, CrossFormer, ConvNeXt) are timm's, where it has them:
`model.name=upernet_timm/convnext_tiny`.
"""

from __future__ import annotations

from vitrail.recipes.ade20k import semantic_fpn, upernet_by_sgd
from vitrail.recipes.recipe import Recipe


def semantic_fpn_resnet50_ade20k() -> Recipe:
    """Semantic FPN on ResNet-50 on ADE20K.  Paper: 36.7 mIoU.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train semantic_fpn_resnet50_ade20k --data /path weights=PATH
    """
    return semantic_fpn("semantic_fpn_torchvision/resnet50")


def semantic_fpn_resnet101_ade20k() -> Recipe:
    """Semantic FPN on ResNet-101 on ADE20K.  Paper: 38.8 mIoU.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train semantic_fpn_resnet101_ade20k --data /path weights=PATH
    """
    return semantic_fpn("semantic_fpn_torchvision/resnet101")


def semantic_fpn_resnext101_64x4d_ade20k() -> Recipe:
    """Semantic FPN on ResNeXt-101-64x4d on ADE20K.  Paper: 40.2 mIoU.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train semantic_fpn_resnext101_64x4d_ade20k --data /path weights=PATH
    """
    return semantic_fpn("semantic_fpn_torchvision/resnext101_64x4d")


def upernet_resnet101_ade20k_sgd() -> Recipe:
    """UperNet on ResNet-101 on ADE20K.  Paper: no mIoU of one view, 44.9 with several views.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train upernet_resnet101_ade20k_sgd --data /path weights=PATH
    """
    return upernet_by_sgd("upernet_torchvision/resnet101")


RECIPES = (
    semantic_fpn_resnet50_ade20k,
    semantic_fpn_resnet101_ade20k,
    semantic_fpn_resnext101_64x4d_ade20k,
    upernet_resnet101_ade20k_sgd,
)
