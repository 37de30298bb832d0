from __future__ import annotations

import itertools

import pytest
import torch

from vitrail.mixers import SlidingAttention


@pytest.mark.parametrize(("shape", "size"), [((5,), (3,)), ((4, 5), (3, 4)), ((2, 3, 3), (1, 3, 2))])
def test_equals_a_loop_over_positions(shape, size):
    torch.manual_seed(0)
    module = SlidingAttention(8, 2, size).double()
    torch.nn.init.normal_(module.table)
    x = torch.randn(2, *shape, 8, dtype=torch.float64)
    q, k, v = module.qkv(x).chunk(3, -1)
    expected = torch.zeros_like(x)
    for here in itertools.product(*map(range, shape)):
        around = []
        for place, offset in enumerate(itertools.product(*(range(-(m // 2), (m - 1) // 2 + 1) for m in size))):
            there = tuple(p + o for p, o in zip(here, offset, strict=True))
            if all(0 <= t < s for t, s in zip(there, shape, strict=True)):
                around.append((there, place))
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            at = lambda t, where: t[(slice(None), *where)][:, part]  # noqa: B023, E731
            logits = [(at(q, here) * at(k, there)).sum(-1) / 2 + module.table[place, head] for there, place in around]
            weights = torch.stack(logits).softmax(0)
            y = sum(w[:, None] * at(v, there) for w, (there, _) in zip(weights, around, strict=True))
            expected[(slice(None), *here)][:, part] = y
    torch.testing.assert_close(module(x), module.proj(expected), rtol=1e-10, atol=1e-10)
