"""Triton's window attention without a GPU: `TRITON_INTERPRET=1 python interpreted.py` prints a line of JSON a case.

Each has the largest difference of the output and of every gradient from the plain twin in float64, relative to the
largest number there. "traced" and "checked" are not cases: a compiled graph at three sizes, and torch's opcheck.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
from torch import Tensor

from vitrail.geometry.windows import Windows


@dataclass(frozen=True)
class Case:
    shape: tuple[int, ...]  # B, *S
    windows: Windows
    heads: int = 1
    width: int = 16
    dtype: torch.dtype = torch.float32
    bias: torch.dtype | None = torch.float32  # None: no bias
    pad: bool = True
    learns: tuple[str, ...] = ("qkv", "bias", "pad")
    strided: bool = False  # qkv is not contiguous


CASES = {
    "block": Case((2, 5, 7), Windows((3, 3))),
    "block_masked": Case((1, 5, 7), Windows((3, 3), padding="masked")),
    "block_whole": Case((2, 6, 4), Windows((3, 2))),
    "interleaved": Case((1, 5, 7), Windows((4, 2), interleaved=True)),
    "interleaved_masked": Case((1, 5, 7), Windows((4, 2), interleaved=True, padding="masked")),
    "interleaved_shifted": Case((1, 6, 6), Windows((3, 3), interleaved=True, shift=(1, 2))),
    "shifted": Case((2, 6, 8), Windows((3, 4), shift=(1, 2))),
    "shifted_seen": Case((1, 5, 7), Windows((3, 3), shift=(1, 2)), heads=3),
    "shifted_masked": Case((1, 6, 7), Windows((4, 3), shift=(1, 1), padding="masked")),
    "padded_in_front": Case((1, 5, 7), Windows((3, 3), shift=(1, 2), wrap=False)),
    "padded_in_front_masked": Case((1, 5, 7), Windows((3, 3), shift=(1, 2), wrap=False, padding="masked")),
    "larger_than_the_grid": Case((2, 5, 4), Windows((7, 7)), width=32),
    "larger_than_the_grid_masked": Case((2, 5, 4), Windows((7, 7), padding="masked")),
    "larger_than_the_grid_shifted": Case((2, 5, 4), Windows((7, 7), shift=(3, 3))),
    "count": Case((2, 9), Windows((4,), by="count")),
    "count_interleaved": Case((1, 9), Windows((4,), interleaved=True, by="count"), heads=3),
    "count_masked": Case((1, 9), Windows((8,), interleaved=True, by="count", padding="masked"), bias=None),
    "count_shifted": Case((2, 9), Windows((3,), by="count", shift=(1,))),
    "video": Case((1, 3, 5, 4), Windows((2, 3, 3), shift=(1, 0, 1))),
    "video_interleaved": Case((1, 3, 5, 4), Windows((2, 3, 3), interleaved=True, padding="masked"), width=32),
    "tokens_49": Case((1, 7, 13), Windows((7, 7), shift=(3, 3)), width=32),
    "tokens_64": Case((1, 8, 8), Windows((8, 8), shift=(4, 4)), width=32, heads=3),
    "tokens_100": Case((1, 9, 10), Windows((10, 10), shift=(5, 5))),
    "tokens_100_interleaved": Case((1, 15, 9), Windows((10, 10), interleaved=True), bias=None),
    "tokens_144_masked": Case((1, 11, 12), Windows((12, 12), padding="masked")),
    "two_heads_of_64": Case((1, 5, 3), Windows((5, 4)), heads=2, width=64),
    "no_bias": Case((1, 5, 7), Windows((3, 3), shift=(1, 1)), bias=None),
    "no_pad": Case((1, 5, 7), Windows((3, 3), shift=(1, 1)), pad=False),
    "neither": Case((1, 5, 7), Windows((3, 3)), bias=None, pad=False),
    "only_qkv_learns": Case((1, 5, 7), Windows((3, 3)), learns=("qkv",)),
    "only_pad_learns": Case((1, 5, 7), Windows((3, 3)), learns=("pad",)),
    "strided": Case((1, 5, 7), Windows((3, 3)), strided=True),
    "bfloat16": Case((1, 5, 7), Windows((3, 3), shift=(1, 1)), dtype=torch.bfloat16),
    "bfloat16_all": Case((1, 7, 7), Windows((7, 7)), dtype=torch.bfloat16, bias=torch.bfloat16),
    "bfloat16_tokens_100": Case((1, 9, 10), Windows((10, 10)), dtype=torch.bfloat16),
    "float16": Case((1, 5, 7), Windows((3, 4), interleaved=True), dtype=torch.float16),
}


def inputs(case: Case, device: str) -> dict[str, Tensor]:
    """qkv, bias and pad that are wanted, leaves; dy."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
    channels, tokens = case.heads * case.width, 1
    for axis in case.windows.axes(case.shape[1:]):
        tokens *= axis.tokens
    qkv = draw(3 * channels, *case.shape) if case.strided else draw(*case.shape, 3 * channels)
    found = {"qkv": (qkv.movedim(0, -1) if case.strided else qkv).to(device, case.dtype)}
    if case.bias is not None:
        found["bias"] = draw(case.heads, tokens, tokens).to(device, case.bias)
    if case.pad:
        found["pad"] = draw(3 * channels).to(device)
    for name in case.learns:
        if name in found:
            found[name].requires_grad_()
    return {**found, "dy": draw(*case.shape, channels).to(device, case.dtype)}


def results(case: Case, given: dict[str, Tensor], attention) -> dict[str, Tensor]:
    """y and the gradient of what learns."""
    y = attention(given["qkv"], case.windows, case.heads, case.width**-0.5, given.get("bias"), given.get("pad"))
    learns = [name for name in case.learns if name in given]
    gradients = torch.autograd.grad(y, [given[name] for name in learns], given["dy"])
    return {"y": y.detach(), **dict(zip(learns, gradients, strict=True))}


def differences(case: Case, device: str) -> dict[str, float]:
    """The largest difference from the plain twin in float64, relative to the largest number of each."""
    from vitrail.kernels.triton_windows import plain_windows_attention, windows_attention

    given = inputs(case, device)
    exact = {name: x.detach().double().requires_grad_(x.requires_grad) for name, x in given.items()}
    ours, plain = results(case, given, windows_attention), results(case, exact, plain_windows_attention)
    for name, x in ours.items():
        assert x.dtype == given.get(name, given["qkv"]).dtype
        assert x.shape == plain[name].shape and (x.is_contiguous() or case.strided)
    largest = {name: max(float(x.abs().max()), 1e-3) for name, x in plain.items()}
    return {name: float((ours[name] - x).abs().max()) / largest[name] for name, x in plain.items()}


def traced(device: str, backend: str, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """One graph for three sizes: the largest difference of y and gradients from eager. Raises on a second graph."""
    from vitrail.kernels.triton_windows import windows_attention

    compiled = torch.compile(windows_attention, fullgraph=True, dynamic=True, backend=backend)
    found: dict[str, float] = {}
    for shape in ((2, 5, 7), (3, 4, 8), (4, 7, 4)):
        case = Case(shape, Windows((3, 3), shift=(1, 1)), width=32, dtype=dtype)
        given = inputs(case, device)
        with torch._dynamo.config.patch(error_on_recompile=True):
            ours = results(case, given, compiled)
        eager = results(case, given, windows_attention)
        for name, x in eager.items():
            found[name] = max(found.get(name, 0.0), float((ours[name] - x).abs().max()))
    return found


def checked() -> dict[str, str]:
    """What torch says of the operator: its schema, autograd, fake results, and tracing with dynamic sizes."""
    from vitrail.kernels import triton_windows

    case = CASES["shifted_seen"]
    given = inputs(case, "cpu")
    axes = [number for axis in case.windows.axes(case.shape[1:]) for number in axis]
    arguments = (given["qkv"], given["bias"], given["pad"], case.heads, 0.25, axes, False, False)
    return torch.library.opcheck(triton_windows._attention, arguments)


def bfloat16_products() -> None:
    """Triton's interpreter keeps bfloat16 as its bits, and its product multiplies those; here they become float32."""
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder

    product = InterpreterBuilder.create_dot

    def create_dot(self, a, b, *rest):
        if a.dtype.scalar == tl.bfloat16:
            a, b = (self.cast_impl(x, tl.float32) for x in (a, b))
        return product(self, a, b, *rest)

    InterpreterBuilder.create_dot = create_dot


def main() -> None:
    from vitrail.kernels import triton_windows

    bfloat16_products()
    triton_windows.PROGRAMS = 4  # so that one program takes several windows, as it does where there are thousands
    torch.set_num_threads(1)
    for name, case in CASES.items():
        print(json.dumps({name: differences(case, "cpu")}), flush=True)
    print(json.dumps({"traced": traced("cpu", "aot_eager")}))
    print(json.dumps({"checked": checked()}))


if __name__ == "__main__":
    main()
