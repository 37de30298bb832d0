"""Iwin (arXiv 2507.18405) on ADE20K, table IV, with the settings of its released configs; `ade20k` has the rest.

The configs have a drop path of 0.3; the figures are of one view.
"""

from __future__ import annotations

from vitrail.recipes.ade20k import upernet
from vitrail.recipes.recipe import Recipe


def upernet_iwin_tiny_ade20k() -> Recipe:
    """UperNet on Iwin-T on ADE20K.  Paper: 44.7 mIoU.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train upernet_iwin_tiny_ade20k --data /path weights=PATH
    """
    return upernet("upernet_iwin_tiny", drop_path=0.3)


def upernet_iwin_small_ade20k() -> Recipe:
    """UperNet on Iwin-S on ADE20K.  Paper: 47.5 mIoU.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train upernet_iwin_small_ade20k --data /path weights=PATH
    """
    return upernet("upernet_iwin_small", drop_path=0.3)


def upernet_iwin_base_ade20k() -> Recipe:
    """UperNet on Iwin-B on ADE20K.  Paper: 48.9 mIoU.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train upernet_iwin_base_ade20k --data /path weights=PATH
    """
    return upernet("upernet_iwin_base", drop_path=0.3)


RECIPES = (
    upernet_iwin_tiny_ade20k,
    upernet_iwin_small_ade20k,
    upernet_iwin_base_ade20k,
)
