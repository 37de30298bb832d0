"""How the networks of other libraries give maps: all scales, or one that a small pyramid makes four of.

Three of timm's take one size only and are read here for any, with their own modules: TNT, CrossViT and EfficientFormer;
so is torchvision's ViT. At the size they were built for, the maps are those of the library, to rounding.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.layers.embed import resize_grid

STRIDES = (4, 8, 16, 32)
Read = Callable[[Any, Tensor], list[Tensor]]


class Maps(NamedTuple):
    """A way to read a network.

    read: (model, (B, 3, H, W)) -> maps (B, C, ceil(H/s), ceil(W/s)): of strides 4, 8, 16, 32, or one of any.
    strides: Of what `read` gives.
    multiple: The sides that it takes are multiples of this; 0 where that is to be found out.
    parts: Paths of modules that give the four maps, where the library does not group its layers itself.
    """

    model: nn.Module
    read: Read
    strides: tuple[int, ...] = STRIDES
    multiple: int = 0
    parts: tuple[str, ...] = ()


def timm_maps(model: Any, name: str) -> Maps:
    """A classifier of timm's as maps. Raises: InputError for one that gives none."""
    own = OWN.get(type(model).__name__)
    if own is not None:
        return Maps(model, *own)
    info = getattr(model, "feature_info", None)
    if not hasattr(model, "forward_intermediates") or not isinstance(info, list) or not info:
        raise InputError(f"{name} gives no maps, only classes: timm knows no intermediates of it.")
    strides = [row["reduction"] for row in info]
    if set(STRIDES) <= set(strides):
        last = [len(strides) - 1 - strides[::-1].index(stride) for stride in STRIDES]
        return Maps(model, _Intermediates(last, norm=False))
    stride = strides[-1]
    can = "norm" in inspect.signature(model.forward_intermediates).parameters
    return Maps(model, _Intermediates([len(info) - 1], norm=can), (stride,), math.lcm(stride, 16))


class _Intermediates:
    """timm's own `forward_intermediates` at chosen places."""

    def __init__(self, indices: list[int], norm: bool) -> None:
        self.options: dict[str, Any] = {"norm": True} if norm else {}
        self.indices = indices

    def __call__(self, model: Any, x: Tensor) -> list[Tensor]:
        maps = model.forward_intermediates(
            x, indices=self.indices, intermediates_only=True, output_fmt="NCHW", **self.options
        )
        return list(maps)


def _positions(table: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """(1, 1 + h w, C), the class token's first, for another grid: bicubic, as our own tables."""
    grid = resize_grid(table[:, 1:].unflatten(1, old), new)
    return torch.cat([table[:, :1], grid.flatten(1, 2)], 1)


def _as_map(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, 1 + h w, C) -> (B, C, h, w), without the class token."""
    return tokens[:, 1:].unflatten(1, grid).movedim(-1, 1)


def _tnt(model: Any, x: Tensor) -> list[Tensor]:
    """The outer tokens after the last norm: (B, 3, H, W), sides that 16 divides -> one map at stride 16.

    Source: TNT (arXiv 2103.00112) eqs. 4 to 9; positions of patches are resized, those of pixels stay.
    """
    embed = model.pixel_embed
    side = embed.patch_size[0]
    grid = (x.shape[2] // side, x.shape[3] // side)
    cells = embed.unfold(embed.proj(x) if embed.legacy else x).transpose(1, 2).flatten(0, 1)  # (B N, C k k)
    if embed.legacy:
        pixels = cells.unflatten(1, (embed.in_dim, *embed.new_patch_size))
    else:
        pixels = embed.proj(cells.unflatten(1, (x.shape[1], side, side)))
    pixels = (pixels + model.pixel_pos).flatten(2).transpose(1, 2)
    patches = pixels.reshape(x.shape[0], grid[0] * grid[1], -1)
    tokens = model.norm2_proj(model.proj(model.norm1_proj(patches)))
    tokens = torch.cat([model.cls_token.expand(len(x), -1, -1), tokens], 1)
    tokens = model.pos_drop(tokens + _positions(model.patch_pos, embed.grid_size, grid))
    for block in model.blocks:
        pixels, tokens = block(pixels, tokens)
    return [_as_map(model.norm(tokens), grid)]


def _crossvit(model: Any, x: Tensor) -> list[Tensor]:
    """Both branches after their last norms, side by side: (B, 3, H, W), sides that 16 divides -> one map at stride 16.

    Each branch sees the whole picture at the scale it was trained at (1 and 224/240 of the height) on a grid of its
    own (patches of 12 and 16 pixels), with positions resized; its map is then resized bilinearly to H/16 x W/16.
    Source: CrossViT (arXiv 2103.14899) section 3; its classifier, too, sets the branches' features side by side.
    Differs: the dagger variants crop the second branch's picture instead of scaling it, so here it is not scaled.
    """
    branches, grids = [], []
    for number, embed in enumerate(model.patch_embed):
        own, patch = model.img_size_scaled[number], embed.patch_size
        built = model.img_size if not model.crop_scale else own
        grid = _nearest(x.shape[2] * own[0], built[0] * patch[0]), _nearest(x.shape[3] * own[1], built[1] * patch[1])
        size = (grid[0] * patch[0], grid[1] * patch[1])
        seen = x if x.shape[2:] == size else F.interpolate(x, size=size, mode="bicubic", align_corners=False)
        tokens = embed.proj(seen).flatten(2).transpose(1, 2)
        token, table = getattr(model, f"cls_token_{number}"), getattr(model, f"pos_embed_{number}")
        old = (embed.img_size[0] // patch[0], embed.img_size[1] // patch[1])
        tokens = torch.cat([token.expand(len(x), -1, -1), tokens], 1) + _positions(table, old, grid)
        branches.append(model.pos_drop(tokens))
        grids.append(grid)
    for block in model.blocks:
        branches = block(branches)
    maps = [_as_map(norm(t), grid) for norm, t, grid in zip(model.norm, branches, grids, strict=True)]
    wanted = (x.shape[2] // 16, x.shape[3] // 16)
    return [torch.cat([resized(m, wanted) for m in maps], 1)]


def _nearest(part: int, whole: int) -> int:
    """part / whole to the nearest whole number, 1 at least."""
    return max(1, (2 * part + whole) // (2 * whole))


def _efficientformer(model: Any, x: Tensor) -> list[Tensor]:
    """The maps of the four stages: (B, 3, H, W), sides that 32 divides -> strides 4, 8, 16, 32.

    The last blocks attend over all positions of stride 32 with a bias for each offset |dy|, |dx| < 7, as 224 pixels
    need them. On another grid the 7 x 7 table is resized bicubically with its corners kept, so that no offset and the
    largest one keep their biases.
    Source: EfficientFormer (arXiv 2206.01191) section 4; the resize for other grids is ours.
    """
    maps, x = [], model.stem(x)
    for stage in model.stages:
        x = stage.downsample(x)
        for block in stage.blocks:
            if hasattr(getattr(block, "token_mixer", None), "attention_biases"):
                x = _block_on_map(block, x)
            elif not isinstance(block, _flat()):
                x = block(x)
        maps.append(x)
    return maps


def _flat() -> type:
    from timm.models.efficientformer import Flat

    return Flat


def _block_on_map(block: Any, x: Tensor) -> Tensor:
    """One of EfficientFormer's blocks over tokens, on (B, C, h, w)."""
    y = x.movedim(1, -1)
    y = y + block.drop_path1(block.ls1(_attend(block.token_mixer, block.norm1(y))))
    y = y + block.drop_path2(block.ls2(block.mlp(block.norm2(y))))
    return y.movedim(-1, 1)


def _attend(attention: Any, x: Tensor) -> Tensor:
    """(B, h, w, C) -> (B, h, w, C) by the weights of timm's EfficientFormer attention."""
    height, width = x.shape[1:3]
    heads, side = attention.num_heads, int(attention.attention_biases.shape[1] ** 0.5)
    table = attention.attention_biases.view(1, heads, side, side)
    if (height, width) != (side, side):
        table = F.interpolate(table, size=(height, width), mode="bicubic", align_corners=True)
    rows, columns = (torch.arange(n, device=x.device) for n in (height, width))
    down, right = (rows[:, None] - rows).abs(), (columns[:, None] - columns).abs()
    bias = table[0][:, down[:, None, :, None], right[None, :, None, :]].flatten(3).flatten(1, 2)  # (heads, N, N)
    qkv = attention.qkv(x.flatten(1, 2)).unflatten(-1, (heads, -1)).transpose(1, 2)
    q, k, v = qkv.split([attention.key_dim, attention.key_dim, attention.val_dim], -1)
    y = F.scaled_dot_product_attention(q, k, v, bias.to(q.dtype)[None], scale=attention.scale)
    return attention.proj(y.transpose(1, 2).flatten(2)).unflatten(1, (height, width))


OWN: dict[str, tuple[Read, tuple[int, ...], int]] = {
    "TNT": (_tnt, (16,), 16),
    "CrossVit": (_crossvit, (16,), 16),
    "EfficientFormer": (_efficientformer, STRIDES, 32),
}


def _torchvision_vit(model: Any, x: Tensor) -> list[Tensor]:
    """The tokens after the encoder's norm, on their grid: one map; positions are resized."""
    patch, side = model.patch_size, model.image_size // model.patch_size
    grid = (x.shape[2] // patch, x.shape[3] // patch)
    tokens = model.conv_proj(x).flatten(2).transpose(1, 2)
    tokens = torch.cat([model.class_token.expand(len(x), -1, -1), tokens], 1)
    tokens = tokens + _positions(model.encoder.pos_embedding, (side, side), grid)
    return [_as_map(model.encoder.ln(model.encoder.layers(model.encoder.dropout(tokens))), grid)]


class _Nodes:
    """The outputs of a feature extractor of torchvision's, channels first."""

    def __init__(self, last: list[bool]) -> None:
        self.last = last  # which maps come with their channels last

    def __call__(self, model: Any, x: Tensor) -> list[Tensor]:
        return [m.movedim(-1, 1) if last else m for m, last in zip(model(x).values(), self.last, strict=True)]


def torchvision_maps(model: Any, twin: nn.Module, size: tuple[int, int], name: str) -> Maps:
    """A classifier of torchvision's as maps, by what its parts give on a picture without numbers.

    Args:
        twin: The model on the meta device.
        size: (H, W) that it was built for, should it take no other.
    Raises: InputError for one without the four strides, or that torch.fx cannot trace.
    """
    from torchvision.models.feature_extraction import create_feature_extractor
    from torchvision.models.vision_transformer import VisionTransformer

    if isinstance(model, VisionTransformer):
        model.heads = nn.Identity()
        return Maps(model, _torchvision_vit, (model.patch_size,), math.lcm(model.patch_size, 16))
    found = _scales(twin.eval(), size)
    if set(found) != set(STRIDES):
        have = ", ".join(map(str, sorted(found))) or "none"
        raise InputError(f"{name} gives no maps at strides 4, 8, 16, 32 (it has {have}); vitrail cannot build on it.")
    paths = [found[stride][0] for stride in STRIDES]
    try:
        reader = create_feature_extractor(
            model, {path: str(stride) for path, stride in zip(paths, STRIDES, strict=True)}, suppress_diff_warning=True
        )
    except Exception as error:  # torch.fx raises what the traced code raises
        raise InputError(f"{name} cannot be cut into maps: {' '.join(str(error).split())}") from error
    return Maps(reader, _Nodes([found[stride][1] for stride in STRIDES]), parts=tuple(paths))


def _scales(twin: nn.Module, size: tuple[int, int]) -> dict[int, tuple[str, bool]]:
    """Stride -> path of the last part that gives a map there, and whether its channels come last."""
    handles: list[Any] = []
    for probe in ((256, 320), size):  # at the first, no map has the size of another
        found: dict[int, tuple[str, bool]] = {}
        grids: dict[tuple[int, ...], int] = {(probe[0] // s, probe[1] // s): s for s in STRIDES}
        handles += [part.register_forward_hook(_note(found, grids, path)) for path, part in _large(twin)]
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                twin(torch.zeros(1, 3, *probe, device="meta"))
            return found
        except Exception:  # another library's code may raise anything; it may take one size only
            continue
        finally:
            for handle in handles:
                handle.remove()
    return {}


def _note(
    found: dict[int, tuple[str, bool]], grids: dict[tuple[int, ...], int], path: str
) -> Callable[[nn.Module, Any, Any], None]:
    """A hook that writes down a map whose grid is one of those wanted."""

    def hook(module: nn.Module, given: Any, came: Any) -> None:
        if isinstance(came, Tensor) and came.ndim == 4:
            first, last = grids.get(tuple(came.shape[2:])), grids.get(tuple(came.shape[1:3]))
            stride = first or last
            if stride:
                found[stride] = (path, first is None)

    return hook


def _large(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Children, and the children of those that are plain sequences."""
    paths: list[tuple[str, nn.Module]] = []
    for name, child in model.named_children():
        inner = list(child.named_children()) if name in {"features", "blocks", "layers", "trunk_output"} else []
        paths += [(f"{name}.{below}", module) for below, module in inner] or [(name, child)]
    return paths


def resized(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, C, h, w) -> (B, C, *grid), bilinear over the same extent."""
    return x if x.shape[2:] == grid else F.interpolate(x, size=grid, mode="bilinear", align_corners=False)
