"""Attention inside windows, read from the projected map and written to the map: no token is moved, no mask is loaded.

Letters: B batch, S grid axes, C channels = h·D, h heads, D width of a head, G windows and M tokens of a window along
an axis, P windows of the whole batch (batch slowest), N tokens of a window. In the kernels capitals are constants of
compilation, i numbers queries and j keys among the slots of a window, TILE is N rounded up to a power of two.

A program takes one head of one window: from the numbers of the axes it works out which row of the map each slot is,
whether it is padding, and who was rolled round by the shift. All keys of a window are one tile, so the softmax needs
no second look. The backward adds up in a fixed order, without atomics: the same bits each time.

Imports triton, which only the CUDA and ROCm builds of PyTorch bring: import this file inside a function.
Warps and blocks are a rule by N, untuned: no GPU was at hand.

Source: FlashAttention-2 (arXiv 2307.08691), its backward by the saved logsumexp.
Differs: no loop over keys; sum_j P_ij dP_ij is taken from the row in hand instead of from the output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from vitrail.geometry.windows import Axis, Windows
from vitrail.kernels.attention import plain_attention

INTERPRETED = triton.knobs.runtime.interpret  # TRITON_INTERPRET=1: kernels run as NumPy, on any tensor
PROGRAMS = 1024  # wanted of the backward when it sums the gradient of `bias`: some seven for each of 132 processors
TILE_NUMBERS = 8192  # most of the keys of a head: every kernel then needs less than 99 KB of shared memory
LOG2E = tl.constexpr(math.log2(math.e))


def supported(qkv: Tensor, windows: Windows, heads: int) -> str | None:
    """Why `windows_attention` cannot take this, in one line; None where it can."""
    width = qkv.shape[-1] // (3 * heads)
    if not (qkv.is_cuda or INTERPRETED):
        return f"triton kernels run on CUDA tensors; this one is on {qkv.device.type}."
    if qkv.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        return f"triton kernels take float32, bfloat16 and float16; this is {qkv.dtype}."
    if qkv.shape[-1] != 3 * heads * width or width not in (16, 32, 64, 128):
        return f"triton kernels take heads of width 16, 32, 64 or 128; {qkv.shape[-1]} / (3 · {heads}) is none of them."
    tokens = math.prod([a.tokens for a in windows.axes(qkv.shape[1:-1])])  # a list: the compiler takes no generator
    most = min(256, TILE_NUMBERS // width)
    if tokens > most:
        return f"triton kernels take up to {most} tokens a window at heads of width {width}; this has {tokens}."
    return None


def windows_attention(
    qkv: Tensor, windows: Windows, heads: int, scale: float, bias: Tensor | None = None, pad: Tensor | None = None
) -> Tensor:
    """softmax(q k^T scale + bias) v over the N tokens of each window, from map to map.

    Args:
        qkv: (B, *S, 3C), the queries, keys and values of each token, each (h D). Copied unless contiguous.
        windows: Block, interleaved or shifted, any number of axes. Masked padding is nobody's key.
        scale: Of the logits, usually D^-0.5.
        bias: (h, N, N), added to the logits; any float type.
        pad: (3C), q, k and v of seen padding: the bias of the projection. None is zeros.
    Returns:
        (B, *S, C) in the type of qkv. Sums and softmax are float32. Differentiable once, in qkv, bias and pad.
    Raises: ValueError with what `supported` says.
    """
    if (reason := supported(qkv, windows, heads)) is not None:
        raise ValueError(f"windows_attention: {reason} plain_windows_attention takes anything.")
    axes = [number for axis in windows.axes(qkv.shape[1:-1]) for number in axis]
    return _attention(qkv, bias, pad, heads, scale, axes, windows.interleaved, windows.padding == "masked")[0]


def plain_windows_attention(
    qkv: Tensor, windows: Windows, heads: int, scale: float, bias: Tensor | None = None, pad: Tensor | None = None
) -> Tensor:
    """What `windows_attention` means, by cutting and joining; on any device, in any float type, for any N and D."""

    def attend(x: Tensor, mask: Tensor | None) -> Tensor:
        x, inside = x[..., :-1], x[..., -1:]
        if pad is not None:
            x = x + (1 - inside) * pad.to(x.dtype)
        q, k, v = x.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        return plain_attention(q, k, v, scale, bias, mask).transpose(1, 2).flatten(2)

    return windows.apply(attend, torch.cat((qkv, qkv.new_ones(*qkv.shape[:-1], 1)), -1))  # padding is 0 in the last


@triton.jit
def _slots(
    n, window, lengths, windows, M: tl.constexpr, FRONT: tl.constexpr, ROLL: tl.constexpr, INTERLEAVED: tl.constexpr
):
    """Slots n of a window: the row of each in the map, whether it lies in the grid, and which axes rolled it round."""
    row, stride, rolled, real = tl.zeros_like(n), 1, tl.zeros_like(n), n >= 0
    for axis in tl.static_range(len(M) - 1, -1, -1):
        length, count = lengths[axis] // 2, windows[axis] // 2
        m, g = n % M[axis], window % count
        n, window = n // M[axis], window // count
        source = m * count + g if INTERLEAVED else g * M[axis] + m
        if ROLL[axis] > 0:
            source += ROLL[axis]
            beyond = source >= M[axis] * count
            source = tl.where(beyond, source - M[axis] * count, source)
            rolled = 2 * rolled + beyond.to(tl.int32)
        source -= FRONT[axis]
        real &= (source >= 0) & (source < length)
        row += source * stride
        stride *= length
    return (row + window * stride).to(tl.int64), real & (n == 0), rolled  # what is left: of window the picture, of n 0


@triton.jit
def _load(x, pad, row, real, head, heads, D: tl.constexpr):
    """One head of some rows of (rows, heads D); elsewhere that head of `pad`, or 0."""
    column = head * D + tl.arange(0, D)
    tile = tl.load(x + row[:, None] * (heads * D) + column[None, :], mask=real[:, None], other=0.0)
    if pad is not None:
        tile = tl.where(real[:, None], tile, tl.load(pad + column)[None, :].to(tile.dtype))
    return tile


@triton.jit
def _store(x, tile, row, real, head, heads, D: tl.constexpr):
    column = head * D + tl.arange(0, D)
    tl.store(x + row[:, None] * (heads * D) + column[None, :], tile.to(x.dtype.element_ty), mask=real[:, None])


@triton.jit
def _dot(a, b):
    return tl.dot(a, b, input_precision="ieee")


@triton.jit
def _logits(q, k, i, j, meet, bias, head, scale, N: tl.constexpr):
    """(i, j) logits to the base 2; -inf where two do not meet."""
    logits = _dot(q, tl.trans(k)) * (scale * LOG2E)
    if bias is not None:
        place = bias + head * (N * N) + i[:, None] * N + j[None, :]
        added = tl.load(place, mask=(i < N)[:, None] & (j < N)[None, :], other=0.0)
        logits += added.to(tl.float32) * LOG2E
    return tl.where(meet, logits, float("-inf"))


@triton.jit
def _meet(j, real_j, rolled_i, rolled_j, N: tl.constexpr, MASKED: tl.constexpr):
    return (rolled_i[:, None] == rolled_j[None, :]) & (real_j if MASKED else j < N)[None, :]


@triton.jit(do_not_specialize=["heads"])
def _forward(
    qkv, pad, bias, y, lse, heads, scale, lengths, windows,
    M: tl.constexpr, FRONT: tl.constexpr, ROLL: tl.constexpr, INTERLEAVED: tl.constexpr, MASKED: tl.constexpr,
    N: tl.constexpr, D: tl.constexpr, TILE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A block of queries of one head of one window."""
    BLOCKS: tl.constexpr = (N + BLOCK - 1) // BLOCK
    program = tl.program_id(0)
    head, block, window = program % heads, program // heads % BLOCKS, program // heads // BLOCKS
    i, j = block * BLOCK + tl.arange(0, BLOCK), tl.arange(0, TILE)
    row_i, real_i, rolled_i = _slots(i, window, lengths, windows, M, FRONT, ROLL, INTERLEAVED)
    row_j, real_j, rolled_j = _slots(j, window, lengths, windows, M, FRONT, ROLL, INTERLEAVED)
    q = _load(qkv, pad, row_i, real_i, head, 3 * heads, D)
    k = _load(qkv, pad, row_j, real_j, heads + head, 3 * heads, D)
    v = _load(qkv, pad, row_j, real_j, 2 * heads + head, 3 * heads, D)
    meet = _meet(j, real_j, rolled_i, rolled_j, N, MASKED)
    logits = _logits(q, k, i, j, meet, bias, head, scale, N)
    top = tl.max(logits, 1)
    top = tl.where(top == float("-inf"), 0.0, top)  # padding that meets nobody: weights 0, never written
    weights = tl.exp2(logits - top[:, None])
    total = tl.sum(weights, 1)
    total = tl.where(total == 0.0, 1.0, total)
    _store(y, _dot(weights.to(v.dtype), v) / total[:, None], row_i, real_i, head, heads, D)
    tl.store(lse + (window * heads + head).to(tl.int64) * N + i, top + tl.log2(total), mask=i < N)


@triton.jit
def _store_keys(dqkv, dpad, dk, dv, row, real, part, head, heads, D: tl.constexpr):
    """Gradients of keys and values: to the map, and to `dpad` (parts, 2, h, D) the sums over padding."""
    _store(dqkv, dk, row, real, heads + head, 3 * heads, D)
    _store(dqkv, dv, row, real, 2 * heads + head, 3 * heads, D)
    if dpad is not None:
        place = dpad + (part * 2 * heads + head).to(tl.int64) * D + tl.arange(0, D)
        tl.store(place, tl.sum(tl.where(real[:, None], 0.0, dk), 0))
        tl.store(place + heads * D, tl.sum(tl.where(real[:, None], 0.0, dv), 0))


@triton.jit(do_not_specialize=["heads", "count", "each"])
def _backward_queries(
    qkv, pad, bias, lse, dy, dqkv, dbias, dpad, inner, heads, scale, count, each, lengths, windows,
    M: tl.constexpr, FRONT: tl.constexpr, ROLL: tl.constexpr, INTERLEAVED: tl.constexpr, MASKED: tl.constexpr,
    N: tl.constexpr, D: tl.constexpr, TILE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A block of queries of one head, in `each` windows one after another: dq, their sum of dbias, and `inner`.

    `inner`, sum_j P_ij dP_ij, is for `_backward_keys`; where one block is all, dk and dv are made here.
    """
    BLOCKS: tl.constexpr = (N + BLOCK - 1) // BLOCK
    program = tl.program_id(0)
    head, block, chunk = program % heads, program // heads % BLOCKS, program // heads // BLOCKS
    i, j = block * BLOCK + tl.arange(0, BLOCK), tl.arange(0, TILE)
    sums = tl.zeros((BLOCK, TILE), tl.float32)
    for window in range(chunk * each, tl.minimum(chunk * each + each, count)):
        row_i, real_i, rolled_i = _slots(i, window, lengths, windows, M, FRONT, ROLL, INTERLEAVED)
        row_j, real_j, rolled_j = _slots(j, window, lengths, windows, M, FRONT, ROLL, INTERLEAVED)
        q = _load(qkv, pad, row_i, real_i, head, 3 * heads, D)
        k = _load(qkv, pad, row_j, real_j, heads + head, 3 * heads, D)
        v = _load(qkv, pad, row_j, real_j, 2 * heads + head, 3 * heads, D)
        dy_i = _load(dy, None, row_i, real_i, head, heads, D)
        meet = _meet(j, real_j, rolled_i, rolled_j, N, MASKED)
        saved = (window * heads + head).to(tl.int64) * N + i
        log_total = tl.load(lse + saved, mask=i < N, other=float("inf"))  # no weight from slots past N
        weights = tl.exp2(_logits(q, k, i, j, meet, bias, head, scale, N) - log_total[:, None])
        dweights = _dot(dy_i, tl.trans(v))
        product = tl.sum(weights * dweights, 1)
        dlogits = weights * (dweights - product[:, None])
        sums += dlogits
        dlogits = dlogits.to(q.dtype)
        _store(dqkv, _dot(dlogits, k) * scale, row_i, real_i, head, 3 * heads, D)
        if BLOCK == TILE:
            dk, dv = _dot(tl.trans(dlogits), q) * scale, _dot(tl.trans(weights.to(q.dtype)), dy_i)
            _store_keys(dqkv, dpad, dk, dv, row_j, real_j, window, head, heads, D)
        else:
            tl.store(inner + saved, product, mask=i < N)
    if dbias is not None:
        dbias += (chunk * heads + head).to(tl.int64) * (N * N)
        tl.store(dbias + i[:, None] * N + j[None, :], sums, mask=(i < N)[:, None] & (j < N)[None, :])


@triton.jit(do_not_specialize=["heads"])
def _backward_keys(
    qkv, pad, bias, lse, dy, dqkv, dpad, inner, heads, scale, lengths, windows,
    M: tl.constexpr, FRONT: tl.constexpr, ROLL: tl.constexpr, INTERLEAVED: tl.constexpr, MASKED: tl.constexpr,
    N: tl.constexpr, D: tl.constexpr, TILE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A block of keys of one head of one window, under all its queries: dk, dv, and the part of padding."""
    BLOCKS: tl.constexpr = (N + BLOCK - 1) // BLOCK
    program = tl.program_id(0)
    head, part, window = program % heads, program // heads, program // heads // BLOCKS
    i, j = tl.arange(0, TILE), part % BLOCKS * BLOCK + tl.arange(0, BLOCK)
    row_i, real_i, rolled_i = _slots(i, window, lengths, windows, M, FRONT, ROLL, INTERLEAVED)
    row_j, real_j, rolled_j = _slots(j, window, lengths, windows, M, FRONT, ROLL, INTERLEAVED)
    q = _load(qkv, pad, row_i, real_i, head, 3 * heads, D)
    k = _load(qkv, pad, row_j, real_j, heads + head, 3 * heads, D)
    v = _load(qkv, pad, row_j, real_j, 2 * heads + head, 3 * heads, D)
    dy_i = _load(dy, None, row_i, real_i, head, heads, D)
    meet = _meet(j, real_j, rolled_i, rolled_j, N, MASKED)
    saved = (window * heads + head).to(tl.int64) * N + i
    log_total = tl.load(lse + saved, mask=i < N, other=float("inf"))  # no weight from slots past N
    product = tl.load(inner + saved, mask=i < N, other=0.0)
    weights = tl.exp2(_logits(q, k, i, j, meet, bias, head, scale, N) - log_total[:, None])
    dlogits = weights * (_dot(dy_i, tl.trans(v)) - product[:, None])
    dk, dv = _dot(tl.trans(dlogits.to(q.dtype)), q) * scale, _dot(tl.trans(weights.to(q.dtype)), dy_i)
    _store_keys(dqkv, dpad, dk, dv, row_j, real_j, part, head, heads, D)


def _constants(qkv: Tensor, heads: int, axes: Sequence[int], interleaved: bool, masked: bool) -> dict[str, Any]:
    """What every kernel is told of the windows, and how it is launched.

    Blocks and warps are such that registers suffice where N <= 256 and D = 32, by what the compiler says for sm_90.
    """
    lengths, front, _, roll, tokens, windows = zip(*_axes(axes), strict=True)
    n, d, wide = math.prod(tokens), qkv.shape[-1] // (3 * heads), qkv.dtype == torch.float32
    tile = max(16, triton.next_power_of_2(n))
    return {
        # odd, for triton compiles anew where a number becomes 1 or a multiple of 16: so once for every grid
        "lengths": tuple(2 * length + 1 for length in lengths), "windows": tuple(2 * count + 1 for count in windows),
        "M": tokens, "FRONT": front, "ROLL": roll, "INTERLEAVED": interleaved, "MASKED": masked,
        "N": n, "D": d, "TILE": tile, "BLOCK": 16 if tile > 64 or (wide and d > 32) else tile,
        "num_warps": min(8, tile // 8 if wide else tile // 16), "num_stages": 1, "enable_fp_fusion": True,
    }  # fmt: skip


def _axes(numbers: Sequence[int]) -> list[Axis]:
    return [Axis(*numbers[at : at + 6]) for at in range(0, len(numbers), 6)]


def _seen(pad: Tensor | None, axes: Sequence[int], masked: bool) -> Tensor | None:
    """`pad` where there is padding that takes part."""
    if pad is None or masked or not any(a.front or a.back for a in _axes(axes)):
        return None
    return pad.contiguous()


@torch.library.custom_op("vitrail::windows_attention", mutates_args=())
def _attention(
    qkv: Tensor, bias: Tensor | None, pad: Tensor | None, heads: int, scale: float, axes: Sequence[int],
    interleaved: bool, masked: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The map (B, *S, C), and the logsumexp to the base 2 of each row of logits, (P, h, N). `axes`: each `Axis`.

    A custom_op, opaque to the compiler: kernels are picked by numbers that a traced dynamic size does not have.
    """
    y, lse = _attention_shapes(qkv, bias, pad, heads, scale, axes, interleaved, masked)
    constants = _constants(qkv, heads, axes, interleaved, masked)
    given = (qkv.contiguous(), _seen(pad, axes, masked), None if bias is None else bias.contiguous())
    with torch.cuda.device_of(qkv):
        _forward[(lse.shape[0] * heads * triton.cdiv(constants["N"], constants["BLOCK"]),)](
            *given, y, lse, heads, scale, **constants
        )
    return y, lse


@_attention.register_fake
def _attention_shapes(qkv, bias, pad, heads, scale, axes, interleaved, masked):
    resolved = _axes(axes)
    count, n = qkv.shape[0] * math.prod(a.windows for a in resolved), math.prod(a.tokens for a in resolved)
    y = qkv.new_empty(*qkv.shape[:-1], qkv.shape[-1] // 3)
    return y, qkv.new_empty(count, heads, n, dtype=torch.float32)


@torch.library.custom_op("vitrail::windows_attention_backward", mutates_args=())
def _gradients(
    dy: Tensor, lse: Tensor, qkv: Tensor, bias: Tensor | None, pad: Tensor | None, heads: int, scale: float,
    axes: Sequence[int], interleaved: bool, masked: bool, wants_bias: bool, wants_pad: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of qkv, bias and pad; what is not wanted is empty."""
    constants = _constants(qkv, heads, axes, interleaved, masked)
    count, n, blocks = lse.shape[0], constants["N"], triton.cdiv(constants["N"], constants["BLOCK"])
    each = max(1, triton.cdiv(count, max(1, PROGRAMS // (heads * blocks)))) if wants_bias else 1
    chunks = triton.cdiv(count, each)
    given = (qkv.contiguous(), _seen(pad, axes, masked), None if bias is None else bias.contiguous(), lse)
    numbers = (heads, scale, axes, interleaved, masked, wants_bias, wants_pad)
    dqkv, dbias, dpad = _gradients_shapes(dy, lse, qkv, bias, pad, *numbers)
    bias_parts = lse.new_empty(chunks, heads, n, n) if wants_bias else None
    pad_parts = lse.new_empty(count * blocks, 2, heads, constants["D"]) if wants_pad and given[1] is not None else None
    inner, dy = None if blocks == 1 else torch.empty_like(lse), dy.contiguous()
    with torch.cuda.device_of(qkv):
        _backward_queries[(chunks * heads * blocks,)](
            *given, dy, dqkv, bias_parts, pad_parts, inner, heads, scale, count, each, **constants
        )
        if inner is not None:
            _backward_keys[(count * heads * blocks,)](*given, dy, dqkv, pad_parts, inner, heads, scale, **constants)
    if bias_parts is not None:
        dbias.copy_(bias_parts.sum(0))
    dpad.zero_()  # the queries of padding are never written: their gradient is 0
    if pad_parts is not None:
        dpad[qkv.shape[-1] // 3 :].copy_(pad_parts.sum(0).flatten())
    return dqkv, dbias, dpad


@_gradients.register_fake
def _gradients_shapes(dy, lse, qkv, bias, pad, heads, scale, axes, interleaved, masked, wants_bias, wants_pad):
    dqkv = torch.empty_like(qkv, memory_format=torch.contiguous_format)
    dbias = torch.empty_like(bias, memory_format=torch.contiguous_format) if wants_bias else qkv.new_empty(0)
    dpad = torch.empty_like(pad, memory_format=torch.contiguous_format) if wants_pad else qkv.new_empty(0)
    return dqkv, dbias, dpad


def _save(ctx, inputs, output):
    qkv, bias, pad, *ctx.numbers = inputs
    ctx.save_for_backward(output[1], qkv, bias, pad)
    ctx.set_materialize_grads(False)


def _differentiate(ctx, dy, _):
    wants = ctx.needs_input_grad[1:3]
    dqkv, dbias, dpad = _gradients(dy, *ctx.saved_tensors, *ctx.numbers, *wants)
    return dqkv, dbias if wants[0] else None, dpad if wants[1] else None, *(None,) * len(ctx.numbers)


_attention.register_autograd(_differentiate, setup_context=_save)
