"""Which token can influence which, exactly, block by block: the links that a model's own blocks state, composed.

T positions of a stage's grid make T·T pairs; of a line of tokens that look back, T (T + 1) / 2 can be linked at all.
A stage too shallow to be global is followed on, as if it had more blocks of its own kind.

Source: Iwin (arXiv 2507.18405) theorem 3, which says that one block is global if K·M >= max(H, W). It is not: a K-wide
convolution reaches (K - 1) / 2, and attention and convolution of one block read the same input, so they do not
compose. Two such blocks, or one where attention reads what the convolution gave ("serial"), are global exactly when
K >= 2·max(H, W) / M - 1. `vitrail.geometry.links` has the algebra.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from vitrail.errors import InputError
from vitrail.geometry.links import Links, links_of
from vitrail.geometry.windows import Windows
from vitrail.mixers import CausalAttention, CausalConv, DepthwiseConv
from vitrail.models.assemble import Network
from vitrail.models.assembled import Assembled
from vitrail.models.catalogue import LANGUAGE, ROWS, build
from vitrail.models.flashdit import FlashDiTSpec
from vitrail.models.generator import Generator
from vitrail.models.iwin import IwinSpec
from vitrail.models.iwin_lm import LanguageModel, language_model
from vitrail.models.iwin_video import VideoIwinSpec
from vitrail.models.spec import override
from vitrail.train.record import track

STRUCTURES = ("parallel", "serial")  # figure 3's S1 and S3
FIRST = 16  # blocks of a stage that are looked at before it is called endless: more than any family's pattern
LONGEST = 2048  # positions along an axis

Sides = tuple[int, ...]


@dataclass(frozen=True)
class Condition:
    """Two conditions for a stage of interleaved windows beside a convolution.

    Fields:
        kernel: K; 1 where there is no convolution.
        strides: G, windows along each axis: every G-th position shares one.
        paper: K·M >= side on each axis, with which theorem 3 calls one block global.
        corrected: K >= 2·max(G) - 1, with which two parallel blocks or one serial are. Where windows divide the grid,
            without it they are not; a ragged grid may do with less.
        kernel_wanted: The smallest K that it holds for.
    """

    kernel: int
    strides: Sides
    paper: bool
    corrected: bool
    kernel_wanted: int


@dataclass(frozen=True)
class StageReach:
    """One stage of a model.

    Fields:
        stage: From 1.     grid: (*S) in tokens.     depth: Blocks.
        windows, shifts, kernels: Of its blocks, each once; windows in tokens.
        share_after: Of the pairs that can be, the share linked after 1, 2, ... blocks, beyond `depth` as if the stage
            went on, until it grows no more.
        blocks_until_global: Blocks after which it is 1; None where it never is, and `never` says why.
        share_within_stage: After `depth` blocks.     global_within_stage: Whether that is 1.
    """

    stage: int
    grid: Sides
    depth: int
    windows: tuple[Sides, ...]
    shifts: tuple[Sides, ...]
    kernels: tuple[Sides, ...]
    share_after: tuple[float, ...]
    blocks_until_global: int | None
    never: str | None
    share_within_stage: float
    global_within_stage: bool
    condition: Condition | None


@dataclass(frozen=True)
class StructureReach:
    """All stages. structure: Iwin's "parallel", "serial" or "separate", of others "".     own: The model's own."""

    structure: str
    own: bool
    stages: tuple[StageReach, ...]


@dataclass(frozen=True)
class Reach:
    """A model at a size, (H, W), of clips (T, H, W), of lines of tokens (N,). causal: Tokens look back only."""

    model: str
    size: Sides
    overrides: dict[str, Any]
    causal: bool
    structures: tuple[StructureReach, ...]

    def document(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Walk:
    """One stage followed block by block.

    after: The links of the first block, of the first two, ...     shares: Theirs.     blocks: The stage's own.
    """

    grid: Sides
    blocks: tuple[nn.Module, ...]
    after: tuple[Links, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Trail:
    """The walks through all stages of one structure."""

    body: Network
    structure: str
    own: bool
    walks: tuple[Walk, ...]


def measure(name: str, size: Sides | None = None, **overrides: Any) -> Reach:
    """How far the blocks of each stage reach.

    Args:
        name: A model whose blocks state their links; of a detector or a segmenter its backbone is meant.
        size: (H, W) or (side,) in pixels, of generators in latents; of clips also (T, H, W); of language (N,), tokens.
            By default the model's own.
        overrides: Fields of its spec.
    Raises: InputError for an unknown name, field or size, a model without links, a grid too long.
    """
    return report(name, follow(name, size, overrides), overrides)


def report(name: str, trails: Iterable[Trail], overrides: dict[str, Any] | None = None) -> Reach:
    """What was followed, in numbers."""
    trails = tuple(trails)
    body = trails[0].body
    structures = tuple(
        StructureReach(
            trail.structure,
            trail.own,
            tuple(_stage(number, walk, trail.body) for number, walk in enumerate(trail.walks, start=1)),
        )
        for trail in trails
    )
    return Reach(name, tuple(body.input_size), dict(overrides or {}), isinstance(body, LanguageModel), structures)


def follow(
    name: str, size: Sides | None = None, overrides: dict[str, Any] | None = None, bar: bool = False
) -> tuple[Trail, ...]:
    """The links themselves, as `measure` reads them: of the model's own structure first, then of Iwin's others.

    Args:
        bar: A bar with the time left shows on a terminal meanwhile.
    """
    body = _body(name, size, overrides or {})
    bodies = [(body, getattr(body.spec, "structure", ""), True)]
    if isinstance(body.spec, IwinSpec) and body.spec.attention != "none":
        others = [structure for structure in STRUCTURES if structure != body.spec.structure]
        bodies += [(_made(body, structure=structure), structure, False) for structure in others]
    stages = range(len(_stages(body)))
    jobs = [(one, stage) for one, *_ in bodies for stage in stages]
    walks = [_walk(*job) for job in (track(jobs, len(jobs), "following") if bar else jobs)]
    return tuple(
        Trail(*each, tuple(walks[number * len(stages) :][: len(stages)])) for number, each in enumerate(bodies)
    )


def _body(name: str, size: Sides | None, overrides: dict[str, Any]) -> Network:
    """The model, or the backbone below a detector or a segmenter, on the meta device."""
    frames = hasattr(getattr(ROWS.get(name), "spec", None), "frames")
    kinds = {1: "N tokens, such as 1024"} if name in LANGUAGE else {1: "HxW in pixels, such as 224x224", 2: ""}
    kinds |= {3: "or TxHxW"} if frames else {}
    options, pixels = dict(overrides), size
    if size is not None and (len(size) not in kinds or min(size) < 1):
        wanted = " ".join(filter(None, kinds.values()))
        raise InputError(f"size {'x'.join(map(str, size))}: {name} takes {wanted}.")
    if size is not None and name in LANGUAGE:
        options["length"], pixels = size[0], None
    elif size is not None:
        options |= {"frames": size[0]} if len(size) == 3 else {}
        pixels = (size * 2)[:2] if len(size) == 1 else size[-2:]
    with torch.device("meta"):
        model = build(name, None, pixels, **options)  # type: ignore[arg-type]
    body = model.backbone if isinstance(model, Assembled) else model
    if not body.blocks():
        raise InputError(f"{name} states no links: its blocks are another library's. `vitrail models '*'` lists ours.")
    longest = max(max(grid) for grid in body.grids())
    if longest > LONGEST:
        raise InputError(f"{name}: a grid of {longest} positions along an axis is too long to follow; {LONGEST} go.")
    return body


def _made(body: Network, **changes: Any) -> Network:
    """The same model of another spec, on the meta device."""
    spec = override(body.spec, **changes)
    with torch.device("meta"):
        if isinstance(body, LanguageModel):
            made: Network = language_model(spec)
        else:
            made = ROWS[body.name].make(spec, body.size, body.num_classes)
    made.name, made.size, made.num_classes, made.spec = body.name, body.size, body.num_classes, spec
    return made


def _stages(body: Network) -> list[list[nn.Module]]:
    """The blocks of each stage; a model without stages is one."""
    if isinstance(body, Generator | LanguageModel):
        return [body.blocks()]
    return [list(stage.blocks) for stage in body.trunk.stages]  # type: ignore[arg-type]


def _endless(body: Network, stage: int) -> Iterator[nn.Module]:
    """The blocks of a stage, and those that it would go on with."""
    done, blocks = 0, _stages(body)[stage]
    while True:
        yield from blocks[done:]
        done, count = len(blocks), max(2 * len(blocks), FIRST)
        if isinstance(body, Generator | LanguageModel):
            blocks = _stages(_made(body, depth=count))[stage]
        else:
            depths = tuple(count if number == stage else 1 for number in range(len(body.spec.depths)))
            blocks = _stages(_made(body, depths=depths))[stage]


def _walk(body: Network, stage: int) -> Walk:
    """Block after block, until nothing is left to link, or nothing more will be."""
    grid, blocks = tuple(body.grids()[stage]), _stages(body)[stage]
    pairs = prod(grid) * (prod(grid) + 1) / 2 if isinstance(body, LanguageModel) else prod(grid) ** 2
    after: list[Links] = []
    shares: list[float] = []
    limit = 1.0
    for block in _endless(body, stage):
        one = links_of(block, grid)
        after.append(after[-1].then(one) if after else one)
        shares.append(_share(after[-1], prod(grid) ** 2, pairs))
        if len(after) == max(FIRST, len(blocks)) and shares[-1] < 1:
            limit = _share(_closed(after[-1]), prod(grid) ** 2, pairs)
        if shares[-1] >= limit:
            break
    ends = shares.index(shares[-1]) + 1
    return Walk(grid, tuple(blocks), tuple(after[:ends]), tuple(shares[:ends]))


def _share(links: Links, whole: int, pairs: float) -> float:
    """Of `pairs`, from the share of the `whole`."""
    return round(links.share() * whole) / pairs


def _closed(links: Links) -> Links:
    """The links of any number of repetitions."""
    while True:
        twice = links.then(links)
        if twice.share() == links.share():
            return links
        links = twice


def _stage(number: int, walk: Walk, body: Network) -> StageReach:
    """The numbers of one stage."""
    depth, reached = len(walk.blocks), walk.shares[-1] == 1
    windows = [w.axes(walk.grid) for w in _windows(walk)]
    within = walk.shares[min(depth, len(walk.shares)) - 1]
    return StageReach(
        stage=number,
        grid=walk.grid,
        depth=depth,
        windows=_once(tuple(axis.tokens for axis in axes) for axes in windows) or _causal(walk),
        shifts=_once(w.shift for w in _windows(walk) if w.shift),
        kernels=_once(_kernels(walk)),
        share_after=walk.shares,
        blocks_until_global=len(walk.shares) if reached else None,
        never=None if reached else _why(walk),
        share_within_stage=within,
        global_within_stage=within == 1,
        condition=_condition(walk, body),
    )


def _condition(walk: Walk, body: Network) -> Condition | None:
    """Where the blocks are what the theorem speaks of: Iwin's, on pictures, latents, or clips held whole in time."""
    found = _windows(walk)
    if not isinstance(body.spec, IwinSpec | FlashDiTSpec | VideoIwinSpec) or not found or not found[0].interleaved:
        return None
    axes = found[0].axes(walk.grid)
    if any(axis.windows > 1 for axis in axes[:-2]):
        return None
    kernel = max((sides[-1] for sides in _kernels(walk)), default=1)
    strides = tuple(axis.windows for axis in axes[-2:])
    paper = all(kernel * axis.tokens >= axis.length for axis in axes[-2:])
    return Condition(kernel, strides, paper, kernel >= 2 * max(strides) - 1, 2 * max(strides) - 1)


def _why(walk: Walk) -> str:
    """Why a stage never is global."""
    windows = _windows(walk)
    if windows and not _kernels(walk) and not any(w.shift for w in windows):
        if all(w.interleaved for w in windows):
            strides = "x".join(str(axis.windows) for axis in windows[0].axes(walk.grid))
            return f"interleaved windows alone, at a stride of {strides}, never leave their residue class"
        if not any(w.interleaved for w in windows):
            return "block windows alone never leave their window"
    return f"{walk.shares[-1]:.1%} is all that these blocks link, however many there are"


def _windows(walk: Walk) -> list[Windows]:
    found = (getattr(module, "windows", None) for block in walk.blocks for module in block.modules())
    return [windows for windows in found if isinstance(windows, Windows)]


def _causal(walk: Walk) -> tuple[Sides, ...]:
    """The tokens that share a lane of a line."""
    lanes = (m.numbers(walk.grid[0])[0] for b in walk.blocks for m in b.modules() if isinstance(m, CausalAttention))
    return _once((-(-walk.grid[0] // stride),) for stride in lanes)


def _kernels(walk: Walk) -> list[Sides]:
    """The sides of convolutions beside attention, not of those inside it."""
    found: list[Sides] = []
    for block in walk.blocks:
        for path, module in block.named_modules():
            if isinstance(module, DepthwiseConv) and path.split(".")[-1] not in ("lim", "lem"):
                found.append(tuple(module.conv.kernel_size))  # type: ignore[arg-type]
            elif isinstance(module, CausalConv):
                found.append((module.kernel,))
    return found


def _once(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))
