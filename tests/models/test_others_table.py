"""The table of docs/backbones.md says what its networks do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import vitrail
from vitrail.models.others_dense import OtherBackbone

PAGE = Path(__file__).parents[2] / "docs" / "backbones.md"
LINE = re.compile(r"^\| `((?:timm|torchvision)/\w+)` \| ([\w ().-]+) \| .*\|$", re.MULTILINE)
ROWS = {name: (line.group(), size) for line in LINE.finditer(PAGE.read_text()) for name, size in [line.groups()]}


def row(name: str, size: str) -> str:
    """The line of one network, from the network itself."""
    side = int(size)
    with torch.device("meta"):
        classes = vitrail.create_model(name, 10, side)(torch.zeros(2, 3, side, side))
        model = vitrail.create_model(f"dense_{name}", size=side)
    assert isinstance(model, OtherBackbone) and classes.shape == (2, 10)
    ragged = (97, 133)
    maps = model(torch.zeros(1, 3, *ragged, device="meta"))
    assert [tuple(m.shape[2:]) for m in maps] == [tuple(-(-s // stride) for s in ragged) for stride in model.strides]
    assert [m.shape[1] for m in maps] == list(model.channels)
    from_one = f"one at {model.given[0]}, small pyramid"
    taken = "any" if model.multiple == (1, 1) else f"any, padded to {model.multiple[0]}"
    return (
        f"| `{name}` | {size} | {'four' if model.pyramid is None else from_one} "
        f"| {', '.join(map(str, model.channels))} | {f'up to {side}' if model.fixed else taken} "
        f"| {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M | {len(model.parts()) or '–'} |"
    )


def test_the_table_has_those_that_the_papers_compare_with() -> None:
    """ConvNeXt, EfficientFormer, CrossViT and TNT, and the baselines of the three papers."""
    text = " ".join(ROWS)
    for word in ("convnext", "efficientformer", "crossvit", "tnt", "deit", "vit_", "resnet50", "resnet101", "resnext"):
        assert word in text, word
    assert len(ROWS) == len(set(ROWS)) == PAGE.read_text().count("\n| `t")


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_says_what_the_network_does(name: str) -> None:
    line, size = ROWS[name]
    assert row(name, size) == line
