"""A run that learns what videos show, on drawn clips: from the recipe to the files it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import several
from vitrail.data.clip_batches import ClipBatch
from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing, Sampling
from vitrail.errors import InputError
from vitrail.models.catalogue import create_model
from vitrail.recipes import recognising, run, sources
from vitrail.recipes.find import find
from vitrail.recipes.recipe import Digits, Model, Moving, Recipe, Videos, to_json
from vitrail.recipes.run import Options
from vitrail.tasks.recognise import Recognise
from vitrail.train.record import read
from vitrail.weights import open_model

SPEC = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 2, "frames": 4}


def tiny(name: str = "video_iwin_nano") -> Recipe:
    spec = SPEC if "iwin" in name else {**SPEC, "window": (2, 2, 2)}
    return replace(
        find("finetune_clips"),
        model=Model(name, size=(32, 32), overrides=spec),
        data=Moving(24, frames=6, size=32),
        epochs=1,
        preprocessing=ClipPreprocessing(sampling=Sampling(4, 1)),
        augment=ClipAugment(crop=None, flip=0.0),
    )


@pytest.mark.parametrize("name", ["video_iwin_nano", "video_swin_nano"])
def test_a_run_leaves_a_model_answers_and_pictures(tmp_path: Path, name: str) -> None:
    summary = run.train(tiny(name), tmp_path / "run", Options("cpu", workers=0))
    assert summary and summary["videos"] == 18 and summary["held_out"] == 6
    assert {"loss", "top1", "top5"} <= read(tmp_path / "run")[0].keys()
    assert {*recognising.PICTURES} <= {path.name for path in (tmp_path / "run").iterdir()}
    model, document = open_model(tmp_path / "run" / "model.safetensors")
    assert model.input_size == (4, 32, 32) and document["classes"][0] == "left"
    assert document["preprocessing"]["sampling"] == {"length": 4, "interval": 1, "how": "interval"}


def test_two_processes_learn_and_count_every_clip_once(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(to_json(replace(tiny(), data=Moving(23, frames=6, size=32))))
    out = tmp_path / "run"
    given = [str(tmp_path / "recipe.json"), "--out", str(out), "--device", "cpu", "--workers", "0"]
    assert "epoch 1/1" in several.launch(2, "-m", "vitrail", "train", *given, "--parallel", "fsdp")[0]
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["videos"], summary["held_out"]) == (17, 6)
    rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert len(rows) == 6


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    base = tiny()
    for recipe, said in (
        (replace(base, model=Model("iwin_nano", (32, 32))), "video_iwin_nano is a model of clips"),
        (replace(base, preprocessing=ClipPreprocessing(sampling=Sampling(8, 1))), "model.overrides.frames=8"),
        (replace(base, data=Videos()), "--data moving"),
    ):
        with pytest.raises(InputError, match=said):
            run.train(recipe, tmp_path / "run", Options("cpu", workers=0))
    assert sources.named("moving", Videos()) == Moving() and isinstance(sources.named("digits"), Digits)
    assert not (tmp_path / "run").exists()


def test_views_are_averaged_after_the_softmax() -> None:
    torch.manual_seed(0)
    model = create_model("video_iwin_nano", 3, (32, 32), **SPEC).eval()
    settings = ClipPreprocessing(sampling=Sampling(4, 1))
    views = torch.randint(0, 256, (2, 5, 3, 4, 32, 32), dtype=torch.uint8)
    batch = ClipBatch(views, torch.tensor([0, 1]), settings, ("a", "b"))
    shares = [model(view).softmax(1) for view in batch.views()]
    assert len(shares) == 5 and shares[0].std() > 0
    torch.testing.assert_close(Recognise(3).predict(model, batch).scores, torch.stack(shares).mean(0).detach())
    idle = Recognise(3).idle(model, ("gone",))
    assert not len(idle) and len(Recognise(3).predict(model, idle)) == 1
