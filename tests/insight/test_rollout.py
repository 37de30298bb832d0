"""Rollout against the slow way: every block as a dense (T, T) matrix, made position by position, and their product."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

import vitrail
from oracle import meet, pad_grid, padded_slots
from vitrail.errors import InputError
from vitrail.geometry.windows import Windows
from vitrail.insight.attention_share import hand_down
from vitrail.insight.kernel_share import spread
from vitrail.insight.rollout import refusal, rollout
from vitrail.insight.watching import noting
from vitrail.layers.embed import ConvEmbed
from vitrail.layers.merge import AverageMerge, ConvMerge, DepthwiseMerge, PatchMerge
from vitrail.mixers import DepthwiseConv, ScalableAttention, SlidingAttention, Sum, WindowAttention, WindowMLP
from vitrail.models.swin import ShiftThenPad

C = 8
Grid = tuple[int, int]


def evened(matrix: Tensor) -> Tensor:
    return matrix / matrix.sum(-1, keepdim=True)


def positions(grid: Grid) -> list[Grid]:
    return list(itertools.product(range(grid[0]), range(grid[1])))


def kernel_matrix(kernel: Tensor, here: Grid, grid: Grid, stride: int, before: Grid) -> Tensor:
    """(T', T): the shares in which outputs at `here` read inputs on `grid`."""
    found = torch.zeros(here[0] * here[1], grid[0] * grid[1])
    places = {place: number for number, place in enumerate(positions(grid))}
    for number, (row, column) in enumerate(positions(here)):
        for (i, j), share in zip(positions((kernel.shape[0], kernel.shape[1])), kernel.flatten(), strict=True):
            place = (row * stride - before[0] + i, column * stride - before[1] + j)
            if place in places:
                found[number, places[place]] = share
    return evened(found)


def near_matrix(conv: DepthwiseConv, grid: Grid) -> Tensor:
    kernel = conv.conv.weight.abs().mean((0, 1))
    return kernel_matrix(kernel, grid, grid, 1, (kernel.shape[0] // 2, kernel.shape[1] // 2))


def window_matrix(mixer: WindowAttention, x: Tensor) -> Tensor:
    """(T, T) of attention in windows, head by head over the slots of the padded grid."""
    windows, grid, dim = mixer.windows, (x.shape[1], x.shape[2]), x.shape[3]
    if isinstance(mixer, ShiftThenPad):
        lengths, slots, source, together = moved_slots(windows, grid)
        padded = torch.zeros(1, len(slots), dim)
        for number, place in enumerate(source):
            if place is not None:
                padded[0, number] = x[0, place[0], place[1]]
    else:
        front, lengths, slots = padded_slots(windows, grid)
        padded = pad_grid(x, front, lengths)[0].flatten(1, -2)
        along = list(itertools.product(*(range(-f, length - f) for f, length in zip(front, lengths, strict=True))))
        source = [place if slot.real == (True, True) else None for place, slot in zip(along, slots, strict=True)]
        together = torch.tensor([[meet(a, b, windows) for b in slots] for a in slots])
    qkv = padded[0] @ mixer.qkv.weight.T + (0 if mixer.qkv.bias is None else mixer.qkv.bias)
    mean, width = torch.zeros(len(slots), len(slots)), dim // mixer.heads
    for head in range(mixer.heads):
        logits = torch.zeros(len(slots), len(slots))
        if mixer.product:
            q, k = (qkv[:, part * dim + head * width : part * dim + (head + 1) * width] for part in (0, 1))
            logits = q @ k.T * width**-0.5
        if mixer.bias is not None:
            for (i, a), (j, b) in itertools.product(enumerate(slots), repeat=2):
                place = [p - q_ + m - 1 for m, p, q_ in zip(windows.size, a.place, b.place, strict=True)]
                logits[i, j] += mixer.bias.table[place[0] * (2 * windows.size[1] - 1) + place[1], head]
        mean += logits.masked_fill(~together, float("-inf")).softmax(-1) / mixer.heads
    matrix = evened(kept(mean, source, grid))
    if mixer.lem is not None:
        kernel, (a, b) = mixer.lem.conv.weight.abs().mean((0, 1)), (d // 2 for d in mixer.lem.conv.kernel_size)
        inside = torch.zeros(len(slots), len(slots))
        for (i, s), (j, t) in itertools.product(enumerate(slots), repeat=2):
            offset = [q_ - p for p, q_ in zip(s.place, t.place, strict=True)]
            if s.window == t.window and abs(offset[0]) <= a and abs(offset[1]) <= b:
                inside[i, j] = kernel[offset[0] + a, offset[1] + b]
        matrix = (matrix + evened(kept(inside, source, grid))) / 2
    return matrix if mixer.lim is None else (matrix + near_matrix(mixer.lim, grid)) / 2


def moved_slots(windows: Windows, grid: Grid):
    """timm's order, move and then pad: the padded sides, slots, the position that each holds, and who meets whom."""
    axes = []
    for axis, length in enumerate(grid):
        m, shift = windows.size[axis], windows.shift[axis]
        total = -(-length // m) * m
        axes.append(
            [((i + shift) % length if i < length else None, i // m, i % m, i >= total - shift) for i in range(total)]
        )
    every = list(itertools.product(*axes))
    source = [None if None in (a[0], b[0]) else (a[0], b[0]) for a, b in every]
    keys = [(a[1], b[1], a[3], b[3]) for a, b in every]
    together = torch.tensor([[one == other for other in keys] for one in keys])
    slots = [type("Slot", (), {"place": (a[2], b[2]), "window": (a[1], b[1])})() for a, b in every]
    return [len(axis) for axis in axes], slots, source, together


def kept(matrix: Tensor, source: list, grid: Grid) -> Tensor:
    """Slots by slots -> positions by positions, (T, T)."""
    found, where = torch.zeros(grid[0] * grid[1], grid[0] * grid[1]), positions(grid)
    real = [(number, where.index(place)) for number, place in enumerate(source) if place is not None]
    for (i, a), (j, b) in itertools.product(real, repeat=2):
        found[a, b] = matrix[i, j]
    return found


def reduced_matrix(mixer: ScalableAttention, x: Tensor) -> Tensor:
    """(T, T) of SSA: weights of the reduced keys, spread over each key's patch."""
    grid, s = (x.shape[1], x.shape[2]), mixer.reduction
    small = (-(-grid[0] // s), -(-grid[1] // s))
    q = mixer.q(x).flatten(1, 2)[0]
    if s > 1:
        padded = torch.zeros(1, small[0] * s, small[1] * s, x.shape[3])
        padded[:, : grid[0], : grid[1]] = x
        patches = mixer.expand(mixer.reduce(padded.movedim(-1, 1))).flatten(2).mT
        k = mixer.k(nn.functional.gelu(mixer.norm(patches)))[0]
    else:
        k = mixer.kv(x).flatten(1, 2)[0, :, : x.shape[3]]
    weights, width = torch.zeros(len(q), len(k)), q.shape[1] // mixer.heads
    for head in range(mixer.heads):
        part = slice(head * width, (head + 1) * width)
        weights += (q[:, part] @ k[:, part].T * mixer.scale).softmax(-1) / mixer.heads
    if s == 1:
        return weights
    return weights @ kernel_matrix(mixer.reduce.weight.abs().mean((0, 1)), small, grid, s, (0, 0))


def sliding_matrix(mixer: SlidingAttention, x: Tensor) -> Tensor:
    grid, (m, n) = (x.shape[1], x.shape[2]), mixer.size
    q, k, _ = mixer.qkv(x)[0].flatten(0, 1).unflatten(-1, (3, mixer.heads, -1)).unbind(1)
    found = torch.zeros(len(q), len(q))
    for (i, a), head in itertools.product(enumerate(positions(grid)), range(mixer.heads)):
        logits = torch.full((len(q),), float("-inf"))
        for j, b in enumerate(positions(grid)):
            place = (b[0] - a[0] + m // 2, b[1] - a[1] + n // 2)
            if 0 <= place[0] < m and 0 <= place[1] < n:
                logits[j] = q[i, head] @ k[j, head] * mixer.scale + mixer.table[place[0] * n + place[1], head]
        found[i] += logits.softmax(0) / mixer.heads
    return found


def matrix_of(mixer: nn.Module, x: Tensor) -> Tensor:
    """(T, T) of a mixer for one picture's map, (1, H, W, C)."""
    if isinstance(mixer, Sum):
        return torch.stack([matrix_of(each, x) for each in mixer.children()]).mean(0)
    if isinstance(mixer, WindowAttention):
        return window_matrix(mixer, x)
    if isinstance(mixer, ScalableAttention):
        return reduced_matrix(mixer, x)
    if isinstance(mixer, SlidingAttention):
        return sliding_matrix(mixer, x)
    if isinstance(mixer, DepthwiseConv):
        return near_matrix(mixer, (x.shape[1], x.shape[2]))
    return matrix_of(mixer.mixer, mixer.norm(x))  # a mixer that brings its norm


def down_matrix(down: nn.Module, grid: Grid) -> Tensor:
    here = (-(-grid[0] // 2), -(-grid[1] // 2))
    if isinstance(down, ConvMerge | DepthwiseMerge):
        return kernel_matrix(down.conv.weight.abs().mean((0, 1)), here, grid, 2, (0, 0))
    if isinstance(down, AverageMerge):
        return kernel_matrix(torch.ones(2, 2), here, grid, 2, (0, 0))
    if isinstance(down, ConvEmbed):
        return kernel_matrix(down.project.weight.abs().mean((0, 1)), here, grid, 2, (1, 1))
    assert isinstance(down, PatchMerge)
    dim, kernel = down.reduce.in_features // 4, torch.zeros(2, 2)
    for number, (row, column) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        kernel[row, column] = down.reduce.weight[:, number * dim : (number + 1) * dim].abs().mean()
    return kernel_matrix(kernel, here, grid, 2, (0, 0))


def filled(module: nn.Module) -> nn.Module:
    """Weights large enough for attention to be far from even."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    return module.eval()


MIXERS = {
    "block": lambda: WindowAttention(C, 2, Windows((2, 3)), bias=True),
    "block_masked": lambda: WindowAttention(C, 2, Windows((3, 3), padding="masked")),
    "conv": lambda: DepthwiseConv(C, (3, 5)),
    "interleaved": lambda: WindowAttention(C, 2, Windows((2, 2), interleaved=True)),
    "interleaved_bias": lambda: WindowAttention(C, 4, Windows((3, 2), interleaved=True), bias=True, qkv_bias=False),
    "larger_than_the_grid": lambda: WindowAttention(C, 2, Windows((7, 7), interleaved=True)),
    "lem": lambda: WindowAttention(C, 2, Windows((3, 3)), local="window"),
    "lim": lambda: WindowAttention(C, 2, Windows((2, 3)), local="map"),
    "shifted": lambda: WindowAttention(C, 2, Windows((3, 2), shift=(1, 1)), bias=True),
    "shifted_by_padding": lambda: WindowAttention(C, 2, Windows((3, 2), shift=(1, 1), padding="masked", wrap=False)),
    "shifted_masked": lambda: WindowAttention(C, 2, Windows((3, 2), shift=(1, 1), padding="masked")),
    "shifted_then_padded": lambda: ShiftThenPad(C, 2, Windows((3, 2), shift=(1, 1)), bias=True),
    "sliding": lambda: SlidingAttention(C, 2, (3, 2)),
    "ssa": lambda: ScalableAttention(C, 2, 1.5, 2),
    "ssa_unreduced": lambda: ScalableAttention(C, 2, 1.25, 1),
    "sum": lambda: Sum(WindowAttention(C, 2, Windows((2, 2), interleaved=True)), DepthwiseConv(C, 3)),
    "without_product": lambda: WindowAttention(C, 2, Windows((3, 2), shift=(1, 1)), bias=True, product=False),
}


@pytest.mark.parametrize("grid", [(4, 6), (5, 3)])
@pytest.mark.parametrize("name", sorted(MIXERS))
@torch.no_grad()
def test_mixers_against_the_slow_way(name: str, grid: Grid) -> None:
    mixer, x = filled(MIXERS[name]()), torch.randn(1, *grid, C, generator=torch.Generator().manual_seed(1))
    tokens = grid[0] * grid[1]
    with noting(mixer.modules(), inputs=True) as noted:
        mixer(x.expand(tokens, -1, -1, -1))
    rows = hand_down(mixer, noted, torch.eye(tokens).view(tokens, *grid)).flatten(1)
    torch.testing.assert_close(rows, matrix_of(mixer, x), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(rows.sum(1), torch.ones(tokens))
    assert name in ("conv",) or (rows.amax(1) > 1.5 / (rows > 0).sum(1)).any()  # it is no even average


@torch.no_grad()
def test_pictures_of_a_batch_and_windows_in_parts_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    mixer, x = filled(MIXERS["shifted_masked"]()), torch.randn(3, 5, 4, C)
    relevance = torch.rand(3, 5, 4)
    together = hand_down(mixer, {mixer: x}, relevance)
    monkeypatch.setattr("vitrail.insight.attention_share.AT_ONCE", 200)
    for one in range(3):
        alone = hand_down(mixer, {mixer: x[one : one + 1]}, relevance[one : one + 1])
        torch.testing.assert_close(alone[0], together[one])
    whole, parts = MIXERS["ssa"](), []
    for at_once in (2**20, 8):
        monkeypatch.setattr("vitrail.insight.attention_share.AT_ONCE", at_once)
        parts.append(hand_down(whole, {whole: x}, relevance))
    torch.testing.assert_close(*parts)


SMALL = {"depths": (1, 2), "heads": (1, 2), "dim": 8, "window": 3, "mlp_ratio": 2.0}
IWIN = {**SMALL, "kernels": (3, 5)}
SCALABLE = {**SMALL, "depths": (2, 2), "ratios": (1.5, 1.0), "reductions": (2, 1)}
NETWORKS = {
    "iwin": ("iwin_nano", IWIN),
    "iwin_average": ("iwin_nano", {**IWIN, "down": "average"}),
    "iwin_dense": ("dense_iwin_nano", {**IWIN, "down": "depthwise", "conv_stages": (0,)}),
    "iwin_separate": ("iwin_nano", {**IWIN, "structure": "separate"}),
    "iwin_serial": ("iwin_nano", {**IWIN, "structure": "serial", "down": "merge"}),
    "scalablevit": ("scalablevit_nano", SCALABLE),
    "swin": ("swin_nano", SMALL),
    "swin_as_timm": ("swin_nano", {**SMALL, "rule": "timm"}),
    "swin_sliding": ("swin_nano", {**SMALL, "mixer": "sliding"}),
}


def network(name: str) -> nn.Module:
    row, overrides = NETWORKS[name]
    torch.manual_seed(0)
    return filled(vitrail.create_model(row, None if row.startswith("dense") else 5, (20, 28), **overrides))


@pytest.mark.parametrize("name", sorted(NETWORKS))
@torch.no_grad()
def test_networks_against_the_product_of_dense_matrices(name: str) -> None:
    model, picture = network(name), torch.randn(1, 3, 24, 28)
    whole, grid = None, (6, 7)
    with noting(model.modules(), inputs=True) as noted:
        model.trunk(picture)
    for stage in model.trunk.stages:
        if stage.down is not None:
            whole = down_matrix(stage.down, grid) @ whole
            grid = (-(-grid[0] // 2), -(-grid[1] // 2))
        for block in stage.blocks:
            for branch in block:
                if hasattr(branch.body, "links"):
                    matrix = matrix_of(branch.body, noted[branch.body])
                    matrix = (matrix + torch.eye(len(matrix))) / 2
                    whole = matrix if whole is None else matrix @ whole
    torch.testing.assert_close(rollout(model, picture)[0], whole.mean(0).view(6, 7), rtol=1e-4, atol=1e-7)
    tokens = grid[0] * grid[1]
    each = rollout(model, picture.expand(tokens, -1, -1, -1), torch.eye(tokens).view(tokens, *grid))
    torch.testing.assert_close(each.flatten(1), whole, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(each.sum((1, 2)), torch.ones(tokens))


def test_a_row_stays_within_the_reach_of_the_links() -> None:
    model = network("swin")
    start = torch.zeros(1, 3, 4)
    start[0, 2, 3] = 1
    found = rollout(model, torch.randn(1, 3, 24, 28), start)[0] > 0
    assert 0 < found.sum() < found.numel()
    assert found[5, 6]


def test_who_is_refused() -> None:
    with torch.device("meta"):
        mlp = vitrail.create_model("swin_mlp_tiny_c24", size=256)
        clips = vitrail.create_model("video_swin_nano")
        alone = vitrail.create_model("iwin_nano", attention="none")
    assert "has WindowMLP, which is no attention" in (refusal(mlp) or "")
    assert "model of clips" in (refusal(clips) or "")
    assert "has no attention" in (refusal(alone) or "")
    with pytest.raises(InputError, match="no attention"):
        rollout(mlp, torch.zeros(1, 3, 256, 256))
    with pytest.raises(InputError, match="own networks"):
        rollout(nn.Conv2d(3, 3, 1), torch.zeros(1, 3, 8, 8))
    with pytest.raises(InputError, match="WindowMLP has none"):
        hand_down(WindowMLP(C, 2, Windows((2, 2))), {}, torch.zeros(1, 4, 4))
    with pytest.raises(InputError, match="wanted that of the last map"):
        rollout(network("swin"), torch.zeros(1, 3, 24, 28), torch.zeros(1, 2, 2))


def test_what_a_kernel_cannot_share_it_shares_evenly() -> None:
    found = spread(torch.ones(1, 2, 2), (4, 5), torch.zeros(2, 2), stride=2)
    assert found[0, :, :4].tolist() == [[0.25] * 4] * 4
    assert found[0, :, 4].tolist() == [0.0] * 4  # the last column is read by nobody
