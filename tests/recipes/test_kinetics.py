"""Recipes of Kinetics and Something-Something v2 against the papers and releases, typed here once more."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
import torch

from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing, Sampling
from vitrail.data.settings import RandAugment
from vitrail.models.catalogue import create_model
from vitrail.recipes import find, kinetics, kinetics_iwin, kinetics_swin, something_swin
from vitrail.recipes.overrides import apply
from vitrail.recipes.recipe import AdamW, Groups, Videos, from_json, to_json
from vitrail.recipes.run import rate_of
from vitrail.train import optimizer as optimizers
from vitrail.weights.formats import release_keys

MODULES = (kinetics_iwin, kinetics_swin, something_swin)
RECIPES = {function.__name__: function() for module in MODULES for function in module.RECIPES}

# recipe: lr, weight decay, update interval, drop path, window, classes, parameters in all; what is printed
TABLE = {
    "video_iwin_tiny_k400": (1e-3, 0.02, 4, 0.1, None, 400, 29_771_248, (79.1, 93.8)),
    "video_iwin_small_k400": (1e-3, 0.02, 8, 0.1, None, 400, 51_110_896, (80.0, 94.1)),
    "video_swin_tiny_k400": (1e-3, 0.02, 4, 0.1, None, 400, 27_850_470 + 307_600, (78.8, 93.6)),
    "video_swin_small_k400": (1e-3, 0.02, 8, 0.1, None, 400, 49_509_078 + 307_600, (80.6, 94.5)),
    "video_swin_base_k400": (1e-3, 0.05, 8, 0.3, None, 400, 87_638_984 + 410_000, (80.6, 94.6)),
    "video_swin_base_in22k_k400": (3e-4, 0.05, 8, 0.2, None, 400, 87_638_984 + 410_000, (82.7, 95.5)),
    "video_swin_large_in22k_k400": (3e-4, 0.05, 8, 0.2, None, 400, 196_339_116 + 614_800, (83.1, 95.9)),
    "video_swin_large_in22k_384_k400": (3e-4, 0.05, 8, 0.2, (8, 12, 12), 400, None, (84.9, 96.7)),
    "video_swin_base_in22k_k600": (3e-4, 0.05, 8, 0.2, None, 600, 87_638_984 + 615_000, (84.0, 96.5)),
    "video_swin_base_ssv2": (3e-4, 0.05, 8, 0.4, (16, 7, 7), 174, 88_655_688 + 178_350, (69.6, 92.7)),
}
# mmcv's keys of every released config -> the multipliers of rate and decay that each sets
KEYS = {
    "absolute_pos_embed": {"decay": 0.0},
    "relative_position_bias_table": {"decay": 0.0},
    "norm": {"decay": 0.0},
    "backbone": {"rate": 0.1},
}
SMALL = {"dim": 8, "depths": (1, 2), "heads": (1, 2), "frames": 4}
NANO = {
    "video_iwin_nano": (kinetics.RAN, {**SMALL, "kernels": (3, 3)}),
    "video_swin_nano": (kinetics.RAN_WITH_TABLES, {**SMALL, "window": (2, 3, 3)}),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_recipe_is_the_releases_run(name: str) -> None:
    lr, decay, interval, drop_path, window, *_ = TABLE[name]
    recipe, something, side = RECIPES[name], name.endswith("ssv2"), 384 if "384" in name else 224
    assert recipe.model.name == re.sub(r"_(in22k|384|k400|k600|ssv2)", "", name)
    assert recipe.model.size == (side, side)
    assert recipe.model.overrides == {"drop_path": drop_path, **({"window": window} if window else {})}
    assert recipe.optimizer == AdamW(lr, decay, (0.9, 0.999), 1e-8)
    assert recipe.groups == (kinetics.RAN if "iwin" in name else kinetics.RAN_WITH_TABLES)
    assert (recipe.batch, recipe.accumulate) == (8 * 8 * interval, interval)
    assert recipe.epochs == (60 if something else 30)
    assert (recipe.precision, recipe.clip, recipe.average) == ("float16", None, None)
    assert recipe.smoothing == (0.1 if something else 0.0)
    assert recipe.data == (Videos(layout="something") if something else Videos())
    how = "uniform" if something else "interval"
    assert recipe.preprocessing == ClipPreprocessing(Sampling(32, 2, how), 224 / 256)  # type: ignore[arg-type]
    plain = ClipAugment((0.08, 1.0), (3 / 4, 4 / 3), 0.5, None, 0.0, 0.0, 0.0)
    strong = replace(plain, flip=0.0, rand=RandAugment(4, 10 * 7 / 30, 0.0, 1.0), erase=0.25)
    assert recipe.augment == (strong if something else plain)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if "large" not in name or "384" in name])
def test_models_are_those_of_the_printed_rows(name: str) -> None:
    *_, classes, parameters, _ = TABLE[name]
    recipe = RECIPES[name]
    with torch.device("meta"):
        model = create_model(recipe.model.name, classes, recipe.model.size, **recipe.model.overrides)
    found = sum(parameter.numel() for parameter in model.parameters())
    assert found == parameters if parameters else f"{found / 1e6:.1f}" == "200.0"


def hooked(lr: float, epochs: int, length: int) -> list[float]:
    """The rate of every iteration as mmcv's hook goes through a run: by epoch first, by iteration while it is warm."""
    rates, warm = [], 2.5 * length
    for epoch in range(epochs):
        regular = lr * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        for iteration in range(epoch * length, (epoch + 1) * length):
            rates.append(regular * (1 - (1 - iteration / warm) * (1 - 0.1)) if iteration < warm else regular)
    return rates


@pytest.mark.parametrize("name", ["video_iwin_tiny_k400", "video_swin_base_ssv2"])
def test_the_rate_is_the_toolboxs(name: str) -> None:
    recipe = RECIPES[name]
    rate, expected = rate_of(recipe, 6), hooked(recipe.optimizer.lr, recipe.epochs, 6)
    assert [rate(step) for step in range(6 * recipe.epochs)] == pytest.approx(expected, rel=1e-9)
    assert expected[0] == pytest.approx(recipe.optimizer.lr / 10)


def treated(model: torch.nn.Module, groups: Groups, lr: float, decay: float) -> dict[str, tuple[float, float]]:
    """Rate and weight decay of every parameter."""
    found = optimizers.groups(model, decay, groups.exempt, groups.rates)
    optimizer = optimizers.adamw(found, lr, (0.9, 0.999), 1e-8)
    optimizers.set_rate(optimizer, lr)
    of = {id(p): (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]}
    return {name: _rounded(*of[id(parameter)]) for name, parameter in model.named_parameters()}


def by_keys(model: torch.nn.Module, lr: float, decay: float, longest: bool) -> dict[str, tuple[float, float]]:
    """The same by the names in a release's file: of the keys in a name the longest acts, or each does."""
    result = {}
    for path, key in release_keys(model).items():  # type: ignore[arg-type]
        name = key.name if key.name.startswith("cls_head.") else f"backbone.{key.name}"
        keys = sorted((text for text in KEYS if text in name), key=len, reverse=True)
        acting = [KEYS[text] for text in (keys[:1] if longest else keys)]
        rate = math.prod(each.get("rate", 1.0) for each in acting)
        result[path] = _rounded(lr * rate, decay * math.prod(each.get("decay", 1.0) for each in acting))
    return result


def _rounded(rate: float, decay: float) -> tuple[float, float]:
    return round(rate, 12), round(decay, 12)


@pytest.mark.parametrize("name", sorted(NANO))
def test_each_parameter_learns_and_decays_as_the_longest_key_says(name: str) -> None:
    groups, spec = NANO[name]
    model = create_model(name, 5, (32, 32), **spec)
    expected = by_keys(model, 1e-3, 0.02, longest=True)
    assert treated(model, groups, 1e-3, 0.02) == expected
    slow = {"norm.weight", "trunk.stem.norm.weight", *(["trunk.stem.time.table"] if "iwin" in name else [])}
    assert {expected[path] for path in slow} == {(1e-4, 0.02)}
    assert {expected[path] for path in expected if path.endswith("bias.table")} <= {(1e-3, 0.0)}
    assert expected["head.fc.weight"] == expected["head.fc.bias"] == (1e-3, 0.02)


@pytest.mark.parametrize("name", sorted(NANO))
def test_what_the_keys_mean_is_one_override_away(name: str) -> None:
    model = create_model(name, 5, (32, 32), **NANO[name][1])
    text = re.search(r"`(groups=\{.*?\}\})`", kinetics.__doc__ or "")
    assert text
    recipe = apply(RECIPES["video_swin_tiny_k400"], [text[1]])
    assert recipe.groups == kinetics.MEANT and recipe == replace(RECIPES["video_swin_tiny_k400"], groups=kinetics.MEANT)
    expected = by_keys(model, 1e-3, 0.02, longest=False)
    assert treated(model, recipe.groups, 1e-3, 0.02) == expected
    assert expected != by_keys(model, 1e-3, 0.02, longest=True)


def test_recipes_of_before_are_read() -> None:
    recipe = RECIPES["video_swin_tiny_k400"]
    assert from_json(to_json(recipe)) == recipe
    document = json.loads(to_json(find.find("swin_tiny_in1k")))
    del document["schedule"]["warmup_as"]
    assert from_json(json.dumps(document)) == find.find("swin_tiny_in1k")


def test_every_recipe_stands_in_the_table() -> None:
    assert list(RECIPES) == list(TABLE)


@pytest.mark.parametrize("name", RECIPES)
def test_a_docstring_says_what_was_printed(name: str) -> None:
    text = find.RECIPES[name].__doc__ or ""
    first = text.partition("\n")[0]
    assert tuple(map(float, re.findall(r"([\d.]+) top-[15]", first))) == TABLE[name][-1]
    assert "Ours: not trained yet." in first and "Cost: not measured." in text
    assert text.rstrip().endswith(f"vitrail train {name} --data /path weights=PATH")
