"""The releases' key names, from whole lists of their published variants."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

import vitrail
from vitrail.weights import load_weights
from vitrail.weights.formats import DERIVED, to_release

FOLDER = Path(os.environ.get("VITRAIL_GOLDEN") or Path(__file__).parents[1] / "golden") / "keys"
SIZES = {"T": "tiny", "S": "small", "B": "base", "L": "large"}


def model_of(case: str) -> tuple[str, dict] | None:
    """Our name and arguments for a list of keys; None for families that are not built yet."""
    kind, *rest = case.split("_")
    if kind == "flashdit":
        return f"flashdit_{rest[0].lower()}_{rest[1]}", {}
    if case.startswith("scalable_vit"):
        name = "scalablevit_" + rest[1] + ("_plain" if rest[-1] == "0" else "")
        return name, {}
    if kind not in ("iwin", "swin"):
        return None
    if rest[0] == "video":
        return f"video_{kind}_{SIZES[rest[1]]}", {"num_classes": 0}
    if rest[0] == "mlp":
        size = "tiny" if rest[1] == "T" else "base"
        return "_".join(["swin_mlp", size, *(c.lower() for c in rest[2:])]), {"size": 256 if size == "tiny" else 224}
    if rest[0] == "dense":
        return f"dense_{kind}_{SIZES[rest[1]]}", {}
    return f"{kind}_{SIZES[rest[1]]}", {"size": int(rest[2]), "window": int(rest[3][1:])}


LISTS = sorted(path for path in FOLDER.glob("*.keys.json") if model_of(path.name.removesuffix(".keys.json")))


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name.removesuffix(".keys.json"))
def test_every_parameter_has_its_key_and_shape(path):
    name, arguments = model_of(path.name.removesuffix(".keys.json"))
    with torch.device("meta"):
        ours = to_release(vitrail.create_model(name, **arguments))
    document = json.loads(path.read_text())
    keys = document["keys"] if isinstance(document, dict) else document
    theirs = {key: tuple(shape) for key, shape, kind in keys if kind == "param"}
    assert {key: tuple(value.shape) for key, value in ours.items()} == theirs
    assert all(DERIVED.search(key) for key, _, kind in keys if kind != "param")


def test_there_are_lists():
    assert len(LISTS) >= 8


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("iwin_nano", {}),
        ("iwin_nano", {"position": "absolute"}),
        ("swin_nano", {"position": "both"}),
        ("swin_nano", {"mixer": "mlp", "position": "none"}),
        ("scalablevit_nano", {"head": "two_layer", "hidden": 8}),
        ("dense_swin_nano", {"position": "absolute"}),
        ("dense_scalablevit_nano", {}),
        ("video_iwin_nano", {"frames": 8}),
        ("video_swin_nano", {"window": (4, 5, 5)}),
        ("flashdit_nano_1", {}),
        ("flashdit_nano_2", {"mlp": "gelu", "norm": "layer", "shifts": False, "learn_sigma": True}),
        ("flashdit_nano_1", {"qk_norm": True, "label_drop": 0.0}),
        ("lightningdit_nano_1", {"qk_norm": True}),
    ],
)
def test_to_the_release_and_back(name, more):
    """Also on maps that are not square, where positions must keep their rows."""
    model, again = (vitrail.create_model(name, 3, size=(64, 96), **more) for _ in range(2))
    report = load_weights(again, to_release(model), trained_as=model)
    assert len(report.loaded) == len(list(model.parameters()))
    for (key, value), other in zip(model.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(value, other), key
