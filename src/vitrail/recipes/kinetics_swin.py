"""Video Swin (arXiv 2106.13230) on Kinetics-400 and Kinetics-600, with the settings of its released configs; `kinetics`
has the rest.

The paper prints a drop path of 0.2 for S, where the config has 0.1. Of L no config was released: its recipes have B's
settings from ImageNet-22k, and at 384 windows of 8 x 12 x 12, with which the parameters are those printed.
"""

from __future__ import annotations

from vitrail.recipes.kinetics import RAN_WITH_TABLES, kinetics
from vitrail.recipes.recipe import Recipe


def video_swin_tiny_k400() -> Recipe:
    """Swin-T on Kinetics-400.  Paper: 78.8 top-1, 93.6 top-5.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train video_swin_tiny_k400 --data /path weights=PATH
    """
    return kinetics("video_swin_tiny", RAN_WITH_TABLES, 0.02, passes=4, drop_path=0.1)


def video_swin_small_k400() -> Recipe:
    """Swin-S on Kinetics-400.  Paper: 80.6 top-1, 94.5 top-5.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train video_swin_small_k400 --data /path weights=PATH
    """
    return kinetics("video_swin_small", RAN_WITH_TABLES, 0.02, passes=8, drop_path=0.1)


def video_swin_base_k400() -> Recipe:
    """Swin-B on Kinetics-400.  Paper: 80.6 top-1, 94.6 top-5.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train video_swin_base_k400 --data /path weights=PATH
    """
    return kinetics("video_swin_base", RAN_WITH_TABLES, 0.05, passes=8, drop_path=0.3)


def video_swin_base_in22k_k400() -> Recipe:
    """Swin-B on Kinetics-400.  Paper: 82.7 top-1, 95.5 top-5.  Ours: not trained yet.

    From weights of ImageNet-22k.
    Cost: not measured.     Command: vitrail train video_swin_base_in22k_k400 --data /path weights=PATH
    """
    return _from_22k("video_swin_base")


def video_swin_large_in22k_k400() -> Recipe:
    """Swin-L on Kinetics-400.  Paper: 83.1 top-1, 95.9 top-5.  Ours: not trained yet.

    From weights of ImageNet-22k.
    Cost: not measured.     Command: vitrail train video_swin_large_in22k_k400 --data /path weights=PATH
    """
    return _from_22k("video_swin_large")


def video_swin_large_in22k_384_k400() -> Recipe:
    """Swin-L at 384 on Kinetics-400.  Paper: 84.9 top-1, 96.7 top-5 of 10 x 5.  Ours: not trained yet.

    From weights of ImageNet-22k at 384.
    Cost: not measured.     Command: vitrail train video_swin_large_in22k_384_k400 --data /path weights=PATH
    """
    return _from_22k("video_swin_large", 384, window=(8, 12, 12))


def video_swin_base_in22k_k600() -> Recipe:
    """Swin-B on Kinetics-600.  Paper: 84.0 top-1, 96.5 top-5.  Ours: not trained yet.

    From weights of ImageNet-22k; the settings are those of Kinetics-400.
    Cost: not measured.     Command: vitrail train video_swin_base_in22k_k600 --data /path weights=PATH
    """
    return _from_22k("video_swin_base")


def _from_22k(name: str, side: int = 224, **spec: tuple[int, int, int]) -> Recipe:
    return kinetics(name, RAN_WITH_TABLES, 0.05, passes=8, lr=3e-4, side=side, drop_path=0.2, **spec)


RECIPES = (
    video_swin_tiny_k400,
    video_swin_small_k400,
    video_swin_base_k400,
    video_swin_base_in22k_k400,
    video_swin_large_in22k_k400,
    video_swin_large_in22k_384_k400,
    video_swin_base_in22k_k600,
)
