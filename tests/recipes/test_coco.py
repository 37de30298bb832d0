"""COCO's recipes against the settings of the papers and their releases, typed here once more."""

from __future__ import annotations

import re
from functools import cache
from types import ModuleType

import pytest
import torch

from vitrail.data.settings import CropBranch, DetectionAugment, DetectionPreprocessing, Sides
from vitrail.models.assembled import Assembled
from vitrail.models.catalogue import create_model
from vitrail.models.detectors import Detector
from vitrail.recipes import coco_iwin, coco_resnet, coco_scalablevit, coco_swin, find
from vitrail.recipes.recipe import SGD, AdamW, Boxes, Cosine, Recipe, Steps
from vitrail.recipes.run import rate_of
from vitrail.train import optimizer as optimizers
from vitrail.weights.formats import release_keys

MODULES = (coco_iwin, coco_swin, coco_scalablevit, coco_resnet)
RECIPES = {function.__name__: function() for module in MODULES for function in module.RECIPES}
STEPS = 7330  # of an epoch of COCO 2017, 117 266 pictures with boxes

SWIN = ("adamw", 1e-4, 0.05, "crop", "float16")
TWICE = ("adamw", 2e-4, 0.05, "crop", "float16")
BY_SGD = ("sgd", 0.02, 1e-4, "crop", "float16")
RETINA_1X = ("adamw", 1e-4, 1e-4, "fixed", "float32")
MASK_1X = ("adamw", 2e-4, 1e-4, "fixed", "float32")
LONG = ("adamw", 1e-4, 0.05, "several", "float32")
SGD_1X, SGD_3X = ("sgd", 0.02, 1e-4, "fixed", "float32"), ("sgd", 0.02, 1e-4, "several", "float32")
RETINA_SGD_1X, RETINA_SGD_3X = ("sgd", 0.01, 1e-4, "fixed", "float32"), ("sgd", 0.01, 1e-4, "several", "float32")

# recipe: setting, drop path, printed box and mask AP
TABLE: dict[str, tuple[tuple, float | None, tuple[float, ...]]] = {
    "mask_rcnn_iwin_tiny_coco_1x": (SWIN, 0.1, (42.2, 38.9)),
    "mask_rcnn_iwin_small_coco_1x": (SWIN, 0.2, (43.7, 40.0)),
    "mask_rcnn_iwin_tiny_coco_3x": (SWIN, 0.2, (44.7, 40.9)),
    "mask_rcnn_iwin_small_coco_3x": (SWIN, 0.2, (45.5, 41.0)),
    "cascade_mask_rcnn_iwin_tiny_coco_1x": (SWIN, 0.0, (47.2, 40.9)),
    "cascade_mask_rcnn_iwin_small_coco_1x": (SWIN, 0.0, ()),
    "cascade_mask_rcnn_iwin_tiny_coco_3x": (SWIN, 0.2, (49.4, 42.9)),
    "cascade_mask_rcnn_iwin_small_coco_3x": (SWIN, 0.2, (49.4, 43.0)),
    "mask_rcnn_iwin_tiny_cosine_coco_1x": (SWIN, 0.1, (42.0, 38.7)),
    "mask_rcnn_iwin_tiny_2e4_coco_1x": (TWICE, 0.1, (42.2, 39.1)),
    "mask_rcnn_iwin_tiny_relative_coco_1x": (SWIN, 0.1, (42.9, 39.4)),
    "mask_rcnn_iwin_small_relative_coco_1x": (SWIN, 0.2, (43.5, 40.1)),
    "mask_rcnn_swin_tiny_coco_1x": (SWIN, 0.1, (43.7, 39.8)),
    "mask_rcnn_swin_small_coco_1x": (MASK_1X, 0.2, (44.8, 40.9)),
    "mask_rcnn_swin_tiny_coco_3x": (SWIN, 0.2, (46.0, 41.6)),
    "mask_rcnn_swin_small_coco_3x": (SWIN, 0.2, (48.5, 43.3)),
    "cascade_mask_rcnn_swin_tiny_coco_1x": (SWIN, 0.0, (48.1, 41.7)),
    "cascade_mask_rcnn_swin_tiny_coco_3x": (SWIN, 0.2, (50.4, 43.7)),
    "cascade_mask_rcnn_swin_small_coco_3x": (SWIN, 0.2, (51.9, 45.0)),
    "cascade_mask_rcnn_swin_base_coco_3x": (SWIN, 0.3, (51.9, 45.0)),
    "retinanet_swin_tiny_coco_1x": (RETINA_1X, 0.2, (41.5,)),
    "retinanet_swin_tiny_coco_3x": (LONG, 0.2, (43.9,)),
    "retinanet_swin_small_coco_1x": (RETINA_1X, 0.2, (44.5,)),
    "retinanet_swin_small_coco_3x": (LONG, 0.2, (46.3,)),
    "retinanet_scalablevit_small_coco_1x": (RETINA_1X, 0.2, (45.2,)),
    "retinanet_scalablevit_base_coco_1x": (RETINA_1X, 0.5, (45.8,)),
    "retinanet_scalablevit_large_coco_1x": (RETINA_1X, 0.5, (46.8,)),
    "retinanet_scalablevit_small_coco_3x": (LONG, 0.2, (47.8,)),
    "retinanet_scalablevit_base_coco_3x": (LONG, 0.5, (48.0,)),
    "mask_rcnn_scalablevit_small_coco_1x": (MASK_1X, 0.2, (45.8, 41.7)),
    "mask_rcnn_scalablevit_base_coco_1x": (MASK_1X, 0.5, (46.8, 42.5)),
    "mask_rcnn_scalablevit_large_coco_1x": (MASK_1X, 0.5, (47.6, 42.9)),
    "mask_rcnn_scalablevit_small_coco_3x": (LONG, 0.2, (48.7, 43.6)),
    "mask_rcnn_scalablevit_base_coco_3x": (LONG, 0.5, (49.0, 43.8)),
    "cascade_mask_rcnn_resnet50_coco_3x": (SWIN, None, (46.3, 40.1)),
    "cascade_mask_rcnn_resnet101_coco_3x": (SWIN, None, ()),
    "cascade_mask_rcnn_resnext101_32x4d_coco_3x": (SWIN, None, (48.1, 41.6)),
    "cascade_mask_rcnn_resnext101_64x4d_coco_3x": (SWIN, None, (48.3, 41.7)),
    "cascade_mask_rcnn_resnet50_coco_3x_sgd": (BY_SGD, None, ()),
    "cascade_mask_rcnn_resnet101_coco_3x_sgd": (BY_SGD, None, ()),
    "cascade_mask_rcnn_resnext101_32x4d_coco_3x_sgd": (BY_SGD, None, ()),
    "cascade_mask_rcnn_resnext101_64x4d_coco_3x_sgd": (BY_SGD, None, ()),
    "retinanet_resnet50_coco_1x_sgd": (RETINA_SGD_1X, None, (36.3,)),
    "retinanet_resnet50_coco_3x_sgd": (RETINA_SGD_3X, None, (39.0,)),
    "retinanet_resnet101_coco_1x_sgd": (RETINA_SGD_1X, None, (38.5,)),
    "retinanet_resnet101_coco_3x_sgd": (RETINA_SGD_3X, None, (40.9,)),
    "mask_rcnn_resnet50_coco_1x_sgd": (SGD_1X, None, (38.0, 34.4)),
    "mask_rcnn_resnet50_coco_3x_sgd": (SGD_3X, None, (41.0, 37.1)),
    "mask_rcnn_resnet101_coco_1x_sgd": (SGD_1X, None, (40.4, 36.4)),
    "mask_rcnn_resnet101_coco_3x_sgd": (SGD_3X, None, (42.8, 38.5)),
}
AUGMENTS = {
    "crop": DetectionAugment(
        resize=Sides(480, 800, 32, 1333), crop=CropBranch(0.5, Sides(400, 600, 100, 1333), 384, 600), flip=0.5
    ),
    "several": DetectionAugment(resize=Sides(480, 800, 1, 1333), flip=0.5),
    "fixed": DetectionAugment(resize=Sides(800, 800, 32, 1333), flip=0.5),
}
BODIES = {"resnet50", "resnet101", "resnext101_32x4d", "resnext101_64x4d"}


@pytest.mark.parametrize("name", TABLE)
def test_a_recipe_is_the_papers_run(name: str) -> None:
    (kind, lr, decay, augment, precision), drop_path, _ = TABLE[name]
    recipe = RECIPES[name]
    long = "_3x" in name
    model = re.sub(r"(_cosine|_2e4|_relative)?_coco_\dx(_sgd)?$", "", name)
    body = next((body for body in BODIES if model.endswith(body)), None)
    assert re.sub(r"(timm|torchvision)/", "", recipe.model.name) == model
    assert recipe.model.overrides.get("drop_path") == drop_path
    assert recipe.optimizer == (AdamW(lr, decay) if kind == "adamw" else SGD(lr, decay, 0.9))
    assert (recipe.epochs, recipe.batch, recipe.clip, recipe.precision) == (36 if long else 12, 16, None, precision)
    assert recipe.augment == AUGMENTS[augment]
    assert recipe.preprocessing == DetectionPreprocessing(Sides(800, 800, 32, 1333), 32)
    assert recipe.data == Boxes() and not recipe.data.empty
    assert (recipe.groups.frozen, recipe.groups.still) == ((2, True) if body else (0, False))
    assert (recipe.average, recipe.accumulate, recipe.weights) == (None, 1, None)


@pytest.mark.parametrize("name", TABLE)
def test_the_rate_rises_and_falls_where_it_was_printed(name: str) -> None:
    recipe = RECIPES[name]
    rate, lr = rate_of(recipe, STEPS), recipe.optimizer.lr
    assert rate(0) == pytest.approx(0.001 * lr)
    assert rate(250) == pytest.approx((0.001 + 1) / 2 * lr)
    if isinstance(recipe.schedule, Cosine):  # counted from the first step
        assert rate(6 * STEPS) == pytest.approx(lr / 2)
        assert rate(12 * STEPS - 1) == pytest.approx(0, abs=1e-6 * lr)
        return
    assert isinstance(recipe.schedule, Steps)
    assert rate(500) == lr
    first, second = (8, 11) if recipe.epochs == 12 else (27, 33)
    for epoch, before, after in ((first, 1.0, 0.1), (second, 0.1, 0.01)):
        assert rate(epoch * STEPS - 1) == pytest.approx(before * lr)
        assert rate(epoch * STEPS) == pytest.approx(after * lr)
    assert rate(recipe.epochs * STEPS - 1) == pytest.approx(0.01 * lr)


@cache
def built(name: str, overrides: tuple) -> Detector:
    with torch.device("meta"):
        model = create_model(name, 80, (800, 1280), **dict(overrides))
    assert isinstance(model, Detector)
    return model


def model_of(recipe: Recipe) -> Detector:
    """Without drop path, which has no parameters, so that few are built."""
    shown = {key: value for key, value in recipe.model.overrides.items() if key != "drop_path"}
    return built(recipe.model.name, tuple(sorted(shown.items())))


def exempted(recipe: Recipe, model: Assembled) -> set[str]:
    groups = optimizers.groups(model, recipe.optimizer.weight_decay, recipe.groups.exempt)
    free = {id(p) for group in groups for p in group["params"] if not group["weight_decay"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in free}


@pytest.mark.parametrize("name", [name for name in TABLE if "_iwin_" in name or "_swin_" in name])
def test_what_does_not_decay_is_what_the_configs_name(name: str) -> None:
    """By the toolbox's own names of the parameters: a part of the name decides."""
    recipe = RECIPES[name]
    model = model_of(recipe)
    words = ("absolute_pos_embed", "relative_position_bias_table", "norm") if recipe.groups.exempt else ()
    keys = release_keys(model)
    learning = {path for path, parameter in model.named_parameters() if parameter.requires_grad}
    named = {path for path in learning if any(word in keys[path].name for word in words)}
    assert exempted(recipe, model) == named
    assert bool(named) == bool(recipe.groups.exempt)
    biases = {path for path in learning if path.endswith((".qkv.bias", ".proj.bias", "neck.laterals.0.bias"))}
    assert biases and not biases & named


@pytest.mark.parametrize("name", [name for name in TABLE if "_iwin_" not in name and "_swin_" not in name])
def test_a_model_of_the_other_rows_is_built_and_all_of_it_decays(name: str) -> None:
    recipe = RECIPES[name]
    model = model_of(recipe)
    assert (recipe.groups.exempt, exempted(recipe, model)) == ((), set())
    assert len(model.parts()) >= recipe.groups.frozen


@pytest.mark.parametrize("module", MODULES)
def test_no_text_of_the_exempt_is_dead(module: ModuleType) -> None:
    recipes = [function() for function in module.RECIPES]
    for text in {text for recipe in recipes for text in recipe.groups.exempt}:
        found = [
            optimizers.groups(model_of(recipe), 0.1, (text,))[-1]["weight_decay"] == 0
            for recipe in recipes
            if text in recipe.groups.exempt
        ]
        assert any(found), text


def test_every_recipe_stands_in_the_table() -> None:
    assert list(RECIPES) == list(TABLE)


@pytest.mark.parametrize("name", RECIPES)
def test_a_docstring_says_what_it_trains_and_what_was_printed(name: str) -> None:
    text = find.RECIPES[name].__doc__ or ""
    first = text.partition("\n")[0]
    for part in (" on COCO, ", f"{RECIPES[name].epochs} epochs", "Ours: not trained yet."):
        assert part in first
    assert tuple(float(number) for number in re.findall(r"([\d.]+) (?:box|mask) AP", first)) == TABLE[name][2]
    assert "Cost: not measured." in text
    assert text.rstrip().endswith(f"vitrail train {name} --data /path weights=PATH")
