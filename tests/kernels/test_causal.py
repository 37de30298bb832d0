from __future__ import annotations

import pytest
import torch

from vitrail.kernels.causal import causal_attention, recent_attention


def slowly(q, k, v, width):
    """Softmax over the last `width` tokens, one query at a time."""
    rows = []
    for i in range(q.shape[2]):
        first = max(i + 1 - width, 0)
        logits = (q[:, :, i : i + 1] * k[:, :, first : i + 1]).sum(-1) * q.shape[-1] ** -0.5
        rows.append((logits.softmax(-1)[..., None] * v[:, :, first : i + 1]).sum(2))
    return torch.stack(rows, 2)


@pytest.mark.parametrize("length", [1, 3, 4, 5, 8, 9, 23])
@pytest.mark.parametrize("width", [1, 2, 4, 7])
def test_the_last_tokens_against_one_query_at_a_time(length, width):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 3, length, 4, dtype=torch.float64).requires_grad_()
    y = recent_attention(q, k, v, width)
    torch.testing.assert_close(y, slowly(q, k, v, width))
    assert y.shape == q.shape
    if width >= length:
        assert torch.equal(y, causal_attention(q, k, v))


def test_gradients_of_chunks():
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 11, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    weight = torch.randn(1, 2, 11, 3, dtype=torch.float64)
    ours, theirs = (
        torch.autograd.grad((way(q, k, v, 4) * weight).sum(), (q, k, v)) for way in (recent_attention, slowly)
    )
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)
