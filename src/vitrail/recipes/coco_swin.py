"""Swin (arXiv 2103.14030) on COCO, with the settings of its released configs; `coco` has the rest.

The figures of Cascade Mask R-CNN are the repository's, which Iwin's table II repeats. RetinaNet is in ScalableViT's
table 3 alone, trained in that paper's way; it does not give the drop path, 0.2 here.
Table 4's rows on COCO are overrides: `model.overrides.shift=none`, `model.overrides.position=absolute` and so on.
Not here: HTC++ and the frameworks ATSS, RepPoints v2 and Sparse R-CNN, which vitrail does not have. Of HTC++'s setting
(appendix A2.2) the rest can be laid over a recipe: `augment.resize.least=400 augment.resize.most=1400
augment.resize.step=1 augment.resize.longest=1600 augment.crop=none model.overrides.global_attention=true epochs=72
"schedule.at=(63, 69)"`.
"""

from __future__ import annotations

from vitrail.recipes.coco import as_scalablevit, as_swin
from vitrail.recipes.recipe import Recipe


def mask_rcnn_swin_tiny_coco_1x() -> Recipe:
    """Mask R-CNN on Swin-T on COCO, 12 epochs.  Paper: 43.7 box AP, 39.8 mask AP.  Ours: not trained yet.

    ScalableViT's table 3 has 42.2 and 39.1 for it, trained in that paper's way.
    Cost: not measured.     Command: vitrail train mask_rcnn_swin_tiny_coco_1x --data /path weights=PATH
    """
    return as_swin("mask_rcnn_swin_tiny", 12, drop_path=0.1)


def mask_rcnn_swin_small_coco_1x() -> Recipe:
    """Mask R-CNN on Swin-S on COCO, 12 epochs.  Paper: 44.8 box AP, 40.9 mask AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, trained in that paper's way.
    Cost: not measured.     Command: vitrail train mask_rcnn_swin_small_coco_1x --data /path weights=PATH
    """
    return as_scalablevit("mask_rcnn_swin_small", 12, 2e-4, 1e-4, drop_path=0.2)


def mask_rcnn_swin_tiny_coco_3x() -> Recipe:
    """Mask R-CNN on Swin-T on COCO, 36 epochs.  Paper: 46.0 box AP, 41.6 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train mask_rcnn_swin_tiny_coco_3x --data /path weights=PATH
    """
    return as_swin("mask_rcnn_swin_tiny", 36, drop_path=0.2)


def mask_rcnn_swin_small_coco_3x() -> Recipe:
    """Mask R-CNN on Swin-S on COCO, 36 epochs.  Paper: 48.5 box AP, 43.3 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train mask_rcnn_swin_small_coco_3x --data /path weights=PATH
    """
    return as_swin("mask_rcnn_swin_small", 36, drop_path=0.2)


def cascade_mask_rcnn_swin_tiny_coco_1x() -> Recipe:
    """Cascade Mask R-CNN on Swin-T on COCO, 12 epochs.  Paper: 48.1 box AP, 41.7 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train cascade_mask_rcnn_swin_tiny_coco_1x --data /path weights=PATH
    """
    return as_swin("cascade_mask_rcnn_swin_tiny", 12, drop_path=0.0)


def cascade_mask_rcnn_swin_tiny_coco_3x() -> Recipe:
    """Cascade Mask R-CNN on Swin-T on COCO, 36 epochs.  Paper: 50.4 box AP, 43.7 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train cascade_mask_rcnn_swin_tiny_coco_3x --data /path weights=PATH
    """
    return as_swin("cascade_mask_rcnn_swin_tiny", 36, drop_path=0.2)


def cascade_mask_rcnn_swin_small_coco_3x() -> Recipe:
    """Cascade Mask R-CNN on Swin-S on COCO, 36 epochs.  Paper: 51.9 box AP, 45.0 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train cascade_mask_rcnn_swin_small_coco_3x --data /path weights=PATH
    """
    return as_swin("cascade_mask_rcnn_swin_small", 36, drop_path=0.2)


def cascade_mask_rcnn_swin_base_coco_3x() -> Recipe:
    """Cascade Mask R-CNN on Swin-B on COCO, 36 epochs.  Paper: 51.9 box AP, 45.0 mask AP.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train cascade_mask_rcnn_swin_base_coco_3x --data /path weights=PATH
    """
    return as_swin("cascade_mask_rcnn_swin_base", 36, drop_path=0.3)


def retinanet_swin_tiny_coco_1x() -> Recipe:
    """RetinaNet on Swin-T on COCO, 12 epochs.  Paper: 41.5 box AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, trained in that paper's way.
    Cost: not measured.     Command: vitrail train retinanet_swin_tiny_coco_1x --data /path weights=PATH
    """
    return as_scalablevit("retinanet_swin_tiny", 12, 1e-4, 1e-4, drop_path=0.2)


def retinanet_swin_tiny_coco_3x() -> Recipe:
    """RetinaNet on Swin-T on COCO, 36 epochs.  Paper: 43.9 box AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, trained in that paper's way.
    Cost: not measured.     Command: vitrail train retinanet_swin_tiny_coco_3x --data /path weights=PATH
    """
    return as_scalablevit("retinanet_swin_tiny", 36, 1e-4, 5e-2, drop_path=0.2)


def retinanet_swin_small_coco_1x() -> Recipe:
    """RetinaNet on Swin-S on COCO, 12 epochs.  Paper: 44.5 box AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, trained in that paper's way.
    Cost: not measured.     Command: vitrail train retinanet_swin_small_coco_1x --data /path weights=PATH
    """
    return as_scalablevit("retinanet_swin_small", 12, 1e-4, 1e-4, drop_path=0.2)


def retinanet_swin_small_coco_3x() -> Recipe:
    """RetinaNet on Swin-S on COCO, 36 epochs.  Paper: 46.3 box AP.  Ours: not trained yet.

    A row of ScalableViT's table 3, trained in that paper's way.
    Cost: not measured.     Command: vitrail train retinanet_swin_small_coco_3x --data /path weights=PATH
    """
    return as_scalablevit("retinanet_swin_small", 36, 1e-4, 5e-2, drop_path=0.2)


RECIPES = (
    mask_rcnn_swin_tiny_coco_1x,
    mask_rcnn_swin_small_coco_1x,
    mask_rcnn_swin_tiny_coco_3x,
    mask_rcnn_swin_small_coco_3x,
    cascade_mask_rcnn_swin_tiny_coco_1x,
    cascade_mask_rcnn_swin_tiny_coco_3x,
    cascade_mask_rcnn_swin_small_coco_3x,
    cascade_mask_rcnn_swin_base_coco_3x,
    retinanet_swin_tiny_coco_1x,
    retinanet_swin_tiny_coco_3x,
    retinanet_swin_small_coco_1x,
    retinanet_swin_small_coco_3x,
)
