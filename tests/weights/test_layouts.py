"""Original -> vitrail -> original is the identity, key by key and bit by bit, for every layout."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import originals
import vitrail
from vitrail.layers.merge import PatchMerge
from vitrail.weights import open_model
from vitrail.weights.convert import Wanted, convert
from vitrail.weights.formats import LAYOUTS
from vitrail.weights.formats.mm import from_unfold, to_unfold
from vitrail.weights.recognise import recognise

GOLDEN = Path(os.environ.get("VITRAIL_GOLDEN") or Path(__file__).parents[1] / "golden")
CASES = sorted(
    p for p in GOLDEN.glob("*/*.keys.json") if "micro" in p.name or "_det_" in p.name or "_video_p" in p.name
)
CASES = [path for path in CASES if path.parent.name not in ("keys", "flashdit", "swin_interp")]


def round_trip(tmp_path: Path, state: dict, to: str, wanted: Wanted | None = None, apart: tuple[str, ...] = ()) -> dict:
    """The report of the way in, after the way back was found to be the identity but for the keys `apart`."""
    torch.save({"state_dict": dict(state), "epoch": 3}, tmp_path / "in.pth")
    report = convert(tmp_path / "in.pth", tmp_path / "ours.safetensors", wanted)
    for name in ("back.safetensors", "back.pth"):
        convert(tmp_path / "ours.safetensors", tmp_path / name, Wanted(to=to))
        back = load_file(tmp_path / name) if name.endswith("s") else torch.load(tmp_path / name)
        back = back.get("model", back.get("state_dict", back))
        assert back.keys() == {key for key in state if not key.startswith(apart or ("-",))}
        for key, value in back.items():
            assert value.dtype == state[key].dtype and torch.equal(value, state[key]), key
    return report


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.removesuffix(".keys.json"))
def test_the_papers_releases(path, tmp_path):
    state, config = originals.released(path)
    arguments, fields = config["constructor"], {}
    window = arguments.get("window_size")
    shape = config["inputs"][0]["shape"]
    video = len(shape) == 5
    if "swin" not in path.parent.name:
        fields["heads"] = tuple(arguments["num_heads"])
    if path.parent.name.startswith("iwin_cls"):
        fields["window"] = window
    if video:
        fields |= {"frames": shape[2], "window": tuple(window) if len(window) == 3 else window[0]}
    if "wss" in arguments:
        fields |= {"window": tuple(arguments["wss"]), "ratios": tuple(arguments["c_ratios"])}
    size = tuple(shape[-2:]) if "_det_" not in path.name else None
    report = round_trip(tmp_path, state, "release", Wanted(fields=fields, size=size))
    assert report["layout"] == "release" and not report["left_out"]
    assert report["tensors"] == sum(value.is_floating_point() and "mask" not in key for key, value in state.items())


def test_there_are_cases():
    families = {path.parent.name for path in CASES}
    assert families >= {"iwin_cls", "iwin_dense", "iwin_video", "scalablevit", "swin_cls", "swin_dense", "swin_video"}


@pytest.mark.parametrize("size", [(224, 224), (64, 300)], ids=str)
def test_timm(size, tmp_path):
    state = originals.timm_swin(size).state_dict()
    report = round_trip(tmp_path, state, "timm", Wanted(size=size))
    assert report["rule"]["rule"] == "timm" and report["taken"] == "state_dict"


def test_torchvision(tmp_path):
    state = originals.torchvision_swin().state_dict()
    assert any(key.endswith("relative_position_index") and value.ndim == 1 for key, value in state.items())
    assert round_trip(tmp_path, state, "torchvision")["rule"]["rule"] == "torchvision"


@pytest.mark.parametrize("kind", ["SwinBackbone", "SwinForImageClassification", "SwinModel"])
def test_hugging_face(kind, tmp_path):
    """A model's state dict, the file that it saves, and that file as transformers 4 wrote it, with its indices."""
    model = originals.hugging_face_swin(kind, use_absolute_embeddings=kind == "SwinBackbone")
    report = round_trip(tmp_path, model.state_dict(), "transformers")
    assert report["name"].startswith("dense_") == (kind == "SwinBackbone")
    model.save_pretrained(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    round_trip(tmp_path, saved, "huggingface")
    tables = [key for key in saved if key.endswith("relative_position_bias_table")]
    old = saved | {key.replace("_bias_table", "_index"): originals.index((7, 7)) for key in tables}
    round_trip(tmp_path, old, "huggingface")


@pytest.mark.parametrize("dense", [True, False])
def test_openmmlab(dense, tmp_path):
    heads = ("rpn_head.", "roi_head.") if dense else ()
    report = round_trip(tmp_path, originals.mm_swin(dense), "mm", apart=heads)
    assert len(report["left_out"]) == (4 if dense else 0)
    assert report["classes"] == (0 if dense else 5)
    bare = {key.removeprefix("backbone."): v for key, v in originals.mm_swin().items() if key.startswith("backbone.")}
    assert not round_trip(tmp_path, bare, "mm")["left_out"]


def test_openmmlabs_order_of_merged_channels():
    """Our step down with their weights gives what their own gives, from its description."""
    theirs, ours = originals.fill(originals.UnfoldMerge(3)), PatchMerge(3, 6)
    with torch.no_grad():
        ours.norm.weight.copy_(from_unfold(theirs.norm.weight))
        ours.norm.bias.copy_(from_unfold(theirs.norm.bias))
        ours.reduce.weight.copy_(from_unfold(theirs.reduction.weight))
        x = torch.randn(2, 3, 6, 8)
        torch.testing.assert_close(ours(x.movedim(1, -1)).flatten(1, 2), theirs(x), rtol=1e-5, atol=1e-6)
    assert torch.equal(to_unfold(from_unfold(theirs.reduction.weight)), theirs.reduction.weight)


def test_a_detector_of_the_papers_forks(tmp_path):
    """Release names below `backbone.`, heads beside; a stage that was not read has no output norm."""
    model = originals.fill(vitrail.create_model("dense_swin_nano", size=(64, 64), depths=(1, 1, 1, 1)))
    state = {f"backbone.{key}": value for key, value in LAYOUTS["release"].write(model, "").items()}
    state = {key: value for key, value in state.items() if not key.startswith("backbone.norm0")}
    state |= {"neck.lateral_convs.0.conv.weight": torch.randn(8, 16, 1, 1), "rpn_head.rpn_cls.bias": torch.randn(3)}
    report = round_trip(tmp_path, state, "release", apart=("neck.", "rpn_head."))
    assert len(report["left_out"]) == 2 and report["name"].startswith("dense_swin")
    assert "begin anew: norms.0.weight" in report["changes"][0]


def test_video_with_its_head(tmp_path):
    model = originals.fill(vitrail.create_model("video_swin_nano", 7, (32, 32), frames=4, depths=(1, 1, 1, 1)))
    state = LAYOUTS["release"].write(model, "backbone.")
    assert "cls_head.fc_cls.weight" in state and "backbone.patch_embed.proj.weight" in state
    report = round_trip(tmp_path, state, "release", Wanted(named="video_swin_nano", fields={"depths": (1, 1, 1, 1)}))
    assert report["classes"] == 7


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_files_of_half_precision(dtype, tmp_path):
    state = {key: value.to(dtype) for key, value in originals.timm_swin().state_dict().items()}
    round_trip(tmp_path, state, "timm")


def test_one_layout_becomes_another(tmp_path):
    """torchvision's file in Hugging Face's names gives the same numbers there; all Swin layouts take part."""
    theirs = originals.torchvision_swin()
    save_file(theirs.state_dict(), tmp_path / "tv.safetensors")
    for name in sorted(LAYOUTS):
        convert(tmp_path / "tv.safetensors", tmp_path / f"{name}.safetensors", Wanted(to=name))
        found = recognise(load_file(tmp_path / f"{name}.safetensors"))
        assert found is not None and found.layout.name == name
    other = originals.hugging_face_swin()
    other.load_state_dict(load_file(tmp_path / "transformers.safetensors"))
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(other(x).logits, theirs(x), rtol=0, atol=1e-5)


def test_the_document_says_where_it_came_from(tmp_path):
    import hashlib

    torch.save(originals.timm_swin().state_dict(), tmp_path / "in.pth")
    convert(tmp_path / "in.pth", tmp_path / "ours.safetensors", Wanted(licence="MIT", classes=tuple("abcde")))
    _, document = open_model(tmp_path / "ours.safetensors")
    source = document["source"]
    assert source["sha256"] == hashlib.sha256((tmp_path / "in.pth").read_bytes()).hexdigest()
    assert (source["file"], source["layout"], document["licence"]) == ("in.pth", "timm", "MIT")
    assert document["classes"] == list("abcde") and document["spec"]["rule"] == "timm"
    assert document["changes"] == [] and source["by"].startswith("vitrail ") and source["when"]
    assert json.dumps(document)
