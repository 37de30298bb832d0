"""SIGKILL at any moment loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import several
import tiny
from vitrail.data.settings import Augment
from vitrail.recipes import run
from vitrail.recipes.recipe import Model, to_json


def test_killed_ten_times_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Five kills at random moments, five while a checkpoint is written, with all that is random switched on."""
    augment = Augment(crop=(0.5, 1.0), flip=0.5, mixup=0.2, cutmix=1.0)
    model = Model("iwin_nano", (32, 32), {**tiny.SPEC, "drop_path": 0.2})
    data = tiny.folders(tmp_path / "data", training=8)
    recipe = tiny.recipe(data, model=model, augment=augment, average=0.9, epochs=40, smoothing=0.1, clip=1.0)
    run.train(recipe, tmp_path / "whole", run.Options("cpu", workers=0))
    (tmp_path / "recipe.json").write_text(to_json(recipe))
    script = str(Path(__file__).with_name("killed.py"))
    said = several.launch(1, script, str(tmp_path / "recipe.json"), str(tmp_path / "killed"), "1", "10", "0")
    kills = json.loads(said[0])
    assert len(kills) == 10
    assert sum(kill["writing"] for kill in kills) >= 5
    steps = [int(kill["last"].removeprefix("step-").removesuffix(".pt")) for kill in kills]
    assert steps == sorted(steps)
    assert any(step % 6 for step in steps)  # an epoch has six
    for name in ("model.safetensors", "best.safetensors", "steps.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not list((tmp_path / "killed").rglob("*.tmp"))
