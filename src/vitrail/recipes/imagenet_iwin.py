"""Iwin (arXiv 2507.18405) on ImageNet, with the settings of its released configs and scripts; `imagenet` has the rest.

Higher resolutions begin from weights at 224 with nothing changed but the window. At 1024 the last stage gains two
convolutions that no weights at 224 have; they begin at random, as in the release.
"""

from __future__ import annotations

from vitrail.recipes.imagenet import fine_tune, from_scratch, pretrain
from vitrail.recipes.recipe import Recipe


def iwin_tiny_in1k() -> Recipe:
    """Iwin-T on ImageNet-1k at 224, 300 epochs.  Paper: 82.0 top-1.  Ours: not trained yet.

    Batch 1024, lr 1e-3, as the README's command and the config make it. The training script has 4096 and thus 4e-3; the
    paper says 512 and 5e-4.
    Cost: not measured.     Command: vitrail train iwin_tiny_in1k --data /path
    """
    return from_scratch("iwin_tiny", drop_path=0.2)


def iwin_small_in1k() -> Recipe:
    """Iwin-S on ImageNet-1k at 224, 300 epochs.  Paper: 83.4 top-1.  Ours: not trained yet.

    Heads 3, 6, 12, 24 as in the paper; the release's ImageNet-1k configs have 3, 4, 8, 16:
    `model.name=iwin_small_released`.
    Cost: not measured.     Command: vitrail train iwin_small_in1k --data /path
    """
    return from_scratch("iwin_small", drop_path=0.3)


def iwin_base_in1k() -> Recipe:
    """Iwin-B on ImageNet-1k at 224, 300 epochs.  Paper: 83.5 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train iwin_base_in1k --data /path
    """
    return from_scratch("iwin_base", accumulate=2, drop_path=0.5)


def iwin_small_in1k_384() -> Recipe:
    """Iwin-S on ImageNet-1k at 384, 30 epochs, from iwin_small_in1k.  Paper: 84.3 top-1.  Ours: not trained yet.

    From the release's weights: `model.name=iwin_small_released`, here and at 512 and 1024.
    Cost: not measured.     Command: vitrail train iwin_small_in1k_384 --data /path weights=PATH
    """
    return fine_tune(iwin_small_in1k(), batch=512, size=384, window=12)


def iwin_small_in1k_512() -> Recipe:
    """Iwin-S on ImageNet-1k at 512, 50 epochs, from iwin_small_in1k.  Paper: 84.4 top-1.  Ours: not trained yet.

    50 epochs with 10 of warm-up, where the paper says 30.
    Cost: not measured.     Command: vitrail train iwin_small_in1k_512 --data /path weights=PATH
    """
    return fine_tune(iwin_small_in1k(), batch=512, size=512, epochs=50, warmup=10, window=16)


def iwin_small_in1k_1024() -> Recipe:
    """Iwin-S on ImageNet-1k at 1024, 30 epochs, from iwin_small_in1k.  README: 83.8 top-1.  Ours: not trained yet.

    Paper: printed figure unreadable in our copy.
    Cost: not measured.     Command: vitrail train iwin_small_in1k_1024 --data /path weights=PATH
    """
    return fine_tune(iwin_small_in1k(), batch=128, size=1024, warmup=10, window=16)


def iwin_base_in1k_384() -> Recipe:
    """Iwin-B on ImageNet-1k at 384, 30 epochs, from iwin_base_in1k.  Paper: 84.9 top-1.  Ours: not trained yet.

    Batch 512 and lr 2e-5 as in the fine-tuning script; the README's command has 1024 in two parts, thus 4e-5.
    Cost: not measured.     Command: vitrail train iwin_base_in1k_384 --data /path weights=PATH
    """
    return fine_tune(iwin_base_in1k(), batch=512, size=384, window=12)


def iwin_base_in1k_512() -> Recipe:
    """Iwin-B on ImageNet-1k at 512, 30 epochs, from iwin_base_in1k.  Paper: 85.1 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train iwin_base_in1k_512 --data /path weights=PATH
    """
    return fine_tune(iwin_base_in1k(), batch=256, size=512, window=16)


def iwin_base_in1k_1024() -> Recipe:
    """Iwin-B on ImageNet-1k at 1024, 30 epochs, from iwin_base_in1k.  Paper: 85.0 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train iwin_base_in1k_1024 --data /path weights=PATH
    """
    return fine_tune(iwin_base_in1k(), batch=256, size=1024, warmup=10, accumulate=4, window=16)


def iwin_small_in22k() -> Recipe:
    """Iwin-S on ImageNet-22k at 224, 90 epochs.  Paper: no figure of its own.  Ours: not trained yet.

    The data folder has the 21 841 classes. Heads 3, 6, 12, 24 in the release too.
    Cost: not measured.     Command: vitrail train iwin_small_in22k --data /path
    """
    return pretrain("iwin_small", drop_path=0.2)


def iwin_base_in22k() -> Recipe:
    """Iwin-B on ImageNet-22k at 224, 90 epochs.  Paper: no figure of its own.  Ours: not trained yet.

    The data folder has the 21 841 classes.
    Cost: not measured.     Command: vitrail train iwin_base_in22k --data /path
    """
    return pretrain("iwin_base", drop_path=0.2, accumulate=8)


def iwin_large_in22k() -> Recipe:
    """Iwin-L on ImageNet-22k at 224, 90 epochs.  Paper: no figure of its own.  Ours: not trained yet.

    The data folder has the 21 841 classes.
    Cost: not measured.     Command: vitrail train iwin_large_in22k --data /path
    """
    return pretrain("iwin_large", drop_path=0.2, accumulate=2)


def iwin_small_in22k_in1k() -> Recipe:
    """Iwin-S on ImageNet-1k at 224, 30 epochs, from iwin_small_in22k.  Paper: no such row.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train iwin_small_in22k_in1k --data /path weights=PATH
    """
    return fine_tune(iwin_small_in22k(), batch=256)


def iwin_base_in22k_in1k() -> Recipe:
    """Iwin-B on ImageNet-1k at 224, 30 epochs, from iwin_base_in22k.  Paper: 85.5 top-1.  Ours: not trained yet.

    The paper fine-tunes all with batch 1024 for 10 to 30 epochs; the scripts only this one with 1024, and all for 30.
    Cost: not measured.     Command: vitrail train iwin_base_in22k_in1k --data /path weights=PATH
    """
    return fine_tune(iwin_base_in22k(), batch=1024, warmup=10)


def iwin_base_in22k_in1k_384() -> Recipe:
    """Iwin-B on ImageNet-1k at 384, 30 epochs, from iwin_base_in22k.  Paper: 86.6 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train iwin_base_in22k_in1k_384 --data /path weights=PATH
    """
    return fine_tune(iwin_base_in22k(), batch=256, size=384, warmup=10, window=12, drop_path=0.5)


def iwin_base_in22k_in1k_512() -> Recipe:
    """Iwin-B on ImageNet-1k at 512, 30 epochs, from iwin_base_in22k.  Paper: 86.1 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train iwin_base_in22k_in1k_512 --data /path weights=PATH
    """
    return fine_tune(iwin_base_in22k(), batch=256, size=512, warmup=10, window=16, drop_path=0.5)


def iwin_base_in22k_in1k_1024() -> Recipe:
    """Iwin-B on ImageNet-1k at 1024, 30 epochs, from iwin_base_in22k.  Paper: 85.6 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train iwin_base_in22k_in1k_1024 --data /path weights=PATH
    """
    return fine_tune(iwin_base_in22k(), batch=256, size=1024, warmup=10, accumulate=4, window=16, drop_path=0.5)


def iwin_large_in22k_in1k() -> Recipe:
    """Iwin-L on ImageNet-1k at 224, 30 epochs, from iwin_large_in22k.  Paper: 86.4 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train iwin_large_in22k_in1k --data /path weights=PATH
    """
    return fine_tune(iwin_large_in22k(), batch=256, warmup=10)


def iwin_large_in22k_in1k_384() -> Recipe:
    """Iwin-L on ImageNet-1k at 384, 30 epochs, from iwin_large_in22k.  Paper: 87.4 top-1.  Ours: not trained yet.

    Cost: not measured.     Command: vitrail train iwin_large_in22k_in1k_384 --data /path weights=PATH
    """
    return fine_tune(iwin_large_in22k(), batch=256, size=384, warmup=10, window=12)


RECIPES = (
    iwin_tiny_in1k,
    iwin_small_in1k,
    iwin_base_in1k,
    iwin_small_in1k_384,
    iwin_small_in1k_512,
    iwin_small_in1k_1024,
    iwin_base_in1k_384,
    iwin_base_in1k_512,
    iwin_base_in1k_1024,
    iwin_small_in22k,
    iwin_base_in22k,
    iwin_large_in22k,
    iwin_small_in22k_in1k,
    iwin_base_in22k_in1k,
    iwin_base_in22k_in1k_384,
    iwin_base_in22k_in1k_512,
    iwin_base_in22k_in1k_1024,
    iwin_large_in22k_in1k,
    iwin_large_in22k_in1k_384,
)
