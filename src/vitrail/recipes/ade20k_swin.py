"""Swin (arXiv 2103.14030) on ADE20K, table 3, with the settings of its released configs; `ade20k` has the rest.

The configs have a drop path of 0.3. Semantic FPN is in ScalableViT's table 4 alone, trained in
that paper's way; it does not give the drop path, 0.2 here. Of the rows at 640 the paper gives neither config nor
window; 7 here, as for all others.
Table 4's rows on ADE20K are overrides: `model.overrides.shift=none`, `model.overrides.position=absolute` and so on.
"""

from __future__ import annotations

from vitrail.recipes.ade20k import semantic_fpn, upernet
from vitrail.recipes.recipe import Recipe


def upernet_swin_tiny_ade20k() -> Recipe:
    """UperNet on Swin-T on ADE20K.  Paper: 44.5 mIoU, 45.8 with several views.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train upernet_swin_tiny_ade20k --data /path weights=PATH
    """
    return upernet("upernet_swin_tiny", drop_path=0.3)


def upernet_swin_small_ade20k() -> Recipe:
    """UperNet on Swin-S on ADE20K.  Paper: 47.6 mIoU, 49.5 with several views.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train upernet_swin_small_ade20k --data /path weights=PATH
    """
    return upernet("upernet_swin_small", drop_path=0.3)


def upernet_swin_base_ade20k() -> Recipe:
    """UperNet on Swin-B on ADE20K.  Paper: 48.1 mIoU, 49.7 with several views.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train upernet_swin_base_ade20k --data /path weights=PATH
    """
    return upernet("upernet_swin_base", drop_path=0.3)


def upernet_swin_base_in22k_640_ade20k() -> Recipe:
    """UperNet on Swin-B at 640 on ADE20K.  Paper: 50.0 mIoU, 51.7 with several views.  Ours: not trained yet.

    From weights of ImageNet-22k.
    Cost: not measured.     Command: vitrail train upernet_swin_base_in22k_640_ade20k --data /path weights=PATH
    """
    return upernet("upernet_swin_base", 640, drop_path=0.3)


def upernet_swin_large_in22k_640_ade20k() -> Recipe:
    """UperNet on Swin-L at 640 on ADE20K.  Paper: 52.1 mIoU, 53.5 with several views.  Ours: not trained yet.

    From weights of ImageNet-22k.
    Cost: not measured.     Command: vitrail train upernet_swin_large_in22k_640_ade20k --data /path weights=PATH
    """
    return upernet("upernet_swin_large", 640, drop_path=0.3)


def semantic_fpn_swin_tiny_ade20k() -> Recipe:
    """Semantic FPN on Swin-T on ADE20K.  Paper: 41.5 mIoU.  Ours: not trained yet.

    A row of ScalableViT's table 4, trained in that paper's way.
    Cost: not measured.     Command: vitrail train semantic_fpn_swin_tiny_ade20k --data /path weights=PATH
    """
    return semantic_fpn("semantic_fpn_swin_tiny", drop_path=0.2)


def semantic_fpn_swin_small_ade20k() -> Recipe:
    """Semantic FPN on Swin-S on ADE20K.  Paper: 45.2 mIoU.  Ours: not trained yet.

    A row of ScalableViT's table 4, trained in that paper's way.
    Cost: not measured.     Command: vitrail train semantic_fpn_swin_small_ade20k --data /path weights=PATH
    """
    return semantic_fpn("semantic_fpn_swin_small", drop_path=0.2)


def semantic_fpn_swin_base_ade20k() -> Recipe:
    """Semantic FPN on Swin-B on ADE20K.  Paper: 46.0 mIoU.  Ours: not trained yet.

    A row of ScalableViT's table 4, trained in that paper's way.
    Cost: not measured.     Command: vitrail train semantic_fpn_swin_base_ade20k --data /path weights=PATH
    """
    return semantic_fpn("semantic_fpn_swin_base", drop_path=0.2)


RECIPES = (
    upernet_swin_tiny_ade20k,
    upernet_swin_small_ade20k,
    upernet_swin_base_ade20k,
    upernet_swin_base_in22k_640_ade20k,
    upernet_swin_large_in22k_640_ade20k,
    semantic_fpn_swin_tiny_ade20k,
    semantic_fpn_swin_small_ade20k,
    semantic_fpn_swin_base_ade20k,
)
