"""What the papers' specs share: checking of values, and the grid of each stage."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from vitrail.errors import InputError, nearest

SpecT = TypeVar("SpecT")
Count = Annotated[int, Field(ge=1, strict=True)]
Stage = Annotated[int, Field(ge=0, strict=True)]
Share = Annotated[float, Field(ge=0, lt=1)]
Grid = tuple[int, int]
Clip = tuple[int, int, int]  # (T, H, W)
# one side for all stages; one side, or one for each axis, for each stage; "reach" is resolved by models/reach.py
Window = int | tuple[int | Grid, ...]


class Trained(NamedTuple):
    """What weights were trained as: a row of a paper's table of weights, or said by a caller.

    spec: with everything that the shapes of a file do not show, heads above all.   size: (H, W) in pixels.
    """

    spec: Any
    size: Grid
    num_classes: int = 1000


CHECKED = ConfigDict(extra="forbid")  # how every spec is made: values are checked, unknown fields refused


def override(base: SpecT, **changes: Any) -> SpecT:
    """`base` with other values, each checked against its field.

    Raises: InputError for a field it has not (the nearest are named) or a value of another type or choice.
    """
    fields = [field.name for field in dataclasses.fields(base)]  # type: ignore[arg-type]
    for name in changes:
        if name not in fields:
            raise InputError(
                f"{type(base).__name__} has no field {name!r}.{nearest(name, fields)} Fields: {', '.join(fields)}."
            )
    values = {name: getattr(base, name) for name in fields} | changes
    try:
        return type(base)(**values)
    except ValidationError as error:
        raise InputError(one_line(error)) from None


def one_line(error: ValidationError) -> str:
    """A pydantic error as one line: field, what came, what was wanted."""
    problems: dict[str, tuple[Any, list[str]]] = {}
    for problem in error.errors():
        where = str(problem["loc"][0]) if problem["loc"] else ""  # "": fields that do not go together
        _, wanted = problems.setdefault(where, (problem["input"], []))
        message = problem["msg"].removeprefix("Value error, ").rstrip(".")
        if message not in wanted:
            wanted.append(message)
    return (
        "; ".join(
            (f"{where}={came!r}: " if where else "") + ", or ".join(wanted[:3])
            for where, (came, wanted) in problems.items()
        )
        + "."
    )


def to_dict(value: Any) -> dict[str, Any]:
    """A spec as plain JSON values."""
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def stage_grids(size: Grid, stages: int, patch: int = 4) -> tuple[Grid, ...]:
    """The token grid of each stage for a picture of `size`, (H, W): ceil(H / patch), then halves rounded up."""
    grids = [(-(-size[0] // patch), -(-size[1] // patch))]
    while len(grids) < stages:
        grids.append((-(-grids[-1][0] // 2), -(-grids[-1][1] // 2)))
    return tuple(grids)


def clip_grids(frames: int, size: Grid, stages: int, patch_time: int) -> tuple[Clip, ...]:
    """The token grid of each stage for a clip, (T', H', W'): time is cut once, into ceil(frames / patch_time)."""
    moments = -(-frames // patch_time)
    return tuple((moments, *grid) for grid in stage_grids(size, stages))


def stage_windows(window: Window, stages: int) -> tuple[Grid, ...]:
    """One (M_h, M_w) for each stage."""
    sides = (window,) * stages if isinstance(window, int) else window
    if len(sides) != stages:
        raise InputError(f"window={window}: one number, or one for each of the {stages} stages.")
    pairs = tuple((side, side) if isinstance(side, int) else side for side in sides)
    if min(min(pair) for pair in pairs) < 1:
        raise InputError(f"window={window}: sides are 1 or more.")
    return pairs


def clamp_smaller(grid: Grid, window: Grid) -> Grid:
    """The releases' rule for classification: a square window no smaller than the shorter side becomes that side."""
    if window[0] == window[1]:
        side = min(*grid, window[0])
        return (side, side)
    return (min(grid[0], window[0]), min(grid[1], window[1]))


def check_conv_stages(value: Any, stages: int) -> None:
    """`conv_stages` is "auto" or numbers of stages."""
    if value.conv_stages != "auto" and not set(value.conv_stages) <= set(range(stages)):
        raise ValueError(f"conv_stages={value.conv_stages} names stages from 0 to {stages - 1}")


def check_stages(value: Any, names: tuple[str, ...], stages: int) -> None:
    """Each named tuple of a spec has one entry a stage."""
    for name in names:
        if len(getattr(value, name)) != stages:
            raise InputError(
                f"{name}={getattr(value, name)} has {len(getattr(value, name))} entries; {stages} stages need {stages}."
            )
