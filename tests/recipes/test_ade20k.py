"""ADE20K's recipes against the settings of the papers and their releases, typed here once more."""

from __future__ import annotations

import re
from functools import cache

import pytest
import torch

from vitrail.data.pixel_settings import Distortion, Fit, PixelAugment, PixelPreprocessing
from vitrail.insight.dense_figures import DENSE_FIGURES
from vitrail.models.catalogue import create_model
from vitrail.models.segmenters import Segmenter
from vitrail.recipes import ade20k_iwin, ade20k_resnet, ade20k_scalablevit, ade20k_swin, find
from vitrail.recipes.recipe import SGD, AdamW, Pixels, Recipe
from vitrail.recipes.run import rate_of
from vitrail.train import optimizer as optimizers
from vitrail.weights.formats import release_keys

MODULES = (ade20k_iwin, ade20k_swin, ade20k_scalablevit, ade20k_resnet)
RECIPES = {function.__name__: function() for module in MODULES for function in module.RECIPES}
SEMANTIC, UPER = "semantic_fpn", "upernet"
SVIT = "semantic_fpn_scalablevit_small"

# recipe: side, drop path, printed mIoU of one view and of several
TABLE: dict[str, tuple[int, float | None, tuple[float, ...]]] = {
    "upernet_iwin_tiny_ade20k": (512, 0.3, (44.7,)),
    "upernet_iwin_small_ade20k": (512, 0.3, (47.5,)),
    "upernet_iwin_base_ade20k": (512, 0.3, (48.9,)),
    "upernet_swin_tiny_ade20k": (512, 0.3, (44.5, 45.8)),
    "upernet_swin_small_ade20k": (512, 0.3, (47.6, 49.5)),
    "upernet_swin_base_ade20k": (512, 0.3, (48.1, 49.7)),
    "upernet_swin_base_in22k_640_ade20k": (640, 0.3, (50.0, 51.7)),
    "upernet_swin_large_in22k_640_ade20k": (640, 0.3, (52.1, 53.5)),
    "semantic_fpn_swin_tiny_ade20k": (512, 0.2, (41.5,)),
    "semantic_fpn_swin_small_ade20k": (512, 0.2, (45.2,)),
    "semantic_fpn_swin_base_ade20k": (512, 0.2, (46.0,)),
    "semantic_fpn_scalablevit_small_ade20k": (512, 0.2, (44.9,)),
    "semantic_fpn_scalablevit_base_ade20k": (512, 0.5, (48.4,)),
    "semantic_fpn_scalablevit_large_ade20k": (512, 0.5, (49.4,)),
    "upernet_scalablevit_small_ade20k": (512, 0.2, (48.5, 49.4)),
    "upernet_scalablevit_base_ade20k": (512, 0.5, (49.5, 50.4)),
    "upernet_scalablevit_large_ade20k": (512, 0.5, (49.8, 50.7)),
    f"{SVIT}_wsa_ade20k": (512, 0.2, (38.9,)),
    f"{SVIT}_iwsa_ade20k": (512, 0.2, (43.5,)),
    f"{SVIT}_ssa_ade20k": (512, 0.2, (44.4,)),
    f"{SVIT}_ssa_1_ade20k": (512, 0.2, (43.7,)),
    f"{SVIT}_plain_ade20k": (512, 0.2, (41.7,)),
    f"{SVIT}_peg_ade20k": (512, 0.2, (43.2,)),
    f"{SVIT}_lim_ade20k": (512, 0.2, (43.7,)),
    f"{SVIT}_lem_ade20k": (512, 0.2, (41.1,)),
    "semantic_fpn_resnet50_ade20k": (512, None, (36.7,)),
    "semantic_fpn_resnet101_ade20k": (512, None, (38.8,)),
    "semantic_fpn_resnext101_64x4d_ade20k": (512, None, (40.2,)),
    "upernet_resnet101_ade20k_sgd": (512, None, (44.9,)),
}
# of ScalableViT's tables 5 and 7: parameters that each has more or less than the plain classifier (insight.figures)
VARIANTS = {
    "wsa": 30374120 - 32000472,
    "iwsa": 30439400 - 32000472,
    "ssa": 33561544 - 32000472,
    "ssa_1": 31780584 - 32000472,
    "plain": -9600 - 32640,
    "peg": -32640,
    "lim": -9600,
    "lem": 0,
}


@pytest.mark.parametrize("name", TABLE)
def test_a_recipe_is_the_papers_run(name: str) -> None:
    side, drop_path, _ = TABLE[name]
    recipe = RECIPES[name]
    semantic = name.startswith(SEMANTIC)
    optimizer = AdamW(1e-4, 1e-4) if semantic else AdamW(6e-5, 0.01)
    assert recipe.optimizer == (SGD(0.01, 5e-4, 0.9) if name.endswith("sgd") else optimizer)
    assert recipe.model.overrides.get("drop_path") == drop_path and recipe.model.size == (side, side)
    assert (recipe.epochs * (recipe.steps or 0), recipe.batch) == (80_000 if semantic else 160_000, 16)
    assert (recipe.clip, recipe.precision, recipe.average, recipe.accumulate) == (None, "float32", None, 1)
    assert recipe.data == Pixels(layout="ade20k", reduce=True)
    assert recipe.preprocessing == PixelPreprocessing(Fit(4 * side, side), 1)
    assert recipe.augment == PixelAugment(
        (0.5, 2.0), (side, side), 0.75, 10, 0.5, Distortion(32.0, (0.5, 1.5), (0.5, 1.5), 36.0)
    )


@pytest.mark.parametrize("name", TABLE)
def test_the_rate_is_the_toolboxs(name: str) -> None:
    """mmcv's: (1 - n / N)^power, over the warm-up times a factor that rises from `warmup_ratio`."""
    recipe = RECIPES[name]
    whole, lr = recipe.epochs * (recipe.steps or 0), recipe.optimizer.lr
    semantic, end = name.startswith(SEMANTIC), 1e-4 if name.endswith("sgd") else 0.0
    power, warmup = (0.9, 0) if semantic or name.endswith("sgd") else (1.0, 1500)
    rate = rate_of(recipe, recipe.steps or 0)
    for step in (0, 1, 700, 1499, 1500, 20_000, whole // 2, whole - 1):
        regular = (lr - end) * (1 - step / whole) ** power + end
        factor = 1 - (1 - step / warmup) * (1 - 1e-6) if step < warmup else 1.0
        assert rate(step) == pytest.approx(regular * factor, rel=1e-9)


@cache
def built(name: str, overrides: tuple) -> Segmenter:
    with torch.device("meta"):
        model = create_model(name, 150, (512, 512), **dict(overrides))
    assert isinstance(model, Segmenter)
    return model


def model_of(recipe: Recipe) -> Segmenter:
    """Without drop path, which has no parameters, so that few are built."""
    shown = {key: value for key, value in recipe.model.overrides.items() if key != "drop_path"}
    return built(recipe.model.name, tuple(sorted(shown.items())))


def free(recipe: Recipe, model: Segmenter) -> set[str]:
    """What does not decay."""
    groups = optimizers.groups(model, recipe.optimizer.weight_decay, recipe.groups.exempt)
    found = {id(p) for group in groups for p in group["params"] if not group["weight_decay"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in found}


@pytest.mark.parametrize("name", [name for name in TABLE if "_iwin_" in name or "_swin_" in name])
def test_what_does_not_decay_is_what_the_configs_name(name: str) -> None:
    """By the toolbox's own names of the parameters: a part of the name decides."""
    recipe = RECIPES[name]
    model = model_of(recipe)
    words = ("absolute_pos_embed", "relative_position_bias_table", "norm") if recipe.groups.exempt else ()
    keys = release_keys(model)
    named = {path for path, _ in model.named_parameters() if any(word in keys[path].name for word in words)}
    assert free(recipe, model) == named and bool(named) == name.startswith(UPER)


@pytest.mark.parametrize("name", [name for name in TABLE if "_iwin_" not in name and "_swin_" not in name])
def test_a_model_of_the_other_rows_is_built_and_all_of_it_decays(name: str) -> None:
    assert free(RECIPES[name], model_of(RECIPES[name])) == set()


def test_models_are_those_of_the_printed_rows() -> None:
    expected = {figure.name: figure.parameters for figure in DENSE_FIGURES}
    plain = sum(parameter.numel() for parameter in model_of(RECIPES[f"{SVIT}_ade20k"]).parameters())
    for name, recipe in RECIPES.items():
        if recipe.model.name in expected and name.removesuffix("_ade20k") == recipe.model.name:
            assert sum(p.numel() for p in model_of(recipe).parameters()) == expected[recipe.model.name]
    for variant, more in VARIANTS.items():
        model = model_of(RECIPES[f"{SVIT}_{variant}_ade20k"])
        assert sum(parameter.numel() for parameter in model.parameters()) - plain == more, variant


def test_every_recipe_stands_in_the_table() -> None:
    assert list(RECIPES) == list(TABLE)


@pytest.mark.parametrize("name", RECIPES)
def test_a_docstring_says_what_was_printed(name: str) -> None:
    text = find.RECIPES[name].__doc__ or ""
    first = text.partition("\n")[0]
    printed = re.findall(r"([\d.]+) (?:mIoU|with several views)", first)
    assert tuple(map(float, printed)) == TABLE[name][2]
    assert " on ADE20K." in first and "Ours: not trained yet." in first and "Cost: not measured." in text
    assert text.rstrip().endswith(f"vitrail train {name} --data /path weights=PATH")
