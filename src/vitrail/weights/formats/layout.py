"""What a layout of keys is: whose names, how values stand under them, and what the file holds beside parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vitrail.errors import InputError
from vitrail.models.assemble import Network
from vitrail.models.assembled import Assembled

# (pattern of our name, theirs); several names in a tuple share our tensor in equal parts along its first axis
Rules = tuple[tuple[str, str | tuple[str, ...] | Callable[[re.Match[str]], str]], ...]
Pair = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]  # theirs -> ours, ours -> theirs

# buffers that follow from the geometry: rebuilt by the model, never carried
DERIVED = re.compile(
    r"(^|\.)(relative_position_index|relative_coords_table|attn_mask|pos_embed|feat_rope\.freqs_(cos|sin))$"
)


def same(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class ReleaseKey:
    """Where a parameter of ours stands in a layout, and how its values are laid out there."""

    names: tuple[str, ...]
    ours: Callable[[Tensor], Tensor] = same  # the layout's values -> ours
    theirs: Callable[[Tensor], Tensor] = same  # ours -> the layout's

    @property
    def name(self) -> str:
        """The first, and mostly the only, name."""
        return self.names[0]

    def read(self, state: Mapping[str, Tensor]) -> Tensor:
        """Our tensor. Raises: RuntimeError where shapes do not fit."""
        parts = [state[name] for name in self.names]
        return self.ours(parts[0] if len(parts) == 1 else torch.cat(parts))

    def write(self, value: Tensor) -> dict[str, Tensor]:
        """Their tensors, by name."""
        parts = self.theirs(value).chunk(len(self.names)) if len(self.names) > 1 else (self.theirs(value),)
        return dict(zip(self.names, parts, strict=True))


@dataclass(frozen=True)
class Sign:
    """By what keys a network is known: its stem, whose weight has `axes` axes, and patterns below the stem's prefix."""

    stem: str
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    axes: int = 4

    def prefix(self, state: Mapping[str, Tensor]) -> str | None:
        """What stands before every key, "" mostly; None where this is another network."""
        stems = [key for key in state if key == self.stem or key.endswith("." + self.stem)]
        for key in sorted(stems, key=len):
            prefix = key.removesuffix(self.stem)
            inner = [other.removeprefix(prefix) for other in state if other.startswith(prefix)]
            if (
                state[key].ndim == self.axes
                and all(_some(pattern, inner) for pattern in self.has)
                and not any(_some(pattern, inner) for pattern in self.lacks)
            ):
                return prefix
        return None


def _some(pattern: str, keys: Iterable[str]) -> bool:
    return any(re.search(pattern, key) for key in keys)


def body(model: Network) -> Network:
    """The backbone of a detector or a segmenter; another model itself."""
    return model.backbone if isinstance(model, Assembled) else model


def _none(model: Network) -> dict[str, Any]:
    return {}


def _nothing(dense: bool) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Layout:
    """One library's or release's names for the parameters of networks of ours.

    name: As `--to` takes it.     says: As a sentence has it.
    tables: For each kind of spec the rules, read from our side: the first whose pattern matches gives the key.
    signs: For each kind of spec, by what keys it is recognised.
    prefix: What this library writes before every key; another is kept where found.
    outside, inner: Names that `outside` matches stand without the last part of the prefix, where that is `inner`: a
        head beside the backbone.
    values: Of a model, the parameters whose values stand otherwise.
    buffers: Of a model, what the library stores beside parameters, by the names below the prefix.
    stores: Whether its files hold these buffers; where a file was read, what that file did counts.
    rule: Of whether a network is dense, the fields of its spec that follow from whose it is.
    wrapper: The key under which its .pth files hold the tensors.
    above: Of a detector or a segmenter, our name -> its, for all that stands on the backbone; None where the library
        has none. In such a file `inner` stands before the backbone's names, and nothing of it before the others.
    """

    name: str
    says: str
    tables: Mapping[type, Rules]
    signs: Mapping[type, Sign]
    prefix: str = ""
    outside: str = r"(?!)"
    inner: str = "backbone."
    values: Callable[[Network], dict[str, Pair]] = _none
    buffers: Callable[[Network], dict[str, Tensor]] = _none
    stores: bool = True
    rule: Callable[[bool], dict[str, Any]] = field(default=_nothing)
    wrapper: str | None = None
    above: Callable[[Assembled], Mapping[str, str]] | None = None

    def names(self, kind: type, ours: str, prefix: str | None = None) -> tuple[str, ...]:
        """Their names for a parameter of ours; () where they have no place for it."""
        for pattern, replacement in self.tables.get(kind, ()):
            match = re.search(pattern, ours)
            if match:
                several = replacement if isinstance(replacement, tuple) else (replacement,)
                found = (re.sub(pattern, one, ours) for one in several)
                return tuple(self.below(name, prefix) for name in found)
        return ()

    def below(self, name: str, prefix: str | None = None) -> str:
        """A name with the prefix before it."""
        before = self.prefix if prefix is None else prefix
        return (before.removesuffix(self.inner) if re.search(self.outside, name) else before) + name

    def keys(self, model: Network, prefix: str | None = None) -> dict[str, ReleaseKey]:
        """Their key for each parameter of `model`, and each running statistic; those without a place are absent."""
        if isinstance(model, Assembled):
            return self._whole(model, self.inner if prefix is None else prefix)
        values = self.values(model)
        names = {ours: self.names(type(model.spec), ours, prefix) for ours in model.state_dict()}
        return {ours: ReleaseKey(theirs, *values.get(ours, (same, same))) for ours, theirs in names.items() if theirs}

    def _whole(self, model: Assembled, prefix: str) -> dict[str, ReleaseKey]:
        """The keys of a detector or a segmenter, whose backbone's names have `prefix` before them."""
        if self.above is None:
            return {}
        keys = {f"backbone.{ours}": key for ours, key in self.keys(model.backbone, prefix).items()}
        beside = prefix.removesuffix(self.inner)
        return keys | {ours: ReleaseKey((beside + theirs,)) for ours, theirs in self.above(model).items()}

    def write(self, model: Network, prefix: str | None = None, buffers: bool | None = None) -> dict[str, Tensor]:
        """The parameters and running statistics of `model` as this library has them, with the buffers that it stores.

        Raises: InputError where it has no place for one.
        """
        if isinstance(model, Assembled) and prefix is None:
            prefix = self.inner
        state, keys = model.state_dict(), self.keys(model, prefix)
        missing = [name for name in state if name not in keys]
        if missing:
            raise InputError(f"{self.says} layout has no place for {missing[0]} of {model.name}; take another layout.")
        written: dict[str, Tensor] = {}
        for name, key in keys.items():
            written |= key.write(state[name])
        if self.stores if buffers is None else buffers:
            written |= {self.below(name, prefix): value for name, value in self.buffers(body(model)).items()}
        return written
