from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.mixers import WindowAttention
from vitrail.models.spec import override
from vitrail.models.swin import VARIANTS, resolve_windows


@pytest.mark.parametrize(
    ("size", "window", "expected"),
    [
        ((224, 224), None, [(7, True), (7, True), (7, True), (7, False)]),
        ((256, 256), None, [(8, True), (8, True), (8, True), (8, False)]),
        ((320, 320), None, [(10, True), (10, True), (10, True), (10, False)]),
        ((384, 384), None, [(12, True), (12, True), (12, True), (12, False)]),
        ((64, 128), 4, [(4, True), (4, True), (4, False), (2, False)]),
    ],
)
def test_windows_and_shifts_follow_the_size_as_in_the_release(size, window, expected):
    spec = override(VARIANTS["swin_tiny"], window=window)
    assert resolve_windows(spec, size) == tuple(((m, m), shift) for m, shift in expected)


def test_dense_backbones_shift_even_a_single_window():
    model = vitrail.create_model("dense_swin_nano", size=(28, 28))
    shifts = [m.windows.shift for m in model.trunk.stages[3].modules() if isinstance(m, WindowAttention)]
    assert shifts == [None, (3, 3)]


def test_two_ways_to_shift_are_one_function():
    """Swin table 5: padding in place of the cyclic shift, on a size that windows divide."""
    cyclic, padded = (
        vitrail.create_model("swin_nano", 5, size=(56, 56), shift=shift) for shift in ("cyclic", "padding")
    )
    padded.load_state_dict(cyclic.state_dict())
    x = torch.randn(2, 3, 56, 56)
    torch.testing.assert_close(padded.eval()(x), cyclic.eval()(x), rtol=1e-4, atol=1e-5)


def test_reach_of_blocks_without_interleaving_is_the_whole_map():
    model = vitrail.create_model("swin_nano", size=(64, 64), window="reach")
    windows = [m.windows for m in model.modules() if isinstance(m, WindowAttention)]
    assert [w.size[0] for w in windows] == [16] * 2 + [8] * 2 + [4] * 6 + [2] * 2
    assert not any(w.shift for w in windows)


def test_what_has_no_weight_decay():
    model = vitrail.create_model("swin_nano", size=(64, 64), position="both")
    names = model.no_weight_decay()
    assert "trunk.stem.position.table" in names
    assert len(names) == 1 + 12
