"""A run that learns label maps, on pictures that the test draws: from the recipe to the files it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import several
from small_segmenters import BACKBONE, COLOURS, HEADS, squares
from vitrail.data.label_batches import PixelBatches
from vitrail.data.loader import Loader
from vitrail.data.pixel_settings import Fit, PixelAugment, PixelPreprocessing
from vitrail.errors import InputError
from vitrail.recipes import run, segmenting, sources
from vitrail.recipes.find import find
from vitrail.recipes.overrides import apply
from vitrail.recipes.recipe import Model, Pixels, Recipe, to_json
from vitrail.recipes.run import Options
from vitrail.tasks.segment import Segment
from vitrail.train import loop
from vitrail.train.record import read
from vitrail.weights import open_model


def tiny(data: Path, kind: str = "semantic_fpn") -> Recipe:
    return replace(
        find("finetune_pixels"),
        model=Model(f"{kind}_swin_nano", size=(32, 32), overrides={**BACKBONE, **HEADS[kind]}),
        data=Pixels(str(data)),
        epochs=2,
        batch=2,
        preprocessing=PixelPreprocessing(resize=Fit(80, 40)),
        augment=PixelAugment(crop=(32, 32)),
    )


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_a_run_leaves_a_model_numbers_and_pictures(tmp_path: Path, kind: str) -> None:
    data, out = squares(tmp_path / "data"), tmp_path / "run"
    summary = run.train(tiny(data, kind), out, Options("cpu", workers=0))
    assert summary and {"best_mIoU", "mIoU", "aAcc"} <= summary.keys()
    assert all({"loss", "mIoU", "mAcc", "aAcc"} <= row.keys() for row in read(out))
    assert set(segmenting.PICTURES) <= {path.name for path in out.iterdir()}
    model, document = open_model(out / "model.safetensors")
    assert document["classes"] == ["ground", "red", "blue"] and model.num_classes == 3
    assert [tuple(colour) for colour in document["palette"]] == COLOURS
    assert document["preprocessing"]["kind"] == "pixels" and document["preprocessing"]["resize"]["shortest"] == 40
    table = json.loads((out / "per_class.json").read_text())
    assert list(table) == ["ground", "red", "blue"] and set(table["red"]) == {"IoU", "acc", "share"}
    assert np.mean([row["IoU"] for row in table.values()]) == pytest.approx(summary["mIoU"])


def test_a_resumed_run_is_the_run_without_a_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny(squares(tmp_path / "data"))
    whole = run.train(recipe, tmp_path / "whole", Options("cpu", workers=0))

    measured = []

    def stop(*arguments: object) -> object:
        measured.append(1)
        if len(measured) == 2:
            raise KeyboardInterrupt
        return measure(*arguments)

    measure = loop.measure
    monkeypatch.setattr(loop, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        run.train(recipe, tmp_path / "run", Options("cpu", workers=0))
    monkeypatch.undo()
    assert len(read(tmp_path / "run")) == 1
    resumed = run.train(recipe, tmp_path / "run", Options("cpu", workers=0), resume="auto")
    assert whole and resumed and whole["mIoU"] == resumed["mIoU"]
    weights = [open_model(tmp_path / name / "model.safetensors")[0].state_dict() for name in ("whole", "run")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(("kind", "parallel"), [("upernet", "ddp"), ("semantic_fpn", "fsdp")])
def test_two_processes_learn_and_count_every_pixel_once(tmp_path: Path, kind: str, parallel: str) -> None:
    """Five held-out pictures for two processes: the matrices of both add up to what one process finds."""
    data, out = squares(tmp_path / "data", pictures=5), tmp_path / "run"
    (tmp_path / "recipe.json").write_text(to_json(replace(tiny(data, kind), batch=4)))
    given = [str(tmp_path / "recipe.json"), "--out", str(out), "--device", "cpu", "--workers", "0"]
    said = several.launch(2, "-m", "vitrail", "train", *given, "--parallel", parallel)
    assert "epoch 2/2" in said[0], said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["held_out"] == 5
    model = open_model(out / "model.safetensors")[0]
    recipe = tiny(data, kind)
    batches = PixelBatches(sources.open_split(recipe.data)[1], recipe.preprocessing, None, 0)  # type: ignore[arg-type]
    setting = loop.Setting(torch.device("cpu"))
    again = loop.measure(model, Segment(("a", "b", "c")), Loader(batches, 1, False).epoch(0), setting).compute()
    assert {name: summary[name] for name in again} == pytest.approx(again, abs=1e-6)


def test_bad_label_maps_are_named_before_anything_is_written(tmp_path: Path) -> None:
    data = squares(tmp_path / "data")
    Image.fromarray(np.full((40, 52), 3, dtype=np.uint8)).save(data / "labels" / "train" / "0.png")
    Image.fromarray(np.zeros((40, 50), dtype=np.uint8)).save(data / "labels" / "train" / "1.png")
    Image.fromarray(np.zeros((40, 52, 3), dtype=np.uint8)).save(data / "labels" / "val" / "2.png")
    with pytest.raises(InputError) as error:
        run.train(tiny(data), tmp_path / "run", Options("cpu", workers=0))
    for said in ("train/0.png: value 3", "train/1.png: 50 x 40", "val/2.png", "colour"):
        assert said in str(error.value)
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_what_does_not_fit_is_said_before_anything_is_written(tmp_path: Path) -> None:
    data = squares(tmp_path / "data")
    for changed, said in (
        ({"model": Model("swin_nano", (32, 32))}, "upernet_iwin_nano does"),
        ({"model": tiny(data, "upernet").model, "batch": 1}, "2 or more of batch"),
        ({"model": tiny(data, "upernet").model, "accumulate": 2}, "1 is too few"),
    ):
        with pytest.raises(InputError, match=said):
            run.train(replace(tiny(data), **changed), tmp_path / "run", Options("cpu", workers=0))
    with pytest.raises(InputError, match="wants that for pixels"):
        apply(find("demo"), ["data.kind=pixels"])
    with pytest.raises(InputError, match="as ADE20K, Cityscapes or COCO-Stuff"):
        sources.open_split(Pixels())
    assert not (tmp_path / "run").exists()


def test_data_of_label_maps_is_named_and_read_back(tmp_path: Path) -> None:
    recipe = apply(find("finetune_pixels"), ["data.layout=ade20k", "data.reduce=true"])
    assert sources.named("digits", recipe.data) == Pixels("digits", "ade20k", True)  # a folder may be called so
    data = squares(tmp_path / "data")
    training, held_out = sources.open_split(Pixels(str(data)))
    assert len(training) == len(held_out) == 4 and training.classes == ("ground", "red", "blue")
    assert sources.open_split(Pixels(str(data), reduce=True))[0].wanted().startswith("wanted 1 to 3")


def test_worst_keeps_the_maps_of_the_lowest_agreement() -> None:
    truth = torch.zeros(4, 4, dtype=torch.uint8)
    truth[:2] = 1
    wrong = [truth.clone() for _ in range(4)]
    for number, map_ in enumerate(wrong):
        map_.view(-1)[: 3 * number] = 0
    worst = segmenting.Worst(2, most=2)
    for number in (2, 0, 3, 1):
        worst(str(number), wrong[number], truth)
    assert set(worst.found) == {"3", "2"} and worst.found["3"][0] < worst.found["2"][0]
    assert np.array_equal(worst.found["3"][1], wrong[3].numpy())
    worst("none", truth, torch.full_like(truth, 255))
    assert "none" not in worst.found
    same = segmenting.Worst(2, only=frozenset({"0"}))
    for number in (2, 0, 3):
        same(str(number), wrong[number], truth)
    assert list(same.found) == ["0"] and same.found["0"][0] == 1
    ious = [8 / 8, 8 / 8]
    assert segmenting.agreement(truth, truth, 2) == np.mean(ious)
    assert segmenting.agreement(wrong[2], truth, 2) == pytest.approx((2 / 8 + 8 / 14) / 2)
