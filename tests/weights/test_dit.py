"""FlashDiT and LightningDiT under their releases' names: recognised, asked for what no shape shows, both ways."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import vitrail
from vitrail.errors import InputError
from vitrail.models.spec import Trained
from vitrail.weights import load_weights, open_model
from vitrail.weights.convert import Wanted, convert
from vitrail.weights.formats import LAYOUTS, to_release
from vitrail.weights.recognise import recognise, show

GOLDEN = Path(os.environ.get("VITRAIL_GOLDEN") or Path(__file__).parents[1] / "golden")
CASES = sorted((GOLDEN / "flashdit").glob("*.keys.json"))


def state_of(model) -> dict[str, torch.Tensor]:
    return LAYOUTS["release"].write(model)


def lightning(size=(4, 4), **more):
    torch.manual_seed(0)
    model = vitrail.create_model("lightningdit_nano_1", 3, size, dim=16, depth=2, heads=2, **more)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    return model.eval()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.removesuffix(".keys.json"))
def test_the_releases_files_go_in_and_out(path, tmp_path):
    said = json.loads(Path(str(path).replace(".keys.", ".config.")).read_text())["constructor"]
    drawn = torch.Generator().manual_seed(0)
    state = {key: torch.randn(shape, generator=drawn) for key, shape, _ in json.loads(path.read_text())}
    torch.save({"model": {k: v * 0 for k, v in state.items()}, "ema": state, "steps": 3}, tmp_path / "in.pth")
    fields = {"heads": said["num_heads"], "window": tuple(said["window_size"])}
    if said.get("class_dropout_prob") == 0:
        fields["label_drop"] = 0.0
    report = convert(tmp_path / "in.pth", tmp_path / "ours.safetensors", Wanted(fields=fields))
    assert (report["taken"], report["layout"], report["recognised"].split()[0]) == ("ema", "release", "FlashDiT")
    model, _ = open_model(tmp_path / "ours.safetensors")
    assert model.spec.mlp == ("swiglu" if said.get("use_swiglu") else "gelu")
    assert model.spec.shifts != bool(said.get("wo_shift")) and model.num_classes == 10
    convert(tmp_path / "ours.safetensors", tmp_path / "back.safetensors", Wanted(to="release"))
    back = load_file(tmp_path / "back.safetensors")
    assert back.keys() == state.keys() and all(torch.equal(back[key], value) for key, value in state.items())


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"rope": False, "sines": True},
        {"sines": False, "qk_norm": True, "shifts": False},
        {"mlp": "gelu", "patch": 2, "learn_sigma": True},
    ],
    ids=str,
)
def test_lightningdit_goes_out_and_in(more, tmp_path):
    model = lightning((8, 8), **more)
    torch.save({"model": state_of(model)}, tmp_path / "in.pth")
    fields = {} if "qk_norm" in more else {"heads": 2}
    report = convert(tmp_path / "in.pth", tmp_path / "ours.safetensors", Wanted(fields=fields))
    again, _ = open_model(tmp_path / "ours.safetensors")
    assert again.spec == model.spec and report["recognised"].startswith("LightningDiT")
    assert again.size == (16, 16) if more.get("sines") is False else again.size == (8, 8)
    x, t, labels = torch.randn(2, 3, 8, 8), torch.rand(2), torch.tensor([0, 2])
    assert torch.equal(again(x, t, labels), model(x, t, labels))


def test_what_lightningdit_stores_of_places_is_written_as_the_release_has_it():
    """By its own way of computing: NumPy's meshgrid for sines, float32 frequencies for turns, each pair twice."""
    state = state_of(lightning((4, 4)))
    half, width = 8, 8
    omega = 1.0 / 10000 ** (np.arange(half // 2, dtype=np.float64) / (half / 2))
    column, row = np.meshgrid(np.arange(4.0), np.arange(4.0))  # the column goes first
    rows = [np.outer(axis.ravel(), omega) for axis in (column, row)]
    expected = np.concatenate([f(angles) for angles in rows for f in (np.sin, np.cos)], 1)
    np.testing.assert_allclose(state["pos_embed"].numpy(), expected[None], rtol=0, atol=1e-6)
    frequencies = 1.0 / 10000 ** (torch.arange(0, width // 2, 2).float() / (width // 2))
    angles = torch.outer(torch.arange(4.0), frequencies).repeat_interleave(2, -1)
    both = torch.cat([angles[:, None].expand(4, 4, -1), angles[None].expand(4, 4, -1)], -1).reshape(16, width)
    torch.testing.assert_close(state["feat_rope.freqs_cos"], both.cos())
    torch.testing.assert_close(state["feat_rope.freqs_sin"], both.sin())


def test_places_in_a_file_are_said_to_be_derived_and_another_grid_needs_no_leave():
    model = lightning((4, 4))
    other = lightning((6, 5))
    report = load_weights(other, state_of(model), trained_as=model)
    assert set(report.derived) == {"pos_embed", "feat_rope.freqs_cos", "feat_rope.freqs_sin"}
    assert not report.missing and not report.unexpected and not report.resized
    x, t, labels = torch.randn(1, 3, 6, 5), torch.rand(1), torch.tensor([1])
    assert torch.equal(other(x, t, labels), model(x, t, labels))


def test_no_shape_shows_heads_and_windows():
    model = vitrail.create_model("flashdit_nano_1", 3, dim=16, depth=2, heads=2)
    state = to_release(model)
    with pytest.raises(InputError, match="does not show the heads of flashdit_nano_1: say what it was trained as"):
        load_weights(model, state)
    released = vitrail.create_model("flashdit_nano_1", 3, dim=16, depth=2, heads=2, window=8)
    with pytest.raises(InputError, match=r"trained with windows 8x8, flashdit_nano_1 at \(16, 16\) has 4x4"):
        load_weights(model, state, trained_as=Trained(released.spec, (16, 16), 3))
    with pytest.raises(InputError, match="trained with heads=4"):
        load_weights(model, state, trained_as=vitrail.create_model("flashdit_nano_1", 3, dim=16, depth=2))
    load_weights(model, state, trained_as=Trained(released.spec, (16, 16), 3), new_window=True)
    found = recognise(state)
    assert show(found).hidden == ("heads", "window") and show(found).classes == 3


def test_a_file_that_is_asked_about_names_what_is_wanted(tmp_path):
    model = vitrail.create_model("flashdit_nano_2", 3, dim=16, depth=2, heads=2)
    torch.save(to_release(model), tmp_path / "in.pth")
    with pytest.raises(
        InputError, match=r"heads and window of this FlashDiT \(dim 16, depths 2\); say .*heads=N window=N"
    ):
        convert(tmp_path / "in.pth", tmp_path / "out.safetensors", Wanted())


def test_families_are_not_mixed_up_and_dit_is_not_taken_for_one():
    flash, bolt = vitrail.create_model("flashdit_nano_1", 3, dim=16, depth=1, heads=2), lightning()
    with pytest.raises(InputError, match="The file is FlashDiT in the release's names; lightningdit_nano_1 is Lightn"):
        load_weights(bolt, to_release(flash))
    plain = to_release(lightning(norm="layer", mlp="gelu", rope=False, sines=False))
    assert recognise(plain) is None  # its keys are DiT's, whose time runs to 1000


@pytest.mark.parametrize("name", [n for n in vitrail.list_models("*dit_*") if "nano" not in n and "released" not in n])
def test_every_size_is_known_by_its_shapes(name):
    with torch.device("meta"):
        model = vitrail.create_model(name, 11)
        found = recognise(to_release(model))
    assert found is not None and found.kind is type(model.spec)
    shown = show(found)
    assert shown.classes == 11 and math.isclose(shown.fields["mlp_ratio"], 4.0)
    assert all(getattr(model.spec, key) == value for key, value in shown.fields.items())
