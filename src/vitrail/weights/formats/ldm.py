"""KL autoencoders in the names of latent diffusion (LDM), VA-VAE's among them, and in diffusers' AutoencoderKL's.

Traps:
* LDM numbers the decoder's levels from the picture, so that up.0 runs last; diffusers numbers them as they run.
* Maps of attention are 1 x 1 convolutions in LDM, and linear in diffusers.
* VA-VAE (f16d32) has attention also in its last level, 16 x 16 of 256; diffusers then wants another type of block.
* No shape shows the groups of the norms, which are 32, nor their epsilon, 1e-6, nor SiLU; both libraries have these.
* Training files also hold the loss's discriminator, moving averages, and VA-VAE's map to the features that it was
  aligned with. None of them is part of the autoencoder.
Source of the names: diffusers' and LDM's module trees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from vitrail.errors import InputError

GROUPS = 32
FIRST = "encoder.conv_in.weight"
PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
RESNET = (("norm1", "norm1"), ("conv1", "conv1"), ("norm2", "norm2"), ("conv2", "conv2"))
ATTENTION = (("norm", "group_norm"), ("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0"))


class Held(NamedTuple):
    """An autoencoder as diffusers has it: its config.json, and its tensors.

    left_out: The file's names that are no part of it.
    """

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Shape:
    """What names and shapes show.

    widths: Channels of each level, from the picture.     layers: Residual blocks of an encoder's level.
    down, up: Whether a level of the encoder, and of the decoder, has attention, from the picture.
    quantised: Whether 1 x 1 convolutions stand around the latent.
    """

    widths: tuple[int, ...]
    layers: int
    down: tuple[bool, ...]
    up: tuple[bool, ...]
    latent: int
    quantised: bool


def to_diffusers(state: Mapping[str, Tensor]) -> Held:
    """The autoencoder of a state dict in LDM's names, with anything before them that stands before all.

    Raises: InputError for another network, or one that diffusers' AutoencoderKL cannot hold.
    """
    before = next((key.removesuffix(FIRST) for key in state if re.search(rf"(^|\.){re.escape(FIRST)}$", key)), None)
    own = {} if before is None else {key.removeprefix(before): key for key in state if key.startswith(before)}
    own = {name: key for name, key in own.items() if name.startswith(PARTS)}
    if before is None or "encoder.down.0.block.0.conv1.weight" not in own or "encoder.conv_out.weight" not in own:
        raise InputError(
            "no autoencoder in LDM's names; encoder.down.0.block.0.conv1.weight would be one of its tensors."
        )
    tensors = {name: state[key] for name, key in own.items()}
    shape = _shape(tensors)
    found: dict[str, Tensor] = {}
    for theirs, ours in _paths(shape, tensors):
        for leaf in ("weight", "bias"):
            if f"{theirs}.{leaf}" not in tensors:
                raise InputError(f"no whole autoencoder in LDM's names: it lacks {theirs}.{leaf}.")
            value = tensors.pop(f"{theirs}.{leaf}").float()
            linear = ".to_" in ours and value.ndim == 4
            found[f"{ours}.{leaf}"] = (value.flatten(1) if linear else value).contiguous()
    if tensors:
        raise InputError(f"{next(iter(tensors))} has no place in diffusers' AutoencoderKL.")
    kept = set(own.values())
    return Held(_config(shape, found), found, tuple(key for key in state if key not in kept))


def _shape(state: Mapping[str, Tensor]) -> _Shape:
    levels = _count(state, r"encoder\.down\.(\d+)\.block\.0\.")
    widths = tuple(_width(state, f"encoder.down.{level}.block.0.conv1.weight") for level in range(levels))
    if wrong := [width for width in widths if width % GROUPS]:
        raise InputError(f"a level has {wrong[0]} channels; norms of {GROUPS} groups want a multiple of {GROUPS}.")
    down, up = (
        tuple(f"{side}.{level}.attn.0.norm.weight" in state for level in range(levels))
        for side in ("encoder.down", "decoder.up")
    )
    latent, quantised = _width(state, "encoder.conv_out.weight") // 2, "quant_conv.weight" in state
    if quantised and _width(state, "quant_conv.weight") != 2 * latent:
        made = _width(state, "quant_conv.weight") // 2
        raise InputError(
            f"latents of {made} channels are made of {latent}; diffusers' AutoencoderKL keeps their number."
        )
    return _Shape(widths, _count(state, r"encoder\.down\.0\.block\.(\d+)\."), down, up, latent, quantised)


def _paths(shape: _Shape, state: Mapping[str, Tensor]) -> Iterator[tuple[str, str]]:
    """LDM's path and diffusers' of every module with a weight and a bias."""
    for side in ("encoder", "decoder"):
        yield from ((f"{side}.{name}", f"{side}.{name}") for name in ("conv_in", "conv_out"))
        yield f"{side}.norm_out", f"{side}.conv_norm_out"
        for number in (0, 1):
            yield from _resnet(state, f"{side}.mid.block_{number + 1}", f"{side}.mid_block.resnets.{number}")
        yield from _attention(f"{side}.mid.attn_1", f"{side}.mid_block.attentions.0")
    levels = len(shape.widths)
    for level in range(levels):
        yield from _level(
            state, f"encoder.down.{level}", f"encoder.down_blocks.{level}", shape.layers, shape.down[level]
        )
        if level < levels - 1:
            yield f"encoder.down.{level}.downsample.conv", f"encoder.down_blocks.{level}.downsamplers.0.conv"
        place = levels - 1 - level
        yield from _level(state, f"decoder.up.{level}", f"decoder.up_blocks.{place}", shape.layers + 1, shape.up[level])
        if level > 0:
            yield f"decoder.up.{level}.upsample.conv", f"decoder.up_blocks.{place}.upsamplers.0.conv"
    if shape.quantised:
        yield from ((name, name) for name in ("quant_conv", "post_quant_conv"))


def _level(
    state: Mapping[str, Tensor], theirs: str, ours: str, layers: int, attended: bool
) -> Iterator[tuple[str, str]]:
    for number in range(layers):
        yield from _resnet(state, f"{theirs}.block.{number}", f"{ours}.resnets.{number}")
        if attended:
            yield from _attention(f"{theirs}.attn.{number}", f"{ours}.attentions.{number}")


def _resnet(state: Mapping[str, Tensor], theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    conv = state.get(f"{theirs}.conv1.weight")  # looked at before it is taken
    changes = conv is not None and conv.shape[0] != conv.shape[1]
    yield from ((f"{theirs}.{one}", f"{ours}.{other}") for one, other in RESNET)
    if changes:
        yield f"{theirs}.nin_shortcut", f"{ours}.conv_shortcut"


def _attention(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    yield from ((f"{theirs}.{one}", f"{ours}.{other}") for one, other in ATTENTION)


def _config(shape: _Shape, found: Mapping[str, Tensor]) -> dict[str, Any]:
    """config.json. Latents are neither scaled nor shifted: what is done to them stands with the latents."""
    return {
        "_class_name": "AutoencoderKL",
        "in_channels": found["encoder.conv_in.weight"].shape[1],
        "out_channels": len(found["decoder.conv_out.weight"]),
        "down_block_types": [f"{'Attn' * has}DownEncoderBlock2D" for has in shape.down],
        "up_block_types": [f"{'Attn' * has}UpDecoderBlock2D" for has in reversed(shape.up)],
        "block_out_channels": list(shape.widths),
        "layers_per_block": shape.layers,
        "act_fn": "silu",
        "latent_channels": shape.latent,
        "norm_num_groups": GROUPS,
        "scaling_factor": 1.0,
        "use_quant_conv": shape.quantised,
        "use_post_quant_conv": shape.quantised,
    }


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """One more than the largest number that stands at the pattern's."""
    return 1 + max(int(match[1]) for key in state if (match := re.match(pattern, key)))


def _width(state: Mapping[str, Tensor], name: str) -> int:
    if name not in state:
        raise InputError(f"no whole autoencoder in LDM's names: it lacks {name}.")
    return len(state[name])
