"""`vitrail export`: runs and names, the JSON beside the file, one line for what does not go."""

from __future__ import annotations

import json

import pytest
import torch

import tiny
from vitrail import weights
from vitrail.models.catalogue import build


@pytest.fixture
def trained(tmp_path):
    """A weights file as training leaves one."""
    torch.manual_seed(0)
    model = build("iwin_nano", 3, (32, 32), **tiny.SPEC)
    path = tmp_path / "colours.safetensors"
    weights.save(path, model, classes=sorted(tiny.COLOURS), preprocessing={"share": None, "mean": [0.5, 0.5, 0.5]})
    return path


def test_a_trained_model(trained, vitrail, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = vitrail("export", trained, "--to", "torch")
    assert (code, err) == (0, ""), err
    assert out.startswith("colours.pt2: ") and "at 224x224, 97x133, 64x300, 37x41, 512x512, batches 1 and 3" in out
    document = json.loads((tmp_path / "colours.pt2.json").read_text())
    assert document["classes"] == sorted(tiny.COLOURS) and document["size"] == [32, 32]
    assert document["preprocessing"]["mean"] == [0.5, 0.5, 0.5] and document["preprocessing"]["share"] is None
    assert document["model"] == "iwin_nano" and document["spec"]["dim"] == 8 and not document["random_weights"]


def test_what_does_not_go_is_one_line(trained, vitrail, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    cases = [
        (["swin_tinny", "--to", "torch"], "No model is called 'swin_tinny'. Nearest: swin_tiny"),
        (["swin_nano", "--to", "tflite"], "the formats are torch, onnx, aoti, openvino"),
        (["empty", "--to", "torch"], "empty is no run: it holds no recipe.json"),
        (["swin_tiny.in1k_224", "--to", "torch"], "swin_tiny.in1k_224"),
        ([trained, "--to", "torch", "--size", "64"], "--size goes with an architecture's name"),
        ([trained, "--to", "torch", "--output", "away/model.pt2"], "its folder does not exist"),
        ([trained, "--to", "openvino", "--precision", "int8"], "--calibrate FOLDER"),
        ([trained, "--to", "openvino", "--calibrate", "empty"], "no pictures in it"),
        ([trained, "--to", "torch", "--calibrate", "empty"], "torch is written in f32"),
    ]
    monkeypatch.setenv("VITRAIL_WEIGHTS", str(tmp_path / "nowhere"))
    for arguments, said in cases:
        code, out, err = vitrail("export", *arguments)
        assert code == 2 and not out and said in err and err.count("\n") == 1, (arguments, out, err)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["colours.safetensors", "empty"]


def test_random_weights_are_said(vitrail, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = vitrail("export", "iwin_nano", "--to", "torch", "--output", "away/model.pt2")
    assert code == 2 and err.splitlines()[0] == "iwin_nano is an architecture: its weights are random."
