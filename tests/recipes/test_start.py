"""What a run begins from: the model follows the weights, the head follows the classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from vitrail import weights
from vitrail.data.clip_settings import ClipPreprocessing, Sampling
from vitrail.data.pixel_settings import Fit, PixelAugment, PixelPreprocessing
from vitrail.data.settings import DetectionAugment, DetectionPreprocessing, Preprocessing, Sides
from vitrail.errors import InputError
from vitrail.models.catalogue import create_model
from vitrail.recipes.begin import begin_from
from vitrail.recipes.finetune import finetune
from vitrail.recipes.finetune_boxes import finetune_boxes
from vitrail.recipes.finetune_clips import finetune_clips
from vitrail.recipes.finetune_pixels import finetune_pixels
from vitrail.recipes.generate import generate
from vitrail.recipes.overrides import apply
from vitrail.recipes.recipe import Model
from vitrail.recipes.start import resolve

NAMES = ["blue", "green", "red"]
SMALL = {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2), "window_size": 2}


@pytest.fixture
def file(tmp_path: Path) -> str:
    torch.manual_seed(1)
    model = create_model("swin_nano", 3, (32, 32), dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 2, 2), window=2)
    path = tmp_path / "swin.safetensors"
    weights.save(path, model, classes=NAMES, preprocessing={"share": None, "interpolation": "bilinear"})
    return str(path)


def test_the_model_and_its_preprocessing_follow_the_weights(file: str) -> None:
    recipe = resolve(apply(finetune(), [f"weights={file}", "model.overrides.drop_path=0.3"]))
    assert (recipe.model.name, recipe.model.size) == ("swin_nano", (32, 32))
    assert recipe.model.overrides["drop_path"] == 0.3
    assert recipe.preprocessing == Preprocessing(share=None, interpolation="bilinear")
    model = create_model("swin_nano", 5, recipe.model.size, **recipe.model.overrides)
    assert "the head begins anew" in begin_from(model, file, ["a", "b", "c", "d", "e"])
    assert resolve(recipe) == recipe


def test_without_weights_it_is_a_small_one_and_a_named_model_stays() -> None:
    assert resolve(finetune()).model == Model("iwin_nano", (96, 96), {"window": 6, "drop_path": 0.1})
    named = apply(finetune(), ["model.name=scalablevit_nano"])
    assert resolve(named) == named


def test_a_model_of_another_task_is_named_before_its_fields() -> None:
    for recipe, name, said in (
        (
            finetune(),
            "flashdit_nano_1",
            "makes pictures, and this recipe is for models that look at pictures; `generate`",
        ),
        (finetune_boxes(), "iwin_lm_nano", "reads text, and this recipe .*; `train_text` trains it"),
        (generate(), "swin_tiny", "swin_tiny makes no pictures; flashdit_nano_1 is a generator"),
        (generate(), "mask_rcnn_iwin_tiny", "makes no pictures"),
        (generate(), "iwin_lm_nano", "makes no pictures"),
    ):
        with pytest.raises(InputError, match=said):
            resolve(dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, name=name)))


def test_a_row_of_the_table_names_its_model_and_where_its_file_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRAIL_WEIGHTS", str(tmp_path))
    recipe = resolve(apply(finetune(), ["weights=iwin_small.in1k_224"]))
    assert (recipe.model.name, recipe.model.size) == ("iwin_small", (224, 224))
    assert recipe.model.overrides["heads"] == (3, 4, 8, 16)
    with pytest.raises(InputError, match=r"iwin_small.in1k_224: not at .*iwin_small.in1k_224.safetensors"):
        weights.locate("iwin_small.in1k_224")
    with pytest.raises(InputError, match=r"No file at swin_tiny.in1k, .* Nearest: swin_tiny.in1k_224"):
        weights.locate("swin_tiny.in1k")


def test_the_head_is_kept_where_the_classes_are_the_same(file: str) -> None:
    made = create_model("swin_nano", 3, (32, 32), dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 2, 2), window=2)
    source = weights.open_model(file)[0]
    assert "the head kept" in begin_from(made, file, NAMES)
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), made.parameters(), strict=True))
    with torch.no_grad():
        made.head.weight.zero_()
    assert "begins anew" in begin_from(made, file, ["red", "green", "blue"])
    assert not made.head.weight.any()


def test_convolutions_that_only_a_larger_size_has_begin_anew(tmp_path: Path) -> None:
    """As Iwin at 1024 from 224: blocks get a convolution, and the paths beside it change."""
    spec = {"dim": 8, "depths": (1, 1, 1, 2), "heads": (1, 1, 2, 2)}
    small = create_model("iwin_nano", 3, (32, 32), **spec, window=(4, 4, 2, 1))
    weights.save(tmp_path / "small.safetensors", small, classes=NAMES)
    large = create_model("iwin_nano", 3, (64, 64), **spec, window=(4, 4, 2, 1))
    line = begin_from(large, str(tmp_path / "small.safetensors"), NAMES)
    assert "8 tensors of new convolutions begin anew" in line
    theirs = weights.formats.to_release(small)
    for name, value in weights.formats.to_release(large).items():
        assert name not in theirs or torch.equal(value, theirs[name]), name
    assert len(weights.formats.to_release(large)) == len(theirs) + 8


def test_another_librarys_model_goes_on_too(tmp_path: Path) -> None:
    name = "timm/swin_tiny_patch4_window7_224"
    one, other = (create_model(name, count, (32, 32), **SMALL) for count in (3, 5))
    weights.save(tmp_path / "timm.safetensors", one, classes=NAMES)
    assert "begins anew" in begin_from(other, str(tmp_path / "timm.safetensors"), list("abcde"))
    a, b = one.state_dict(), other.state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a if "head" not in key)
    recipe = resolve(apply(finetune(), [f"weights={tmp_path / 'timm.safetensors'}"]))
    assert create_model(recipe.model.name, 2, recipe.model.size, **recipe.model.overrides).num_classes == 2
    with pytest.raises(InputError, match="is not the weights of timm"):
        begin_from(create_model("timm/resnet18", 3, (32, 32)), str(tmp_path / "timm.safetensors"), NAMES)


TINY = {"dim": 8, "depths": (1, 1, 1, 1), "heads": (1, 1, 2, 2), "window": 2}


def test_boxes_without_weights_are_found_by_a_small_one_and_a_named_model_stays(tmp_path: Path) -> None:
    recipe = resolve(apply(finetune_boxes(), ["model.size=64", "model.overrides.tower=1", "data.path=here"]))
    assert recipe.model == Model("retinanet_iwin_nano", (64, 64), {"channels": 128, "tower": 1})
    assert recipe.data.path == str(Path("here").absolute())
    named = apply(finetune_boxes(), ["model.name=mask_rcnn_iwin_nano"])
    assert resolve(named) == named and named.model.overrides == {}
    with torch.device("meta"):
        assert create_model(recipe.model.name, 2, recipe.model.size, **recipe.model.overrides).spec.tower == 1


def test_the_detector_and_its_sizes_follow_the_weights(tmp_path: Path) -> None:
    model = create_model("mask_rcnn_swin_nano", 3, (64, 96), **TINY, channels=16, width=16)
    settings = {
        "resize": {"least": 480, "most": 480, "step": 1, "longest": 640},
        "mean": (0.5, 0.4, 0.3),
        "kind": "boxes",
    }
    weights.save(tmp_path / "mask.safetensors", model, classes=NAMES, preprocessing=settings)
    recipe = resolve(
        apply(finetune_boxes(), [f"weights={tmp_path / 'mask.safetensors'}", "model.overrides.drop_path=0.2"])
    )
    assert (recipe.model.name, recipe.model.size) == ("mask_rcnn_swin_nano", (64, 96))
    assert recipe.preprocessing == DetectionPreprocessing(Sides(480, 480, 1, 640), mean=(0.5, 0.4, 0.3))
    assert recipe.augment == DetectionAugment(resize=Sides(384, 576, 48, 960))  # 256 to 384 of 320, as before
    again = create_model(recipe.model.name, 3, recipe.model.size, **recipe.model.overrides)
    assert (
        again.spec.channels == 16
        and again.backbone.spec.drop_path == 0.2
        and again.backbone.spec.depths == (1, 1, 1, 1)
    )
    assert "all heads kept" in begin_from(again, str(tmp_path / "mask.safetensors"), NAMES)
    assert resolve(recipe) == recipe
    weights.save(tmp_path / "plain.safetensors", model, classes=NAMES)  # as converted from the papers' toolbox
    recipe = resolve(apply(finetune_boxes(), [f"weights={tmp_path / 'plain.safetensors'}"]))
    assert recipe.preprocessing == DetectionPreprocessing() and recipe.augment.resize.most == 960
    with pytest.raises(InputError, match="mask_rcnn_swin_nano, which gives no classes of pictures; finetune_boxes"):
        resolve(apply(finetune(), [f"weights={tmp_path / 'mask.safetensors'}"]))


def test_other_weights_get_a_retinanet_on_their_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swin = create_model("swin_nano", 3, (32, 32), **TINY)
    segmenter = create_model("upernet_swin_nano", 3, (64, 64), **TINY, channels=16)
    resnet = create_model("timm/resnet10t", 3, (64, 64))
    files = {
        "swin_nano": (swin, {"preprocessing": {"share": None, "mean": (0.1, 0.2, 0.3)}}),
        "upernet_swin_nano": (segmenter, {}),
        "dense_swin_nano": (segmenter.backbone, {}),
        "timm/resnet10t": (resnet, {}),
    }
    for name, (model, document) in files.items():
        path = tmp_path / "given.safetensors"
        weights.save(path, model, classes=NAMES, **document)
        recipe = resolve(apply(finetune_boxes(), [f"weights={path}", "model.overrides.tower=1"]))
        inner = name.removeprefix("upernet_").removeprefix("dense_")
        assert (recipe.model.name, recipe.model.size) == (f"retinanet_{inner}", (320, 320))
        assert recipe.preprocessing.resize == finetune_boxes().preprocessing.resize
        assert recipe.preprocessing.mean == ((0.1, 0.2, 0.3) if name == "swin_nano" else (0.485, 0.456, 0.406))
        made = create_model(recipe.model.name, 4, recipe.model.size, **recipe.model.overrides)
        assert "neck and heads" in begin_from(made, str(path), list("abcd"))
    monkeypatch.setenv("VITRAIL_WEIGHTS", str(tmp_path))
    row = resolve(apply(finetune_boxes(), ["weights=iwin_small.in1k_224"]))
    assert row.model == Model("retinanet_iwin_small", (320, 320), {"backbone": {"heads": (3, 4, 8, 16)}})


def test_pixels_follow_a_segmenter_or_get_an_upernet(tmp_path: Path) -> None:
    small = resolve(apply(finetune_pixels(), ["model.overrides.auxiliary=0"]))
    assert small.model == Model("upernet_iwin_nano", (256, 256), {"channels": 128, "auxiliary": 0})
    segmenter = create_model("semantic_fpn_swin_nano", 3, (64, 96), **TINY, channels=16, pyramid=16)
    settings = {"resize": {"longest": 600, "shortest": 160}, "mean": (0.5, 0.4, 0.3), "kind": "pixels"}
    path = tmp_path / "given.safetensors"
    weights.save(path, segmenter, classes=NAMES, preprocessing=settings)
    recipe = resolve(apply(finetune_pixels(), [f"weights={path}", "model.overrides.drop_path=0.2"]))
    assert (recipe.model.name, recipe.model.size) == ("semantic_fpn_swin_nano", (64, 96))
    assert recipe.preprocessing == PixelPreprocessing(Fit(600, 160), mean=(0.5, 0.4, 0.3))
    assert recipe.augment == PixelAugment(crop=(128, 128))  # 256 of 320, as before
    again = create_model(recipe.model.name, 3, recipe.model.size, **recipe.model.overrides)
    assert (again.spec.pyramid, again.backbone.spec.drop_path) == (16, 0.2)
    assert "all heads kept" in begin_from(again, str(path), NAMES) and resolve(recipe) == recipe
    weights.save(path, create_model("swin_nano", 3, (32, 32), **TINY), preprocessing={"mean": (0.1, 0.2, 0.3)})
    recipe = resolve(apply(finetune_pixels(), [f"weights={path}", "model.overrides.channels=16"]))
    assert (recipe.model.name, recipe.model.size) == ("upernet_swin_nano", (256, 256))
    assert recipe.preprocessing == PixelPreprocessing(Fit(1280, 320), mean=(0.1, 0.2, 0.3))
    assert recipe.augment == finetune_pixels().augment
    made = create_model(recipe.model.name, 4, recipe.model.size, **recipe.model.overrides)
    assert "neck and heads" in begin_from(made, str(path), list("abcd"))


def test_clips_follow_a_model_of_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = resolve(apply(finetune_clips(), ["model.overrides.dim=16"]))
    assert small.model == Model("video_iwin_nano", (96, 96), {"frames": 8, "window": 6, "dim": 16, "dropout": 0.2})
    model = create_model("video_swin_nano", 3, (32, 48), **{**TINY, "window": (2, 2, 3), "frames": 6})
    settings = ClipPreprocessing(Sampling(6, 3, "uniform"), 0.5, (0.5, 0.4, 0.3))
    path = tmp_path / "given.safetensors"
    weights.save(path, model, classes=NAMES, preprocessing=dataclasses.asdict(settings))
    recipe = resolve(apply(finetune_clips(), [f"weights={path}", "model.overrides.drop_path=0.2"]))
    assert (recipe.model.name, recipe.model.size) == ("video_swin_nano", (32, 48))
    assert recipe.preprocessing == settings and resolve(recipe) == recipe
    again = create_model(recipe.model.name, 3, recipe.model.size, **recipe.model.overrides)
    assert (again.spec.frames, again.spec.window, again.spec.drop_path, again.spec.dropout) == (6, (2, 2, 3), 0.2, 0.2)
    assert "the head kept" in begin_from(again, str(path), NAMES)
    longer = resolve(apply(finetune_clips(), [f"weights={path}", "model.overrides.frames=12"]))
    assert longer.preprocessing == dataclasses.replace(settings, sampling=Sampling(12, 3, "uniform"))
    monkeypatch.setenv("VITRAIL_WEIGHTS", str(tmp_path))
    row = resolve(apply(finetune_clips(), ["weights=video_swin_base.k400_ssv2_224"]))
    assert row.model == Model("video_swin_base", (224, 224), {"window": (16, 7, 7), "dropout": 0.2})
    assert row.preprocessing == ClipPreprocessing(Sampling(32, 2))


def test_clips_follow_a_classifier_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "given.safetensors"
    three = {"dim": 16, "heads": (1, 1, 2, 2), "depths": (2, 1, 2, 1), "window": 3}
    cases: dict[str, tuple[str, tuple[int, int], dict[str, Any]]] = {
        "iwin_nano": ("video_iwin_nano", (40, 24), {**TINY, "window": (4, 4, 2, 2), "kernels": (3, 5, 3, 3)}),
        "swin_nano": ("video_swin_nano", (32, 32), TINY),
        "swin_tiny_c24": ("video_swin_nano", (32, 32), three),  # windows are clamped in the last two stages
    }
    for name, (expected, size, spec) in cases.items():
        torch.manual_seed(0)
        image = create_model(name, 3, size, **spec).eval()
        with torch.no_grad():
            for parameter in image.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
        weights.save(path, image, classes=NAMES, preprocessing={"share": None, "mean": (0.1, 0.2, 0.3)})
        recipe = resolve(apply(finetune_clips(), [f"weights={path}", "preprocessing.sampling.length=4"]))
        assert (recipe.model.name, recipe.model.size) == (expected, size)
        assert recipe.preprocessing == ClipPreprocessing(Sampling(4, 2), mean=(0.1, 0.2, 0.3)), name
        made = create_model(recipe.model.name, 4, recipe.model.size, **recipe.model.overrides).eval()
        assert made.input_size == (4, *size)
        assert "each frame is seen" in begin_from(made, str(path), list("abcd"))
        x = torch.randn(1, 3, *size)
        with torch.no_grad():
            found, wanted = made.embed(x[:, :, None].expand(-1, -1, 4, -1, -1)), image.embed(x)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    monkeypatch.setenv("VITRAIL_WEIGHTS", str(tmp_path))
    row = resolve(apply(finetune_clips(), ["weights=iwin_small.in1k_224"]))
    assert row.model == Model("video_iwin_small", (224, 224), {"heads": (3, 4, 8, 16), "frames": 8, "dropout": 0.2})
    for name in ("dense_iwin_nano", "retinanet_swin_nano", "scalablevit_nano"):
        weights.save(path, create_model(name, 3, (64, 64)), classes=NAMES)
        with pytest.raises(InputError, match=f"holds {name}, from which no model of clips begins: wanted one of clips"):
            resolve(apply(finetune_clips(), [f"weights={path}"]))


def test_a_whole_run_is_tuned_on_other_classes(tmp_path: Path, file: str) -> None:
    from vitrail.recipes import run

    data = tiny.folders(tmp_path / "data")
    (data / "train" / "red").rename(data / "train" / "scarlet")
    (data / "val" / "red").rename(data / "val" / "scarlet")
    recipe = apply(
        finetune(),
        [f"weights={file}", f"data.path={data}", "epochs=1", "batch=4", "groups.frozen=2", "groups.layer_decay=0.7"],
    )
    assert run.train(recipe, tmp_path / "run", run.Options("cpu", workers=0))
    tuned, document = weights.open_model(tmp_path / "run" / "model.safetensors")
    source = weights.open_model(file)[0]
    assert document["classes"] == ["blue", "green", "scarlet"]
    assert torch.equal(tuned.trunk.stem.project.weight, source.trunk.stem.project.weight)
    assert not torch.equal(tuned.trunk.stages[1].down.reduce.weight, source.trunk.stages[1].down.reduce.weight)
