from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.errors import InputError
from vitrail.mixers import ScalableAttention, WindowAttention


def mixers(**overrides) -> list[list[torch.nn.Module]]:
    model = vitrail.create_model("scalablevit_nano", size=(64, 64), depths=(2, 3, 4, 2), **overrides)
    return [[block.mix.body for block in stage.blocks] for stage in model.trunk.stages]


def test_blocks_take_turns_and_peg_stands_after_the_first():
    for stage in mixers():
        assert [type(m) for m in stage] == [(WindowAttention, ScalableAttention)[n % 2] for n in range(len(stage))]
    model = vitrail.create_model("scalablevit_nano")
    for stage in model.trunk.stages:
        assert [hasattr(block, "peg") for block in stage.blocks] == [True] + [False] * (len(stage.blocks) - 1)
        assert list(dict(stage.blocks[0].named_children())) == ["mix", "mlp", "peg"]


def test_the_order_of_the_two_swapped():
    assert [type(m) for m in mixers(pattern=("ssa", "window"))[1]] == [
        ScalableAttention, WindowAttention, ScalableAttention,
    ]  # fmt: skip


def test_every_second_block_with_windows_shifts():
    shifts = [m.windows.shift for m in mixers(windows="shifted", pattern=("window",))[2]]
    assert shifts == [None, (3, 3), None, (3, 3)]
    turns = [m.windows.shift for m in mixers(windows="shifted")[2] if isinstance(m, WindowAttention)]
    assert turns == [None, (3, 3)]


def test_the_ratio_changes_the_scale_of_the_last_stage_too():
    plain = vitrail.create_model("scalablevit_small_plain", size=32)
    last = plain.trunk.stages[3].blocks[1].mix.body
    assert last.scale == pytest.approx((512 / 16 * 1.25) ** -0.5)
    assert last.q.out_features == 512


def test_norms_have_their_eps():
    model = vitrail.create_model("scalablevit_nano")
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.LayerNorm):
            assert module.eps == (1e-5 if name.endswith("mix.body.norm") else 1e-6), name


def test_peg_has_no_weight_decay():
    names = vitrail.create_model("scalablevit_nano").no_weight_decay()
    assert names == {f"trunk.stages.{s}.blocks.0.peg.body.conv.weight" for s in range(4)}


def test_reach_needs_a_pattern_without_ssa():
    with pytest.raises(InputError, match="a block of SSA reads the whole map by itself"):
        vitrail.create_model("scalablevit_nano", window="reach")
    model = vitrail.create_model(
        "scalablevit_nano", size=(64, 64), window="reach", pattern=("window",), windows="interleaved"
    )
    first, second = model.trunk.stages[0].blocks
    assert first.links((16, 16)).then(second.links((16, 16))).everywhere
