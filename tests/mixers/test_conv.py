from __future__ import annotations

import pytest
import torch

from vitrail.mixers import DepthwiseConv


def test_each_channel_reads_its_neighbourhood():
    conv = DepthwiseConv(2, 3)
    x = torch.randn(1, 4, 5, 2)
    y = conv(x)
    weight, bias = conv.conv.weight, conv.conv.bias
    for channel in range(2):
        expected = (x[0, 0:3, 1:4, channel] * weight[channel, 0]).sum() + bias[channel]
        torch.testing.assert_close(y[0, 1, 2, channel], expected)


def test_an_axis_may_have_a_kernel_of_its_own():
    conv = DepthwiseConv(2, (5, 1, 3))
    assert conv.conv.weight.shape == (2, 1, 5, 1, 3)
    x = torch.randn(1, 4, 3, 6, 2)
    assert conv(x).shape == x.shape
    assert [matrix[0].tolist() for matrix in conv.links((4, 3, 3)).terms[0]] == [
        [True, True, True, False], [True, False, False], [True, True, False],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": 4}, "take 3 or 5"),
        ({"axes": 4}, "1, 2 or 3 axes"),
        ({"kernel": (3, 2)}, "take 1 or 3"),
        ({"kernel": (3, 3, 3, 3)}, "1, 2 or 3 axes"),
    ],
)
def test_impossible_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DepthwiseConv(8, **arguments)
