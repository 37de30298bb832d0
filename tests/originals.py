"""State dicts as their own libraries and releases hold them, filled with large random numbers; buffers the slow way."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SHAPE = {"dim": 8, "depths": (2, 2, 2, 1), "heads": (1, 2, 2, 4)}


def fill(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter large, so that a wrong mask or order shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.named_parameters():
            centre = 1.0 if value.ndim == 1 and name.endswith("weight") else 0.0
            value.copy_(0.15 * torch.randn(value.shape, generator=generator) + centre)
    return module.eval()


def timm_swin(size: tuple[int, int] = (224, 224), window: int = 7) -> nn.Module:
    from timm.models.swin_transformer import SwinTransformer

    shape = {"embed_dim": SHAPE["dim"], "depths": SHAPE["depths"], "num_heads": SHAPE["heads"]}
    return fill(SwinTransformer(img_size=size, window_size=window, num_classes=5, **shape))


def torchvision_swin(window: int = 7) -> nn.Module:
    from torchvision.models import SwinTransformer

    depths, heads = list(SHAPE["depths"]), list(SHAPE["heads"])
    return fill(SwinTransformer([4, 4], SHAPE["dim"], depths, heads, [window, window], num_classes=5))


def hugging_face_swin(kind: str = "SwinForImageClassification", window: int = 7, **more: Any) -> nn.Module:
    import transformers

    stages = ["stage1", "stage2", "stage3", "stage4"] if kind == "SwinBackbone" else None
    config = transformers.SwinConfig(
        embed_dim=SHAPE["dim"],
        depths=list(SHAPE["depths"]),
        num_heads=list(SHAPE["heads"]),
        window_size=window,
        num_labels=5,
        out_features=stages,
        **more,
    )
    return fill(getattr(transformers, kind)(config))


def index(size: tuple[int, ...]) -> Tensor:
    """The row of a bias table for every pair, one pair at a time."""
    places = list(itertools.product(*(range(side) for side in size)))
    rows = []
    for query in places:
        for key in places:
            row = 0
            for q, k, side in zip(query, key, size, strict=True):
                row = row * (2 * side - 1) + q - k + side - 1
            rows.append(row)
    return torch.tensor(rows).view(len(places), len(places))


def mask(grid: tuple[int, int], side: int) -> Tensor:
    """0 where two tokens of a shifted window stand in one region of the map, -100 elsewhere; position by position."""

    def region(place: int, length: int) -> int:
        return 0 if place < length - side else 1 if place < length - side // 2 else 2

    windows = []
    for top, left in itertools.product(range(0, grid[0], side), range(0, grid[1], side)):
        inside = itertools.product(range(top, top + side), range(left, left + side))
        labels = [(region(row, grid[0]), region(column, grid[1])) for row, column in inside]
        windows.append([[0.0 if a == b else -100.0 for b in labels] for a in labels])
    return torch.tensor(windows)


def mm_swin(dense: bool = True) -> dict[str, Tensor]:
    """A Swin as OpenMMLab's detectors (with their heads) and mmpretrain's classifiers hold it; its keys one by one."""
    generator = torch.Generator().manual_seed(1)
    state: dict[str, Tensor] = {}

    def put(name: str, *shape: int) -> None:
        state[name] = 0.15 * torch.randn(shape, generator=generator)

    def layer(name: str, out: int, into: int) -> None:
        put(f"{name}.weight", out, into)
        put(f"{name}.bias", out)

    def norm(name: str, dim: int) -> None:
        put(f"{name}.weight", dim)
        put(f"{name}.bias", dim)

    dim = SHAPE["dim"]
    put("backbone.patch_embed.projection.weight", dim, 3, 4, 4)
    put("backbone.patch_embed.projection.bias", dim)
    norm("backbone.patch_embed.norm", dim)
    for stage, (depth, heads) in enumerate(zip(SHAPE["depths"], SHAPE["heads"], strict=True)):
        width = dim * 2**stage
        for number in range(depth):
            block = f"backbone.stages.{stage}.blocks.{number}"
            norm(f"{block}.norm1", width)
            put(f"{block}.attn.w_msa.relative_position_bias_table", 169, heads)
            state[f"{block}.attn.w_msa.relative_position_index"] = index((7, 7))
            layer(f"{block}.attn.w_msa.qkv", 3 * width, width)
            layer(f"{block}.attn.w_msa.proj", width, width)
            norm(f"{block}.norm2", width)
            layer(f"{block}.ffn.layers.0.0", 4 * width, width)
            layer(f"{block}.ffn.layers.1", width, 4 * width)
        if stage < 3:
            put(f"backbone.stages.{stage}.downsample.reduction.weight", 2 * width, 4 * width)
            norm(f"backbone.stages.{stage}.downsample.norm", 4 * width)
        if dense:
            norm(f"backbone.norm{stage}", width)
    if dense:
        layer("rpn_head.rpn_cls", 3, 16)
        layer("roi_head.bbox_head.fc_cls", 81, 16)
    else:
        norm("backbone.norm3", 8 * dim)
        layer("head.fc", 5, 8 * dim)
    return state


class UnfoldMerge(nn.Module):
    """OpenMMLab's step down, from its description: 2 x 2 neighbours by `nn.Unfold`, norm, a linear map."""

    def __init__(self, dim: int):
        super().__init__()
        self.sample = nn.Unfold(2, stride=2)
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, H·W / 4, 2C)."""
        return self.reduction(self.norm(self.sample(x).transpose(1, 2)))


def released(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state dict of a golden case, in the release's names with its buffers, and its constructor's arguments."""
    config = json.loads(path.with_name(path.name.replace(".keys.", ".config.")).read_text())
    arguments = config["constructor"]
    generator = torch.Generator().manual_seed(2)
    size = arguments.get("img_size", 224)
    height, width = (size, size) if isinstance(size, int) else size
    state = {}
    for key, shape, kind in json.loads(path.read_text()):
        if kind == "param":
            state[key] = 0.15 * torch.randn(shape, generator=generator)
        elif key.endswith("relative_position_index"):
            table = state[key.replace("_index", "_bias_table")]
            window = arguments["window_size"]
            flat = (round(shape[0] ** 0.5),) * 2
            state[key] = index(tuple(window) if isinstance(window, list) else flat)
            assert tuple(state[key].shape) == tuple(shape) and int(state[key].max()) < table.shape[0]
        else:
            stage = int(key.split(".")[1])
            side = round(shape[1] ** 0.5)
            state[key] = mask((height // 4 // 2**stage, width // 4 // 2**stage), side)
            assert tuple(state[key].shape) == tuple(shape)
    return state, config
