from __future__ import annotations

import pytest
import torch

from oracle import pad_grid, padded_slots
from vitrail.geometry.windows import Windows
from vitrail.mixers import WindowMLP


@pytest.mark.parametrize(
    "windows", [Windows((3, 3)), Windows((3, 2), shift=(1, 1), wrap=False), Windows((2, 3), interleaved=True)]
)
def test_equals_a_dense_map_over_the_padded_grid(windows):
    torch.manual_seed(0)
    module = WindowMLP(8, 2, windows).double()
    x = torch.randn(2, 5, 7, 8, dtype=torch.float64)
    front, lengths, slots = padded_slots(windows, (5, 7))
    padded, inside = pad_grid(x, front, lengths)
    tokens = padded.flatten(1, 2)
    expected = torch.zeros_like(tokens)
    flat = lambda slot: slot.place[0] * windows.size[1] + slot.place[1]  # noqa: E731
    for i, a in enumerate(slots):
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            expected[:, i, part] = module.bias[head, flat(a)]
            for j, b in enumerate(slots):
                if a.window == b.window:
                    expected[:, i, part] += module.weight[head, flat(a), flat(b)] * tokens[:, j, part]
    expected = expected.unflatten(1, lengths)[(slice(None), *inside)]
    torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("windows", [Windows((3, 3), padding="masked"), Windows((3, 3), shift=(1, 1))])
def test_windows_that_leave_tokens_out_are_refused(windows):
    with pytest.raises(ValueError, match="WindowMLP takes windows"):
        WindowMLP(8, 2, windows)
