"""Whose keys a state dict has, and what network its shapes show: the one recogniser of `load_weights` and `convert`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from vitrail.errors import InputError
from vitrail.models.catalogue import KINDS, ROWS, WEIGHTS, kind_of
from vitrail.models.flashdit import FlashDiTSpec
from vitrail.models.generator import GeneratorSpec
from vitrail.models.iwin import IwinSpec
from vitrail.models.lightningdit import LightningDiTSpec
from vitrail.models.scalablevit import ScalableViTSpec
from vitrail.models.spec import to_dict
from vitrail.models.swin import SwinSpec
from vitrail.weights.formats import DERIVED, LAYOUTS, Layout

FAMILIES = {SwinSpec: "Swin", IwinSpec: "Iwin", ScalableViTSpec: "ScalableViT"}
# the size that a classifier with such a window was trained at, where no buffer or table of positions shows it
SIZES = {7: 224, 8: 256, 10: 320, 12: 384, 16: 512}


def family(kind: type) -> str:
    """What a kind of spec is called in a sentence."""
    return FAMILIES.get(kind, kind.__name__.removesuffix("Spec"))


@dataclass(frozen=True)
class Found:
    """The layout and the kind of network that a state dict's keys show, and what stands before each of them."""

    layout: Layout
    kind: type
    prefix: str
    state: Mapping[str, Tensor]

    def shape(self, ours: str) -> tuple[int, ...] | None:
        """The shape of our parameter in the file, as stored; None where it is not there."""
        names = self.layout.names(self.kind, ours, self.prefix)
        if not names or names[0] not in self.state:
            return None
        first = tuple(self.state[names[0]].shape)
        return (first[0] * len(names), *first[1:])

    def has(self, ours: str) -> bool:
        return self.shape(ours) is not None

    @property
    def derived(self) -> bool:
        """Whether the file holds buffers that follow from the geometry."""
        return any(DERIVED.search(key) for key in self.state)


@dataclass(frozen=True)
class Shown:
    """What shapes show of a network: fields of its spec, and the size where something tells it.

    hidden: Fields that no shape shows, or not for every stage.     window: The largest side that tables show.
    """

    fields: dict[str, Any]
    dense: bool
    classes: int
    size: tuple[int, int] | None = None
    window: int | None = None
    hidden: tuple[str, ...] = field(default=())


def recognise(state: Mapping[str, Tensor]) -> Found | None:
    """The layout of a state dict; None where none is known by these keys."""
    for layout in LAYOUTS.values():
        for kind, sign in layout.signs.items():
            prefix = sign.prefix(state)
            if prefix is not None:
                return Found(layout, kind, prefix, state)
    return None


def unknown(state: Mapping[str, Tensor]) -> InputError:
    """What to say of keys that nobody's layout has."""
    return InputError(
        f"None of the {len(state)} keys shows a layout that is known (first: {next(iter(state), 'none')!r}). "
        f"Known: {', '.join(LAYOUTS)}, and our own."
    )


def show(found: Found) -> Shown:
    """What the shapes say of the network. Raises: InputError for a structure that is none of ours."""
    stem = found.shape("trunk.stem.project.weight")
    assert stem is not None
    if issubclass(found.kind, GeneratorSpec):
        return _generator(found, stem)
    depths = _depths(found)
    if not depths:
        raise InputError(f"A stem in {found.layout.says} names, but no blocks: not a whole network.")
    dim = stem[0]
    first = "trunk.stages.0.blocks.0."
    hidden = (found.shape(first + "mlp.body.fc1.weight") or (4 * dim,))[0]
    fields: dict[str, Any] = {
        "dim": dim,
        "depths": depths,
        "mlp_ratio": hidden / dim,
        "in_channels": stem[1],
        "qkv_bias": _any(found, [first + "mix.body.qkv.bias", first + "mix.body.q.bias"])
        or not _any(found, [first + "mix.body.qkv.weight", first + "mix.body.q.weight"]),
    }
    stages = len(depths)
    # a final `norm` is the output norm of the last stage alone in one layout; the others tell
    dense = any(found.has(f"norms.{stage}.weight") for stage in range(max(stages - 1, 1)))
    head = found.shape("head.weight") or found.shape("head.fc.weight") or found.shape("head.3.weight") or (0,)
    shown = Shown(fields, dense and not head[0], head[0])
    reader = {SwinSpec: _swin, IwinSpec: _iwin, ScalableViTSpec: _scalablevit}.get(found.kind, _other)
    if found.kind is not ScalableViTSpec and len(stem) == 4 and stem[2:] != (4, 4):
        raise InputError(f"The stem cuts patches of {stem[2]}x{stem[3]}; {family(found.kind)} has 4x4.")
    return reader(found, shown)


def rows_like(kind: type, dim: int, depths: tuple[int, ...]) -> dict[str, Any]:
    """The rows of weights with this width and these depths."""
    return {
        name: row
        for name, row in WEIGHTS.items()
        if issubclass(type(row.spec), kind) and (row.spec.dim, row.spec.depths) == (dim, tuple(depths))
    }


def candidates(kind: type, dim: int, depths: tuple[int, ...]) -> str:
    """The rows of weights that a file might be, with their heads, for a line that asks; "" where there are none."""
    rows = rows_like(kind, dim, depths)
    return "; ".join(f"{name!r} (heads {', '.join(map(str, row.spec.heads))})" for name, row in rows.items())


def name_of(kind: type, fields: Mapping[str, Any], dense: bool) -> str:
    """The name in the catalogue whose spec is nearest: it says which builder, the spec says the rest."""
    rows = [
        (name, row)
        for name, row in ROWS.items()
        if isinstance(row.spec, kind) and name.startswith("dense_") == dense and not name.endswith("_nano")
    ]

    def differing(row: Any) -> int:
        has = {key: getattr(row.spec, key) for key in fields}
        weight = {"dim": 4, "depths": 4, "heads": 2, "mixer": 8}
        return sum(weight.get(key, 1) for key, value in fields.items() if has[key] != value)

    return min(rows, key=lambda pair: differing(pair[1]))[0]


def differing_fields(spec: Any, name: str) -> dict[str, Any]:
    """The fields in which a spec differs from that of its name, as plain values."""
    kind = kind_of(name)
    usual = to_dict(KINDS[kind].spec if kind else ROWS[name].spec)
    return {key: value for key, value in to_dict(spec).items() if usual.get(key) != value}


def _depths(found: Found) -> tuple[int, ...]:
    depths: list[int] = []
    while found.has(f"trunk.stages.{len(depths)}.blocks.0.mlp.norm.weight"):
        depth = 1
        while found.has(f"trunk.stages.{len(depths)}.blocks.{depth}.mlp.norm.weight"):
            depth += 1
        depths.append(depth)
    return tuple(depths)


def _any(found: Found, names: Iterable[str]) -> bool:
    return any(found.has(name) for name in names)


def _swin(found: Found, shown: Shown) -> Shown:
    """Heads and windows from bias tables, or from Swin-MLP's maps over tokens."""
    heads, sides = [], []
    for stage in range(len(shown.fields["depths"])):
        body = f"trunk.stages.{stage}.blocks.0.mix.body."
        table, fixed = found.shape(body + "bias.table"), found.shape(body + "weight")
        if fixed is not None:
            heads.append(fixed[0] // fixed[1])
            sides.append(math.isqrt(fixed[1]))
        elif table is not None:
            heads.append(table[1])
            side = math.isqrt(table[0])
            sides.append((side + 1) // 2 if side * side == table[0] and side % 2 else 0)  # 0: not a square window
    mlp = found.has("trunk.stages.0.blocks.0.mix.body.weight")
    absolute = found.has("trunk.stem.position.table")
    told = len(heads) == len(shown.fields["depths"])
    fields: dict[str, Any] = dict(shown.fields)
    if told:
        fields["heads"] = tuple(heads)
    if mlp:
        fields |= {"mixer": "mlp", "shift": "padding", "position": "absolute" if absolute else "none"}
    else:
        fields["position"] = {(True, False): "relative", (True, True): "both", (False, True): "absolute"}.get(
            (bool(heads), absolute), "none"
        )
        qkv = found.shape("trunk.stages.0.blocks.0.mix.body.qkv.weight")
        if qkv is not None and qkv[0] == qkv[1]:
            fields["position"] = "bias_only"
    fields |= found.layout.rule(shown.dense)
    window = max(sides, default=0) or None
    size = _size_of_mask(found, window) or _size_of_positions(found)
    return Shown(fields, shown.dense, shown.classes, size, window, () if told else ("heads",))


def _iwin(found: Found, shown: Shown) -> Shown:
    """Convolutions and down-samplers by their shapes; heads only where there are bias tables."""
    fields, stages = dict(shown.fields), len(shown.fields["depths"])
    kernels, convs, heads = [3] * stages, [], []
    for stage in range(stages):
        body = f"trunk.stages.{stage}.blocks.0.mix.body."
        conv = found.shape(body + "conv.conv.weight")
        if conv is not None:
            kernels[stage] = conv[-1]
            convs.append(stage)
        table = found.shape(body + "bias.table")
        heads += [] if table is None else [table[1]]
    fields |= {"kernels": tuple(kernels), "conv_stages": tuple(convs)}
    if not found.has("trunk.stages.0.blocks.0.mix.body.qkv.weight"):
        fields["attention"] = "none"
    if heads:
        fields |= {"heads": tuple(heads), "position": "relative"}
    elif found.has("trunk.stem.position.table"):
        fields["position"] = "absolute"
    if stages > 1:
        down = "trunk.stages.1.down."
        conv, norm = found.shape(down + "conv.weight"), found.shape(down + "norm.weight")
        if found.has(down + "reduce.weight"):
            fields["down"] = "depthwise" if conv else "merge" if norm == (4 * fields["dim"],) else "average"
    hidden = () if heads else ("heads",)
    return Shown(fields, shown.dense, shown.classes, _size_of_positions(found), None, hidden)


def _scalablevit(found: Found, shown: Shown) -> Shown:
    """Widths and strides of SSA, the head and PEG by their shapes; not heads, and not r_c where nothing shrinks."""
    fields, dim = dict(shown.fields), shown.fields["dim"]
    ratios, reductions = [], []
    for stage in range(len(fields["depths"])):
        body = f"trunk.stages.{stage}.blocks.1.mix.body."
        query, reduce = found.shape(body + "q.weight"), found.shape(body + "reduce.weight")
        if query is not None:
            reductions.append(reduce[-1] if reduce else 1)
            ratios.append(query[0] / (dim * 2**stage) if reduce else None)
    if len(reductions) == len(fields["depths"]):
        fields["reductions"] = tuple(reductions)
        if None not in ratios:
            fields["ratios"] = tuple(ratios)
    fields["peg"] = found.has("trunk.stages.0.blocks.0.peg.body.conv.weight")
    hidden = found.shape("head.0.weight")
    if hidden is not None:
        fields |= {"head": "two_layer", "hidden": hidden[0]}
    elif shown.classes:
        fields["head"] = "plain"
    dense = not shown.classes
    return Shown(fields, dense, shown.classes, None, None, ("heads",) if "ratios" in fields else ("heads", "ratios"))


def _generator(found: Found, stem: tuple[int, ...]) -> Shown:
    """All but heads, window, and whether labels were dropped: a row of the table is then taken for that of none."""
    dim, channels, patch, depth = stem[0], stem[1], stem[2], 0
    while found.has(f"trunk.blocks.{depth}.modulation.linear.weight"):
        depth += 1
    block = "trunk.blocks.0."
    swiglu, narrow = found.shape(block + "mlp.w3.weight"), found.shape(block + "mlp.fc2.weight")
    hidden = (swiglu or narrow or (dim, 0))[1]
    usual = 8 * dim // 3 if swiglu else 4 * dim
    parts = (found.shape(block + "modulation.linear.weight") or (0,))[0] // dim
    fields: dict[str, Any] = {
        "dim": dim,
        "depth": depth,
        "patch": patch,
        "in_channels": channels,
        "mlp": "swiglu" if swiglu else "gelu",
        "mlp_ratio": 4.0 if hidden == usual else hidden / dim * (1.5 if swiglu else 1),
        "norm": "rms" if found.has(block + "norm1.weight") else "layer",
        "qk_norm": found.has(block + "attention.q_norm.weight"),
        "shifts": parts >= 6,
        "learn_sigma": found.shape("final.linear.weight") == (2 * patch**2 * channels, dim),
    }
    side = None
    if found.kind is LightningDiTSpec:
        sines = found.state.get(f"{found.prefix}pos_embed")
        turned = found.prefix + "feat_rope.freqs_cos" in found.state
        if found.derived:
            fields |= {"sines": sines is not None, "rope": turned}
        side = None if sines is None or sines.ndim != 3 else patch * math.isqrt(sines.shape[1])
    width = found.shape(block + "attention.q_norm.weight")
    if width:
        fields["heads"] = dim // width[0]
    hidden_fields = (*(() if width else ("heads",)), *(("window",) if found.kind is FlashDiTSpec else ()))
    classes = (found.shape("trunk.labels.weight") or (1,))[0] - 1
    return Shown(fields, False, classes, (side, side) if side else None, None, hidden_fields)


def _other(found: Found, shown: Shown) -> Shown:
    """A network of clips: width and depths are shown, the rest is its row's."""
    fields = {key: shown.fields[key] for key in ("dim", "depths", "in_channels", "mlp_ratio")}
    stem = found.shape("trunk.stem.project.weight")
    if stem is not None and len(stem) == 5:
        fields["patch_time"] = stem[2]
    heads = [
        table[1]
        for stage in range(len(fields["depths"]))
        if (table := found.shape(f"trunk.stages.{stage}.blocks.0.mix.body.bias.table"))
    ]
    if heads:
        fields["heads"] = tuple(heads)
    return Shown(fields, False, shown.classes, None, None, () if heads else ("heads",))


def _size_of_mask(found: Found, window: int | None) -> tuple[int, int] | None:
    """From the mask of the first shifted block, (G, N, N), where its windows stand in a square."""
    mask = found.state.get(f"{found.prefix}layers.0.blocks.1.attn_mask")
    if mask is None or window is None or mask.ndim != 3:
        return None
    side = math.isqrt(mask.shape[0])
    return (4 * side * window,) * 2 if side * side == mask.shape[0] else None


def _size_of_positions(found: Found) -> tuple[int, int] | None:
    """From the table of absolute positions, (1, C, H, W) or (1, N, C) on a square."""
    table = found.shape("trunk.stem.position.table")
    if table is None:
        return None
    if len(table) == 4:
        return (4 * table[2], 4 * table[3])
    side = math.isqrt(table[1])
    return (4 * side,) * 2 if side * side == table[1] else None
