from __future__ import annotations

import pytest
import torch
from torch import nn

from vitrail.heads.fpn import FPN

CHANNELS, STRIDES = (4, 6, 8, 10), (4, 8, 16, 32)
SIZES = ((19, 27), (10, 14), (5, 7), (3, 4))


def maps() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, c, *size, requires_grad=True) for c, size in zip(CHANNELS, SIZES, strict=True)]


@pytest.mark.parametrize(
    ("start", "extra", "strides", "sizes"),
    [
        (0, "pool", (4, 8, 16, 32, 64), (*SIZES, (2, 2))),
        (1, "input", (8, 16, 32, 64, 128), (*SIZES[1:], (2, 2), (1, 1))),
        (0, None, (4, 8, 16, 32), SIZES),
    ],
)
def test_levels(start, extra, strides, sizes):
    neck = FPN(CHANNELS, STRIDES, 5, start, extra)
    found = neck(maps())
    assert neck.strides == strides
    assert [tuple(x.shape) for x in found] == [(2, 5, *size) for size in sizes]


def test_top_down_sums_equal_a_slow_loop():
    neck = FPN(CHANNELS, STRIDES, 3)
    came = maps()
    for output in neck.outputs:
        nn.init.dirac_(output.weight)  # leaves what it reads
    found = neck(came)
    total = None
    for level in (3, 2, 1, 0):
        own = torch.einsum("dc,bchw->bdhw", neck.laterals[level].weight[:, :, 0, 0], came[level])
        if total is not None:
            (h, w), (rows, columns) = total.shape[-2:], own.shape[-2:]
            up = torch.stack([total[:, :, y * h // rows] for y in range(rows)], 2)
            own = own + torch.stack([up[..., x * w // columns] for x in range(columns)], 3)
        total = own
        torch.testing.assert_close(found[level], total, rtol=1e-4, atol=1e-5)


def test_the_sixth_level_reads_the_last_map_itself():
    neck = FPN(CHANNELS, STRIDES, 5, 1, "input")
    came = maps()
    sixth = neck(came)[3]
    sixth.sum().backward()
    assert came[3].grad is not None and all(x.grad is None for x in came[:3])
    assert neck.laterals[2].weight.grad is None
    torch.testing.assert_close(sixth, neck.extras[0](came[3]))
