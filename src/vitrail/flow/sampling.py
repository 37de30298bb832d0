"""Every choice of a sampler, as plain values that go beside what it makes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

Count = Annotated[int, Field(ge=1, strict=True)]
Moment = Annotated[float, Field(ge=0, le=1)]
Tolerance = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Sampling:
    """How samples are made, from noise at time 0 to data at time 1. `dataclasses.asdict` gives JSON values.

    Fields:
        solver: "euler" (one evaluation a step), "heun" (two), or "dopri5", which chooses its steps for each sample.
        steps: Updates of "euler" and "heun". A release's "250 steps" are 250 moments, so 249 updates.
        shift: s of t' = s·t / (1 + (s - 1)·t): below 1, more steps near the noise. It moves the moments of "euler" and
            "heun" and means nothing to "dopri5".
        scale: Of guidance: none + scale·(label - none). 1 is the label alone: no second half is computed then.
        channels: The first so many are guided, the others keep the label's velocity; None guides all.
        start, end: Guidance acts at moments from `start` to `end`, both included.
        rtol, atol: Of "dopri5": a step's error is kept below atol + rtol·|x|, in root mean square over a sample.
        seed: Sample number i begins from noise that follows from (seed, i) alone.
    """

    solver: Literal["euler", "heun", "dopri5"] = "euler"
    steps: Count = 50
    shift: Annotated[float, Field(gt=0)] = 1.0
    scale: Annotated[float, Field(ge=0)] = 1.0
    channels: Count | None = None
    start: Moment = 0.0
    end: Moment = 1.0
    rtol: Tolerance = 1e-3
    atol: Tolerance = 1e-6
    seed: Annotated[int, Field(ge=0, strict=True)] = 0

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise ValueError(f"guidance from start={self.start} to end={self.end}: the start is after the end")
