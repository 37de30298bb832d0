"""`vitrail.optimize`: a model for inference in the way that is fastest on this machine, found by measuring.

Every way of `export/ways` is tried, on a CPU also with the batch cut in pieces: a piece whose maps stay in the cache,
and below the size for which memory is fetched from the system anew each time, can be half as fast again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import InputError, first_line
from vitrail.export import ways
from vitrail.export.adapter import check_looks
from vitrail.export.timing import Spread, interleave, repeats_for, seconds, spread

PARITY = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}  # of the largest value: beyond it, out


@dataclass(frozen=True)
class Candidate:
    """One way and what was measured.

    piece: Pictures that are computed at a time.
    images_per_second: Median over the rounds, and the middle half of them; None where it cannot run.
    parity: Largest difference from the eager model, over its largest value.
    compile_seconds: What getting ready took, the first call included.
    note: Why it cannot run, or is out.
    """

    way: str
    piece: int
    images_per_second: Spread | None = None
    parity: float | None = None
    compile_seconds: float = 0.0
    note: str = ""


class Optimized:
    """A model made ready for batches like an example: called like the model, it gives what the model gives.

    Shapes: (B, C_in, H, W) -> what the model gives, any B, in the type of the example. Pictures of another size or type
    are computed by the model itself.
    Attributes:
        model: The model, as it was given.
        best: What won.
        candidates: Everything that was tried, the fastest first.
    """

    def __init__(self, model: nn.Module, example: Tensor, run: ways.Run, best: Candidate, tried: Sequence[Candidate]):
        self.model, self.best, self.candidates = model, best, tuple(tried)
        self._run, self._like = run, (example.shape[1:], example.dtype, example.device)

    def __call__(self, x: Tensor) -> Tensor:
        if (x.shape[1:], x.dtype, x.device) != self._like or not len(x):
            with torch.no_grad():
                return self.model(x)
        return _in_pieces(self._run, x, self.best.piece)

    def report(self) -> list[dict[str, Any]]:
        """Every candidate as JSON has it, the fastest first."""
        return [asdict(each) for each in self.candidates]

    def __repr__(self) -> str:
        return "\n".join(["Optimized:", *(f"  {describe(each)}" for each in self.candidates)])


def optimize(
    model: nn.Module,
    example: Tensor,
    rounds: int = 5,
    least: float = 0.3,
    say: Callable[[str], None] | None = None,
) -> Optimized:
    """The fastest way to infer with `model` on batches like `example`, on the device and in the numbers of both.

    Args:
        model: (B, C_in, H, W) -> one tensor with B first; put in evaluation mode, otherwise left as it is.
        rounds, least: How often the best of each way is timed, and seconds that one timing lasts at least.
        say: Is told a line for each candidate; compiling takes up to a minute.
    Raises: InputError where the model and the example do not go together.
    """
    check_looks(model)
    model.eval()
    _check(model, example)
    with torch.no_grad():
        expected = model(example)
    tried: list[Candidate] = []
    best: dict[str, tuple[Candidate, ways.Run]] = {}
    for way in ways.WAYS:
        for candidate, run in _tries(model, example, way, expected, least):
            tried.append(candidate)
            if say:
                say(describe(candidate))
            if run and not candidate.note and (way not in best or _rate(candidate) > _rate(best[way][0])):
                best[way] = (candidate, run)
    final = _again(list(best.values()), example, rounds, least)
    measured = {(each.way, each.piece): each for each, _ in final}
    tried = [measured.get((each.way, each.piece), each) for each in tried]
    winner, run = max(final, key=lambda pair: _rate(pair[0]))
    return Optimized(model, example, run, winner, sorted(tried, key=_rate, reverse=True))


def _check(model: nn.Module, example: Tensor) -> None:
    weight = next(model.parameters(), None)
    if example.ndim < 2 or not len(example):
        raise InputError(f"The example is {tuple(example.shape)}; wanted (B, C_in, H, W) with a picture in it.")
    if weight is not None and (weight.device != example.device or weight.dtype != example.dtype):
        raise InputError(
            f"The model is {weight.dtype} on {weight.device}, the example {example.dtype} on {example.device}; "
            "wanted the same."
        )


def _tries(
    model: nn.Module, example: Tensor, way: str, expected: Tensor, least: float
) -> Iterator[tuple[Candidate, ways.Run | None]]:
    """A way on the whole batch, then on halves, quarters, ... for as long as that is faster."""
    piece, before = len(example), 0.0
    if reason := ways.missing(way, example):
        yield Candidate(way, piece, note=reason), None
        return
    while True:
        candidate, run = _try(model, example, way, piece, expected, least)
        yield candidate, run
        if candidate.note or _rate(candidate) < before or piece == 1 or not example.is_cpu:
            return
        piece, before = -(-piece // 2), _rate(candidate)


def _try(
    model: nn.Module, example: Tensor, way: str, piece: int, expected: Tensor, least: float
) -> tuple[Candidate, ways.Run | None]:
    start = perf_counter()
    try:
        run = ways.prepare(model, example[:piece], way)
        found = _in_pieces(run, example, piece)
    except Exception as error:  # a compiler fails in many ways, and is only one candidate
        return Candidate(way, piece, note=f"failed: {first_line(error)[:160]}"), None
    took = perf_counter() - start
    parity = ways.parity([expected], [found])
    allowed = PARITY.get(example.dtype, 1e-4)
    note = "" if parity <= allowed else f"differs by {parity:.1e} of the largest value, more than {allowed:g}"

    def step() -> object:
        return _in_pieces(run, example, piece)

    timed = _seconds(example)
    repeats = repeats_for(step, least, timed)
    rates = [len(example) / timed(step, repeats) for _ in range(3)]
    return Candidate(way, piece, spread(rates), parity, took if way != "eager" else 0.0, note), run


def _again(
    found: list[tuple[Candidate, ways.Run]], example: Tensor, rounds: int, least: float
) -> list[tuple[Candidate, ways.Run]]:
    """The same candidates with rates of interleaved rounds."""
    timed = _seconds(example)

    def step(number: int) -> Callable[[], object]:
        candidate, run = found[number]
        return lambda: _in_pieces(run, example, candidate.piece)

    repeats = [repeats_for(step(number), least, timed) for number in range(len(found))]
    rates: list[list[float]] = [[] for _ in found]
    for number in interleave(len(found), rounds):
        rates[number].append(len(example) / timed(step(number), repeats[number]))
    return [
        (replace(each, images_per_second=spread(rate)), run) for (each, run), rate in zip(found, rates, strict=True)
    ]


def _seconds(example: Tensor) -> Callable[[Callable[[], object], int], float]:
    wait = torch.cuda.synchronize if example.is_cuda else (lambda: None)
    return lambda step, repeats: seconds(step, repeats, wait)


def _in_pieces(run: ways.Run, x: Tensor, piece: int) -> Tensor:
    """run(x), `piece` pictures at a time; the last piece is filled up with zeros, since what compiled has one size."""
    if len(x) == piece:
        return run(x)
    parts = []
    for part in x.split(piece):
        missing = piece - len(part)
        filled = torch.cat([part, part.new_zeros(missing, *part.shape[1:])]) if missing else part
        parts.append(run(filled)[: len(part)])
    return torch.cat(parts)


def _rate(candidate: Candidate) -> float:
    return candidate.images_per_second.median if candidate.images_per_second else 0.0


def describe(candidate: Candidate) -> str:
    """A candidate in one line."""
    name = f"{candidate.way:<9} {candidate.piece:>4} at a time"
    if not candidate.images_per_second:
        return f"{name}  {candidate.note}"
    rate, low, high = candidate.images_per_second
    compiled = f"  ready in {candidate.compile_seconds:.0f} s" if candidate.compile_seconds else ""
    note = f"  out: {candidate.note}" if candidate.note else ""
    return f"{name}  {rate:,.1f} img/s ({low:,.1f} to {high:,.1f})  off eager by {candidate.parity:.1e}{compiled}{note}"
