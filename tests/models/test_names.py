from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

import vitrail
from vitrail.errors import InputError
from vitrail.models.catalogue import ROWS, WEIGHTS


def test_patterns():
    assert vitrail.list_models("iwin_*") == [
        "iwin_nano", "iwin_tiny", "iwin_small", "iwin_small_released", "iwin_base", "iwin_large",
        "iwin_lm_nano", "iwin_lm_tiny", "iwin_lm_small", "iwin_lm_base",
    ]  # fmt: skip
    assert "dense_swin_tiny" in vitrail.list_models()
    assert vitrail.list_models("nothing*") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "iwin_tinny"}, "No model is called 'iwin_tinny'. Nearest: iwin_tiny"),
        ({"name": "swin_nano", "windw": 7}, "SwinSpec has no field 'windw'. Nearest: window"),
        ({"name": "swin_nano", "dim": "wide"}, "dim='wide'"),
        ({"name": "swin_nano", "shift": "cyclical"}, "shift='cyclical'.*'cyclic', 'padding' or 'none'"),
        ({"name": "swin_nano", "size": (224,)}, "size=.*height, width"),
        ({"name": "swin_nano", "size": (224, 0)}, "size=.*each from 4 to 16384"),
        ({"name": "swin_nano", "size": "big"}, "size='big'"),
        ({"name": "swin_nano", "num_classes": -1}, "num_classes=-1"),
        ({"name": None}, "No model is called None"),
        ({"name": "IWIN_TINY"}, "Nearest: iwin_tiny"),
        ({"name": "swin_nano", "depths": (2, 2)}, "^heads=\\(1, 2, 4, 8\\) has 4 entries; 2 stages need 2.$"),
        ({"name": "swin_nano", "num_classes": 2.5}, "num_classes=2.5"),
    ],
)
def test_wrong_names_and_values_get_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        vitrail.create_model(**arguments)
    assert "\n" not in str(caught.value)


def test_zero_classes_give_features():
    for name in ("iwin_nano", "swin_nano", "scalablevit_nano", "video_iwin_nano", "video_swin_nano"):
        model = vitrail.create_model(name, num_classes=0, size=64, **({"frames": 4} if "video" in name else {})).eval()
        x = torch.randn(1, 3, *model.input_size)
        assert torch.equal(model(x), model.embed(x))
        assert model(x).shape == (1, 128)


def test_nanos_are_about_a_million_parameters_of_equal_depth_and_width():
    rows = [vitrail.describe(name) for name in ("iwin_nano", "swin_nano", "scalablevit_nano")]
    assert all(0.9e6 < row["parameters"] < 1.1e6 for row in rows)
    assert len({(tuple(row["channels"]), tuple(s["blocks"] for s in row["stages"])) for row in rows}) == 1


def test_descriptions_are_plain_values():
    row = vitrail.describe("swin_nano", size=(96, 64), num_classes=10)
    assert json.loads(json.dumps(row)) == row
    assert isinstance(row["parameters"], int)
    assert isinstance(row["multiply_adds"], int)
    assert row["stages"][0] == {
        "blocks": 2,
        "map": [24, 16],
        "mixers": ["WindowAttention"],
        "heads": 1,
        "windows": [[7, 7]],
        "shifts": [[3, 3]],
    }


def test_descriptions_of_clips():
    row = vitrail.describe("video_iwin_nano", size=(96, 64), num_classes=10, frames=6)
    assert json.loads(json.dumps(row)) == row
    assert row["stages"][1] == {
        "blocks": 2,
        "map": [3, 12, 8],
        "mixers": ["WindowAttention (interleaved)", "DepthwiseConv"],
        "heads": 2,
        "windows": [[3, 7, 7]],
        "shifts": [],
    }
    twice = vitrail.describe("video_iwin_nano", size=(96, 64), num_classes=10, frames=12)
    assert twice["multiply_adds"] > 2 * row["multiply_adds"]  # attention grows with the square of the frames


def test_descriptions_say_what_interleaves_and_what_reach_chose():
    row = vitrail.describe("iwin_nano", size=(64, 64), window="reach")
    assert row["stages"][0]["mixers"] == ["WindowAttention (interleaved)", "DepthwiseConv"]
    assert row["reach"].startswith("iwin_nano at 64x64, window='reach': 8x8 4x4 2x2 1x1 instead of 7x7 7x7 4x4 2x2")


def test_multiply_adds_leave_the_model_as_it_was():
    from vitrail.count import multiply_adds

    model = vitrail.create_model("iwin_nano", 5, size=32).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert (
        multiply_adds(model, (1, 3, 32, 32)) == vitrail.describe("iwin_nano", size=32, num_classes=5)["multiply_adds"]
    )
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_multiply_adds_equal_a_count_by_hand():
    """Swin at 8 x 8 pixels: one window of 2 x 2 tokens in stage 1, of one token in stage 2."""
    row = vitrail.describe(
        "swin_nano", size=(8, 8), num_classes=3, dim=4, depths=(1, 1), heads=(1, 1), mlp_ratio=2.0, window=2
    )
    stem, down, head = 4 * 4 * 48, 8 * 16, 3 * 8
    first = 4 * (4 * 4 * 4 + 2 * 4 * 8) + 2 * 4 * 4 * 4
    second = 4 * 8 * 8 + 2 * 8 * 16 + 2 * 8
    assert row["multiply_adds"] == stem + first + down + second + head


def test_every_weights_row_stands_for_a_model():
    assert all(name.split(".")[0] in ROWS for name in WEIGHTS)
    assert WEIGHTS["video_swin_base.k400_ssv2_224"].spec.window == (16, 7, 7)
    assert WEIGHTS["iwin_small.in1k_384"].spec.heads == (3, 4, 8, 16)
    assert WEIGHTS["iwin_small.in22k_224"].spec.heads == (3, 6, 12, 24)


def test_naming_models_loads_no_torchvision():
    """Half a second at each start of a command, for what only detectors that run need."""
    code = "import sys, vitrail.models.catalogue as c; c.list_models(); print('torchvision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
