"""Models of the three families small enough to export in a test: two stages, windows that are a map's only one."""

from __future__ import annotations

import torch

import vitrail

TINY = {"dim": 8, "depths": (2, 1), "heads": (1, 2)}
SMALL = {
    "iwin_nano": {"kernels": (3, 3)},
    "scalablevit_nano": {"ratios": (1.25, 1.0), "reductions": (8, 1)},
    "swin_nano": {},
}


def small(name: str, **overrides: object) -> vitrail.models.assemble.Network:
    torch.manual_seed(0)
    model = vitrail.create_model(name, num_classes=3, size=56, **{**TINY, **SMALL.get(name, {}), **overrides}).eval()
    for parameter in model.parameters():  # values at which a difference shows
        torch.nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.2)
    return model
