from __future__ import annotations

import pytest
import torch

from vitrail.geometry.links import Links, all_links, near_links, self_links, window_links
from vitrail.geometry.windows import Windows


def block(grid: int, window: int, kernel: int, serial: bool) -> Links:
    """The links of one Iwin block on a square grid."""
    shape = (grid, grid)
    attend = window_links(Windows((window, window), interleaved=True), shape)
    conv = near_links(shape, kernel // 2, (kernel // 2,) * len(shape))
    own = self_links(shape)
    return (own | conv).then(own | attend) if serial else own | conv | attend


def blocks_until_global(one: Links) -> int:
    links, count = one, 1
    while not links.everywhere:
        links, count = links.then(one), count + 1
    return count


@pytest.mark.parametrize(
    ("grid", "window", "kernel", "parallel", "serial"),
    [
        # the exact minimum number of blocks, as measured for the corrected theorem: G = 8, 4, 2
        (56, 7, 3, 6, 4), (56, 7, 5, 4, 3), (56, 7, 7, 4, 2),
        (16, 4, 3, 4, 2), (16, 4, 5, 3, 2), (16, 4, 7, 2, 1),
        (14, 7, 3, 2, 1), (14, 7, 5, 2, 1), (14, 7, 7, 2, 1),
    ],
)  # fmt: skip
def test_blocks_until_global(grid, window, kernel, parallel, serial):
    assert blocks_until_global(block(grid, window, kernel, serial=False)) == parallel
    assert blocks_until_global(block(grid, window, kernel, serial=True)) == serial


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("window", [2, 3, 4])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_two_parallel_blocks_are_global_exactly_when_the_kernel_spans_two_strides(window, count, kernel):
    one = block(window * count, window, kernel, serial=False)
    assert one.then(one).everywhere == (kernel >= 2 * count - 1)


def random_links(shape: tuple[int, ...], terms: int, seed: int) -> Links:
    generator = torch.Generator().manual_seed(seed)
    return Links(tuple(tuple(torch.rand(s, s, generator=generator) < 0.3 for s in shape) for _ in range(terms)))


def test_algebra_equals_that_of_dense_matrices():
    a, b = random_links((3, 4), 2, seed=0), random_links((3, 4), 3, seed=1)
    assert torch.equal((a | b).dense(), a.dense() | b.dense())
    assert torch.equal(a.then(b).dense(), b.dense().float() @ a.dense().float() > 0)
    assert a.then(b).share() == pytest.approx(a.then(b).dense().double().mean().item(), abs=1e-12)


def test_terms_inside_others_are_dropped():
    shape = (5, 6)
    assert len((self_links(shape) | near_links(shape, 1, 1) | all_links(shape)).terms) == 1


def test_three_axes():
    links = window_links(Windows((2, 2, 2)), (2, 3, 4))
    assert links.dense().shape == (24, 24)
    assert links.share() == pytest.approx(links.dense().double().mean().item())
