from __future__ import annotations

import itertools

import pytest
import torch

from oracle import meet, padded_slots
from vitrail.geometry.windows import Windows, cut, join, membership

LAYOUTS = [
    ((5,), Windows((3,))),
    ((12,), Windows((4,), interleaved=True)),
    ((9,), Windows((4,), interleaved=True, by="count")),
    ((9,), Windows((8,), interleaved=True, by="count", padding="masked")),
    ((10,), Windows((4,), by="count")),
    ((5, 7), Windows((3, 2))),
    ((5, 7), Windows((4, 3), interleaved=True)),
    ((5, 7), Windows((3, 3), shift=(1, 1))),
    ((6, 8), Windows((3, 4), shift=(1, 2))),
    ((5, 7), Windows((3, 3), shift=(1, 2), padding="masked")),
    ((5, 7), Windows((3, 3), shift=(1, 2), padding="masked", wrap=False)),
    ((5, 7), Windows((3, 3), shift=(1, 2), wrap=False)),
    ((6, 6), Windows((3, 3), shift=(1, 1), interleaved=True)),
    ((3, 4), Windows((7, 7), padding="masked")),
    ((3, 4), Windows((7, 7), shift=(3, 3))),
    ((3, 5, 4), Windows((2, 3, 2), shift=(1, 0, 1))),
    ((3, 5, 4), Windows((2, 2, 2), interleaved=True, padding="masked")),
    ((3, 5, 4), Windows((1, 2, 3), interleaved=True, by=("count", "size", "size"))),
    ((5, 4), Windows((2, 3), shift=(0, 1), by=("count", "size"))),
]


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(("shape", "size"), [((12,), (3,)), ((4, 6), (2, 3)), ((2, 6, 4), (2, 3, 1))])
def test_join_undoes_cut(shape, size, interleaved):
    x = torch.randn(2, *shape, 3)
    windows = cut(x, size, interleaved)
    assert windows.shape == (2, *(s // m for s, m in zip(shape, size, strict=True)), *size, 3)
    assert torch.equal(join(windows, interleaved), x)


def test_the_swap_of_block_and_interleaved():
    x = torch.arange(6).reshape(1, 6, 1)
    assert cut(x, (3,))[0, :, :, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert cut(x, (3,), interleaved=True)[0, :, :, 0].tolist() == [[0, 2, 4], [1, 3, 5]]


@pytest.mark.parametrize(("shape", "windows"), LAYOUTS)
def test_apply_gives_each_window_its_tokens_and_puts_them_back(shape, windows):
    """Mixing with the identity changes nothing; mixing with a constant per window shows who shares one."""
    x = torch.randn(2, *shape, 3)
    assert torch.equal(windows.apply(lambda tokens, mask: tokens, x), x)

    def number(tokens, mask):
        per_picture = tokens.shape[0] // 2
        return torch.arange(per_picture).repeat(2)[:, None, None].expand(*tokens.shape[:2], 1)

    assert torch.equal(windows.apply(number, x)[1, ..., 0], membership(windows, shape))


@pytest.mark.parametrize(("shape", "windows"), LAYOUTS)
def test_who_meets_whom(shape, windows):
    """The mask, seen through `apply`, is the one worked out position by position."""
    _, _, slots = padded_slots(windows, shape)
    real = [i for i, slot in enumerate(slots) if all(slot.real)]
    order = {i: n for n, i in enumerate(real)}
    total = len(real)
    x = torch.arange(1, total + 1).reshape(1, *shape, 1).double()  # position number + 1, so that padding is 0

    found = torch.zeros(total, total, dtype=torch.bool)

    def note(tokens, mask):
        for window in range(tokens.shape[0]):
            ids = tokens[window, :, 0].long() - 1
            for (p, a), (q, b) in itertools.product(enumerate(ids.tolist()), repeat=2):
                if a >= 0 and b >= 0 and (mask is None or mask[window, p, q]):
                    found[a, b] = True
        return tokens

    windows.apply(note, x)
    for a, b in itertools.product(real, repeat=2):
        assert found[order[a], order[b]] == meet(slots[a], slots[b], windows), (a, b)


def test_several_grids_come_back():
    x = torch.randn(2, 5, 7, 3)
    windows = Windows((3, 3), shift=(1, 1), interleaved=True)
    once, twice = windows.apply(lambda tokens, mask: (tokens, 2 * tokens), x)
    assert torch.equal(once, x)
    assert torch.equal(twice, 2 * x)


def test_no_mask_where_everybody_meets():
    assert Windows((3, 3)).mask((5, 7)) is None
    assert Windows((3, 3), padding="masked").mask((6, 9)) is None
    assert Windows((3, 3), padding="masked").mask((5, 9)) is not None


@pytest.mark.parametrize(
    "arguments",
    [
        {"size": ()},
        {"size": (0, 3)},
        {"size": (3, 3), "shift": (1,)},
        {"size": (3, 3), "shift": (3, 0)},
        {"size": (3, 3), "by": ("size",)},
        {"size": (3, 3), "by": ("size", "counts")},
    ],
)
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(ValueError, match="Windows"):
        Windows(**arguments)


def test_another_number_of_axes_is_refused():
    with pytest.raises(ValueError, match="2 axes were given a grid of 1"):
        Windows((3, 3)).apply(lambda tokens, mask: tokens, torch.ones(1, 6, 2))
