"""ScalableViT (arXiv 2203.10790) on COCO, table 3, with the settings of its appendix C; `coco` has the rest.

Code and weights of its detectors were never released. The paper does not give the drop path here: it is ImageNet's.
"""

from __future__ import annotations

from vitrail.recipes.coco import as_scalablevit
from vitrail.recipes.recipe import Recipe


def retinanet_scalablevit_small_coco_1x() -> Recipe:
    """RetinaNet on ScalableViT-S on COCO, 12 epochs.  Paper: 45.2 box AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train retinanet_scalablevit_small_coco_1x --data /path weights=PATH
    """
    return as_scalablevit("retinanet_scalablevit_small", 12, 1e-4, 1e-4, drop_path=0.2)


def retinanet_scalablevit_base_coco_1x() -> Recipe:
    """RetinaNet on ScalableViT-B on COCO, 12 epochs.  Paper: 45.8 box AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train retinanet_scalablevit_base_coco_1x --data /path weights=PATH
    """
    return as_scalablevit("retinanet_scalablevit_base", 12, 1e-4, 1e-4, drop_path=0.5)


def retinanet_scalablevit_large_coco_1x() -> Recipe:
    """RetinaNet on ScalableViT-L on COCO, 12 epochs.  README: 46.8 box AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train retinanet_scalablevit_large_coco_1x --data /path weights=PATH
    """
    return as_scalablevit("retinanet_scalablevit_large", 12, 1e-4, 1e-4, drop_path=0.5)


def retinanet_scalablevit_small_coco_3x() -> Recipe:
    """RetinaNet on ScalableViT-S on COCO, 36 epochs.  Paper: 47.8 box AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train retinanet_scalablevit_small_coco_3x --data /path weights=PATH
    """
    return as_scalablevit("retinanet_scalablevit_small", 36, 1e-4, 5e-2, drop_path=0.2)


def retinanet_scalablevit_base_coco_3x() -> Recipe:
    """RetinaNet on ScalableViT-B on COCO, 36 epochs.  Paper: 48.0 box AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train retinanet_scalablevit_base_coco_3x --data /path weights=PATH
    """
    return as_scalablevit("retinanet_scalablevit_base", 36, 1e-4, 5e-2, drop_path=0.5)


def mask_rcnn_scalablevit_small_coco_1x() -> Recipe:
    """Mask R-CNN on ScalableViT-S on COCO, 12 epochs.  Paper: 45.8 box AP, 41.7 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train mask_rcnn_scalablevit_small_coco_1x --data /path weights=PATH
    """
    return as_scalablevit("mask_rcnn_scalablevit_small", 12, 2e-4, 1e-4, drop_path=0.2)


def mask_rcnn_scalablevit_base_coco_1x() -> Recipe:
    """Mask R-CNN on ScalableViT-B on COCO, 12 epochs.  Paper: 46.8 box AP, 42.5 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train mask_rcnn_scalablevit_base_coco_1x --data /path weights=PATH
    """
    return as_scalablevit("mask_rcnn_scalablevit_base", 12, 2e-4, 1e-4, drop_path=0.5)


def mask_rcnn_scalablevit_large_coco_1x() -> Recipe:
    """Mask R-CNN on ScalableViT-L on COCO, 12 epochs.  README: 47.6 box AP, 42.9 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train mask_rcnn_scalablevit_large_coco_1x --data /path weights=PATH
    """
    return as_scalablevit("mask_rcnn_scalablevit_large", 12, 2e-4, 1e-4, drop_path=0.5)


def mask_rcnn_scalablevit_small_coco_3x() -> Recipe:
    """Mask R-CNN on ScalableViT-S on COCO, 36 epochs.  Paper: 48.7 box AP, 43.6 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train mask_rcnn_scalablevit_small_coco_3x --data /path weights=PATH
    """
    return as_scalablevit("mask_rcnn_scalablevit_small", 36, 1e-4, 5e-2, drop_path=0.2)


def mask_rcnn_scalablevit_base_coco_3x() -> Recipe:
    """Mask R-CNN on ScalableViT-B on COCO, 36 epochs.  Paper: 49.0 box AP, 43.8 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train mask_rcnn_scalablevit_base_coco_3x --data /path weights=PATH
    """
    return as_scalablevit("mask_rcnn_scalablevit_base", 36, 1e-4, 5e-2, drop_path=0.5)


RECIPES = (
    retinanet_scalablevit_small_coco_1x,
    retinanet_scalablevit_base_coco_1x,
    retinanet_scalablevit_large_coco_1x,
    retinanet_scalablevit_small_coco_3x,
    retinanet_scalablevit_base_coco_3x,
    mask_rcnn_scalablevit_small_coco_1x,
    mask_rcnn_scalablevit_base_coco_1x,
    mask_rcnn_scalablevit_large_coco_1x,
    mask_rcnn_scalablevit_small_coco_3x,
    mask_rcnn_scalablevit_base_coco_3x,
)
