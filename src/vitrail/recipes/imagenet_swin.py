"""Swin and Swin-MLP (arXiv 2103.14030) on ImageNet, with the settings of the released configs; `imagenet` has the rest.

The base model's batches are computed in two parts, as the release's commands do.
"""

from __future__ import annotations

from vitrail.recipes.imagenet import fine_tune, from_scratch, pretrain
from vitrail.recipes.recipe import Recipe


def swin_tiny_in1k() -> Recipe:
    """Swin-T on ImageNet-1k at 224, 300 epochs.  Paper: 81.3 top-1.  Ours: not trained yet.

    The release's README prints 81.2.
    Cost: not measured.     Command: vitrail train swin_tiny_in1k --data /path
    """
    return from_scratch("swin_tiny", drop_path=0.2)


def swin_small_in1k() -> Recipe:
    """Swin-S on ImageNet-1k at 224, 300 epochs.  Paper: 83.0 top-1.  Ours: not trained yet.

    The release's README prints 83.2.
    Cost: not measured.     Command: vitrail train swin_small_in1k --data /path
    """
    return from_scratch("swin_small", drop_path=0.3)


def swin_base_in1k() -> Recipe:
    """Swin-B on ImageNet-1k at 224, 300 epochs.  Paper: 83.3 top-1.  Ours: not trained yet.

    The release's README prints 83.5.
    Cost: not measured.     Command: vitrail train swin_base_in1k --data /path
    """
    return from_scratch("swin_base", accumulate=2, drop_path=0.5)


def swin_base_in1k_384() -> Recipe:
    """Swin-B on ImageNet-1k at 384, 30 epochs, from swin_base_in1k.  Paper: 84.5 top-1.  Ours: not trained yet.

    Drop path 0.5 as in the config; the paper says 0.1.
    Cost: not measured.     Command: vitrail train swin_base_in1k_384 --data /path weights=PATH
    """
    return fine_tune(swin_base_in1k(), batch=1024, size=384, accumulate=2, window=12)


def swin_tiny_c24_in1k() -> Recipe:
    """Swin-T with 24 channels a head on ImageNet-1k at 256, 300 epochs.  Paper: 81.6 top-1.  Ours: not trained yet.

    The companion of the Swin-MLPs: table 10.
    Cost: not measured.     Command: vitrail train swin_tiny_c24_in1k --data /path
    """
    return from_scratch("swin_tiny_c24", size=256, window=8, drop_path=0.2)


def swin_mlp_tiny_c24_in1k() -> Recipe:
    """Swin-MLP-T with 24 channels a head on ImageNet-1k at 256, 300 epochs.  Paper: 79.4 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train swin_mlp_tiny_c24_in1k --data /path
    """
    return from_scratch("swin_mlp_tiny_c24", size=256, window=8, drop_path=0.2)


def swin_mlp_tiny_c12_in1k() -> Recipe:
    """Swin-MLP-T with 12 channels a head on ImageNet-1k at 256, 300 epochs.  Paper: 79.6 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train swin_mlp_tiny_c12_in1k --data /path
    """
    return from_scratch("swin_mlp_tiny_c12", size=256, window=8, drop_path=0.2)


def swin_mlp_tiny_c6_in1k() -> Recipe:
    """Swin-MLP-T with 6 channels a head on ImageNet-1k at 256, 300 epochs.  Paper: 79.7 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train swin_mlp_tiny_c6_in1k --data /path
    """
    return from_scratch("swin_mlp_tiny_c6", size=256, window=8, drop_path=0.2)


def swin_mlp_base_in1k() -> Recipe:
    """Swin-MLP-B on ImageNet-1k at 224, 300 epochs.  Paper: 81.3 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train swin_mlp_base_in1k --data /path
    """
    return from_scratch("swin_mlp_base", drop_path=0.5)


def swin_tiny_in22k() -> Recipe:
    """Swin-T on ImageNet-22k at 224, 90 epochs.  Paper: no figure of its own.  Ours: not trained yet.

    The data folder has the 21 841 classes.
    Cost: not measured.     Command: vitrail train swin_tiny_in22k --data /path
    """
    return pretrain("swin_tiny", drop_path=0.1)


def swin_small_in22k() -> Recipe:
    """Swin-S on ImageNet-22k at 224, 90 epochs.  Paper: no figure of its own.  Ours: not trained yet.

    The data folder has the 21 841 classes.
    Cost: not measured.     Command: vitrail train swin_small_in22k --data /path
    """
    return pretrain("swin_small", drop_path=0.2)


def swin_base_in22k() -> Recipe:
    """Swin-B on ImageNet-22k at 224, 90 epochs.  Paper: no figure of its own.  Ours: not trained yet.

    The data folder has the 21 841 classes.
    Cost: not measured.     Command: vitrail train swin_base_in22k --data /path
    """
    return pretrain("swin_base", drop_path=0.2)


def swin_large_in22k() -> Recipe:
    """Swin-L on ImageNet-22k at 224, 90 epochs.  Paper: no figure of its own.  Ours: not trained yet.

    The data folder has the 21 841 classes.
    Cost: not measured.     Command: vitrail train swin_large_in22k --data /path
    """
    return pretrain("swin_large", drop_path=0.2)


def swin_tiny_in22k_in1k() -> Recipe:
    """Swin-T on ImageNet-1k at 224, 30 epochs, from swin_tiny_in22k.  README: 80.9 top-1.  Ours: not trained yet.

    Paper: no such row.
    Cost: not measured.     Command: vitrail train swin_tiny_in22k_in1k --data /path weights=PATH
    """
    return fine_tune(swin_tiny_in22k(), batch=1024)


def swin_small_in22k_in1k() -> Recipe:
    """Swin-S on ImageNet-1k at 224, 30 epochs, from swin_small_in22k.  README: 83.2 top-1.  Ours: not trained yet.

    Paper: no such row.
    Cost: not measured.     Command: vitrail train swin_small_in22k_in1k --data /path weights=PATH
    """
    return fine_tune(swin_small_in22k(), batch=1024)


def swin_base_in22k_in1k() -> Recipe:
    """Swin-B on ImageNet-1k at 224, 30 epochs, from swin_base_in22k.  Paper: 85.2 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train swin_base_in22k_in1k --data /path weights=PATH
    """
    return fine_tune(swin_base_in22k(), batch=1024, accumulate=2)


def swin_base_in22k_in1k_384() -> Recipe:
    """Swin-B on ImageNet-1k at 384, 30 epochs, from swin_base_in22k.  Paper: 86.4 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train swin_base_in22k_in1k_384 --data /path weights=PATH
    """
    return fine_tune(swin_base_in22k(), batch=1024, size=384, accumulate=2, window=12)


def swin_large_in22k_in1k() -> Recipe:
    """Swin-L on ImageNet-1k at 224, 30 epochs, from swin_large_in22k.  Paper: 86.3 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train swin_large_in22k_in1k --data /path weights=PATH
    """
    return fine_tune(swin_large_in22k(), batch=1024)


def swin_large_in22k_in1k_384() -> Recipe:
    """Swin-L on ImageNet-1k at 384, 30 epochs, from swin_large_in22k.  Paper: 87.3 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train swin_large_in22k_in1k_384 --data /path weights=PATH
    """
    return fine_tune(swin_large_in22k(), batch=1024, size=384, window=12)


RECIPES = (
    swin_tiny_in1k,
    swin_small_in1k,
    swin_base_in1k,
    swin_base_in1k_384,
    swin_tiny_c24_in1k,
    swin_mlp_tiny_c24_in1k,
    swin_mlp_tiny_c12_in1k,
    swin_mlp_tiny_c6_in1k,
    swin_mlp_base_in1k,
    swin_tiny_in22k,
    swin_small_in22k,
    swin_base_in22k,
    swin_large_in22k,
    swin_tiny_in22k_in1k,
    swin_small_in22k_in1k,
    swin_base_in22k_in1k,
    swin_base_in22k_in1k_384,
    swin_large_in22k_in1k,
    swin_large_in22k_in1k_384,
)
