"""ImageNet's recipes against the settings of the releases, typed here once more from their configs and scripts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from vitrail.data.settings import Augment, Preprocessing, RandAugment
from vitrail.models.catalogue import create_model, windows_of
from vitrail.recipes import find, imagenet_iwin, imagenet_resnet, imagenet_scalablevit, imagenet_swin
from vitrail.recipes.recipe import SGD, AdamW, Cosine, Groups, Recipe, Steps

MODULES = (imagenet_iwin, imagenet_swin, imagenet_scalablevit, imagenet_resnet)
RECIPES = {function.__name__: function() for module in MODULES for function in module.RECIPES}

# base lr, warm-up lr and min lr as the configs give them, for 512 pictures; and weight decay
SCRATCH = (5e-4, 5e-7, 5e-6, 0.05)
PRETRAIN = (1.25e-4, 1.25e-7, 1.25e-6, 0.05)
TUNE = (2e-5, 2e-8, 2e-7, 1e-8)

# recipe: size, window, epochs, warm-up, rates, drop path, batch
TABLE = {
    "iwin_tiny_in1k": (224, 7, 300, 20, SCRATCH, 0.2, 1024),
    "iwin_small_in1k": (224, 7, 300, 20, SCRATCH, 0.3, 1024),
    "iwin_base_in1k": (224, 7, 300, 20, SCRATCH, 0.5, 1024),
    "iwin_small_in1k_384": (384, 12, 30, 5, TUNE, 0.3, 64 * 8),
    "iwin_small_in1k_512": (512, 16, 50, 10, TUNE, 0.3, 64 * 8),
    "iwin_small_in1k_1024": (1024, 16, 30, 10, TUNE, 0.3, 16 * 8),
    "iwin_base_in1k_384": (384, 12, 30, 5, TUNE, 0.5, 64 * 8),
    "iwin_base_in1k_512": (512, 16, 30, 5, TUNE, 0.5, 32 * 8),
    "iwin_base_in1k_1024": (1024, 16, 30, 10, TUNE, 0.5, 8 * 8 * 4),
    "iwin_small_in22k": (224, 7, 90, 5, PRETRAIN, 0.2, 4096),
    "iwin_base_in22k": (224, 7, 90, 5, PRETRAIN, 0.2, 4096),
    "iwin_large_in22k": (224, 7, 90, 5, PRETRAIN, 0.2, 256 * 8 * 2),
    "iwin_small_in22k_in1k": (224, 7, 30, 5, TUNE, 0.2, 32 * 8),
    "iwin_base_in22k_in1k": (224, 7, 30, 10, TUNE, 0.2, 128 * 8),
    "iwin_base_in22k_in1k_384": (384, 12, 30, 10, TUNE, 0.5, 32 * 8),
    "iwin_base_in22k_in1k_512": (512, 16, 30, 10, TUNE, 0.5, 32 * 8),
    "iwin_base_in22k_in1k_1024": (1024, 16, 30, 10, TUNE, 0.5, 8 * 8 * 4),
    "iwin_large_in22k_in1k": (224, 7, 30, 10, TUNE, 0.2, 32 * 8),
    "iwin_large_in22k_in1k_384": (384, 12, 30, 10, TUNE, 0.2, 32 * 8),
    "swin_tiny_in1k": (224, 7, 300, 20, SCRATCH, 0.2, 1024),
    "swin_small_in1k": (224, 7, 300, 20, SCRATCH, 0.3, 1024),
    "swin_base_in1k": (224, 7, 300, 20, SCRATCH, 0.5, 1024),
    "swin_base_in1k_384": (384, 12, 30, 5, TUNE, 0.5, 1024),
    "swin_tiny_c24_in1k": (256, 8, 300, 20, SCRATCH, 0.2, 1024),
    "swin_mlp_tiny_c24_in1k": (256, 8, 300, 20, SCRATCH, 0.2, 1024),
    "swin_mlp_tiny_c12_in1k": (256, 8, 300, 20, SCRATCH, 0.2, 1024),
    "swin_mlp_tiny_c6_in1k": (256, 8, 300, 20, SCRATCH, 0.2, 1024),
    "swin_mlp_base_in1k": (224, 7, 300, 20, SCRATCH, 0.5, 1024),
    "swin_tiny_in22k": (224, 7, 90, 5, PRETRAIN, 0.1, 4096),
    "swin_small_in22k": (224, 7, 90, 5, PRETRAIN, 0.2, 4096),
    "swin_base_in22k": (224, 7, 90, 5, PRETRAIN, 0.2, 4096),
    "swin_large_in22k": (224, 7, 90, 5, PRETRAIN, 0.2, 4096),
    "swin_tiny_in22k_in1k": (224, 7, 30, 5, TUNE, 0.1, 1024),
    "swin_small_in22k_in1k": (224, 7, 30, 5, TUNE, 0.2, 1024),
    "swin_base_in22k_in1k": (224, 7, 30, 5, TUNE, 0.2, 1024),
    "swin_base_in22k_in1k_384": (384, 12, 30, 5, TUNE, 0.2, 1024),
    "swin_large_in22k_in1k": (224, 7, 30, 5, TUNE, 0.2, 1024),
    "swin_large_in22k_in1k_384": (384, 12, 30, 5, TUNE, 0.2, 1024),
}
SCALABLE = {"scalablevit_small_in1k": 0.2, "scalablevit_base_in1k": 0.5, "scalablevit_large_in1k": 0.5}
RESNETS = {f"resnet{depth}_in1k{way}" for depth in (50, 101) for way in ("", "_sgd")}
PARTS = {"iwin_large_in22k": 2, "iwin_base_in1k_1024": 4, "iwin_base_in22k_in1k_1024": 4}
PRINTED = {
    "iwin_tiny_in1k": 82.0,
    "iwin_small_in1k": 83.4,
    "iwin_small_in1k_384": 84.3,
    "iwin_small_in1k_512": 84.4,
    "iwin_small_in1k_1024": 83.8,
    "iwin_base_in1k": 83.5,
    "iwin_base_in1k_384": 84.9,
    "iwin_base_in1k_512": 85.1,
    "iwin_base_in1k_1024": 85.0,
    "iwin_base_in22k_in1k": 85.5,
    "iwin_base_in22k_in1k_384": 86.6,
    "iwin_base_in22k_in1k_512": 86.1,
    "iwin_base_in22k_in1k_1024": 85.6,
    "iwin_large_in22k_in1k": 86.4,
    "iwin_large_in22k_in1k_384": 87.4,
    "swin_tiny_in1k": 81.3,
    "swin_small_in1k": 83.0,
    "swin_base_in1k": 83.3,
    "swin_base_in1k_384": 84.5,
    "swin_tiny_in22k_in1k": 80.9,
    "swin_small_in22k_in1k": 83.2,
    "swin_base_in22k_in1k": 85.2,
    "swin_base_in22k_in1k_384": 86.4,
    "swin_large_in22k_in1k": 86.3,
    "swin_large_in22k_in1k_384": 87.3,
    "swin_tiny_c24_in1k": 81.6,
    "swin_mlp_tiny_c24_in1k": 79.4,
    "swin_mlp_tiny_c12_in1k": 79.6,
    "swin_mlp_tiny_c6_in1k": 79.7,
    "swin_mlp_base_in1k": 81.3,
    "scalablevit_small_in1k": 83.1,
    "scalablevit_base_in1k": 84.1,
    "scalablevit_large_in1k": 84.4,
    "resnet50_in1k_sgd": 76.1,  # torchvision's, of its weights IMAGENET1K_V1
    "resnet101_in1k_sgd": 77.4,
}


def window(recipe: Recipe) -> tuple[int, ...]:
    """Of the model's first block."""
    with torch.device("meta"):
        return windows_of(create_model(recipe.model.name, 10, recipe.model.size, **recipe.model.overrides))[0]


@pytest.mark.parametrize("name", TABLE)
def test_a_recipe_is_the_releases_run(name: str) -> None:
    size, side, epochs, warmup, rates, drop_path, batch = TABLE[name]
    lr, start, end = (rate * batch / 512 for rate in rates[:3])  # exact: each batch is a power of two
    recipe = RECIPES[name]
    assert recipe.model.name == re.match(r"(.+?)_in(?:1|22)k", name)[1]  # type: ignore[index]
    assert recipe.model.size == (size, size)
    assert window(recipe) == (side, side)
    assert recipe.model.overrides["drop_path"] == drop_path
    assert (recipe.epochs, recipe.batch) == (epochs, batch)
    assert recipe.optimizer == AdamW(lr=lr, weight_decay=rates[3])
    assert recipe.schedule == Cosine(warmup, start, end)
    assert recipe.preprocessing == (Preprocessing(share=None) if size >= 384 else Preprocessing(share=224 / 256))
    assert recipe.accumulate in (1, 2, 4, 8)
    assert recipe.accumulate == PARTS.get(name, recipe.accumulate)


@pytest.mark.parametrize("name", SCALABLE)
def test_scalablevit_follows_deit(name: str) -> None:
    small, recipe = RECIPES["iwin_tiny_in1k"], RECIPES[name]
    assert recipe.model.overrides == {"drop_path": SCALABLE[name]}
    assert recipe.schedule == Cosine(warmup=5, start=1e-6, end=1e-5, by="epoch", within=True)
    assert replace(recipe, model=small.model, schedule=small.schedule) == small


@pytest.mark.parametrize("name", sorted(RECIPES.keys() - {"resnet50_in1k_sgd", "resnet101_in1k_sgd"}))
def test_all_but_the_classic_share_augmentation_and_groups(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.augment == Augment(
        crop=(0.08, 1.0), flip=0.5, jitter=0.0, rand=RandAugment(2, 9.0, 0.5), erase=0.25, mixup=0.8, cutmix=1.0
    )
    assert (recipe.smoothing, recipe.clip, recipe.precision) == (0.1, 5.0, "bfloat16")
    assert (recipe.groups, recipe.average, recipe.weights) == (Groups(), None, None)


def test_resnets_are_trained_like_swin_and_like_resnets() -> None:
    swin = RECIPES["swin_tiny_in1k"]
    for depth in (50, 101):
        model = f"torchvision/resnet{depth}"
        like = RECIPES[f"resnet{depth}_in1k"]
        assert like.model.name == model
        assert replace(like, model=swin.model) == swin
        classic = RECIPES[f"resnet{depth}_in1k_sgd"]
        assert classic.model.name == model
        assert classic.optimizer == SGD(lr=0.1, weight_decay=1e-4, momentum=0.9)
        assert classic.schedule == Steps(at=(30, 60), factor=0.1)
        assert (classic.epochs, classic.batch, classic.groups.exempt) == (90, 256, ())
        assert classic.augment == Augment(crop=(0.08, 1.0), flip=0.5)
        assert (classic.smoothing, classic.clip, classic.precision) == (0.0, None, "float32")


def test_every_recipe_stands_in_one_table() -> None:
    assert RECIPES.keys() == TABLE.keys() | SCALABLE.keys() | RESNETS


@pytest.mark.parametrize("name", RECIPES)
def test_a_docstring_says_what_it_trains_and_what_was_printed(name: str) -> None:
    text, recipe = find.RECIPES[name].__doc__ or "", RECIPES[name]
    first = text.partition("\n")[0]
    for part in (f" at {recipe.model.size[0]}", f"{recipe.epochs} epochs", "Ours: not trained yet."):
        assert part in first
    assert "Cost: not measured." in text
    assert [float(number) for number in re.findall(r"([\d.]+) top-1", text)] == (
        [PRINTED[name]] if name in PRINTED else []
    )
    tuned = recipe.optimizer.weight_decay == 1e-8
    assert text.rstrip().endswith(f"vitrail train {name} --data /path{' weights=PATH' if tuned else ''}")
    if tuned:
        base = re.search(r", from (\w+)\.", first)
        assert base is not None
        assert RECIPES[base[1]].model.name == recipe.model.name
