"""What stands on a pyramid: a classifier of pictures or of clips, or the output norms that dense tasks want."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from vitrail.heads.i3d import I3DHead
from vitrail.layers.init import init_linear
from vitrail.models.spec import clip_grids, stage_grids
from vitrail.pyramid import Pyramid


class Network(nn.Module):
    """The outward face of every model.

    Attributes:
        channels, strides: Of the maps that `features` gives.
        name, spec, size, num_classes: What the catalogue built it as: its name, the paper's dataclass, the (H, W) for
            which windows, shifts and convolutions were resolved, and the classes.
    """

    name: str
    spec: Any
    size: tuple[int, int]
    num_classes: int

    def __init__(self, trunk: Pyramid):
        super().__init__()
        self.trunk = trunk
        self.channels = trunk.channels
        self.strides = trunk.strides

    def features(self, x: Tensor) -> list[Tensor]:
        """(B, C_in, H, W) -> one map a stage, (B, C_s, ceil(H / stride_s), ceil(W / stride_s)), before any norm."""
        return [stage.movedim(-1, 1) for stage in self.trunk(x)]

    @property
    def input_size(self) -> tuple[int, ...]:
        """(H, W), of a clip (T, H, W): what windows, shifts and convolutions were resolved for."""
        return self.size

    def grids(self) -> list[tuple[int, ...]]:
        """The token grid of each stage for an input of `input_size`."""
        return list(stage_grids(self.size, len(self.channels)))

    def blocks(self) -> list[nn.Module]:
        """The blocks of all stages, from the stem upwards."""
        return [block for stage in self.trunk.stages for block in stage.blocks]  # type: ignore[union-attr]

    def parts(self) -> list[list[nn.Module]]:
        """What can be frozen, from the front: the stem, then each stage with the step down to it."""
        return [[self.trunk.stem], *([stage] for stage in self.trunk.stages)]

    def layer_of(self, path: str) -> int:
        """The layer of a parameter: 0 in the stem, then 1, 2, ... block by block; above them all norms and head.

        A step down counts with the first block after it.
        """
        match = re.match(r"trunk\.(?:(stem)|stages\.(\d+)\.(?:down|blocks\.(\d+)))\.", path)
        if not match:
            return len(self.blocks()) + 1
        if match[1]:
            return 0
        depths: list[int] = [len(stage.blocks) for stage in self.trunk.stages]  # type: ignore[arg-type]
        below = sum(depths[: int(match[2])])
        return below + int(match[3] or 0) + 1

    def no_weight_decay(self) -> set[str]:
        """Parameters that the papers' recipes keep from weight decay, beside every bias and every 1-D tensor."""
        return {f"{path}.{name}" for path, module in self.named_modules() for name in getattr(module, "no_decay", ())}


class Classifier(Network):
    """Last map -> norm -> mean over positions -> head: (B, C_in, H, W) -> (B, classes).

    With `head=nn.Identity()` it gives the mean itself, (B, C).
    """

    def __init__(self, trunk: Pyramid, norm: nn.Module, head: nn.Module):
        super().__init__(trunk)
        self.norm = norm
        self.head = head

    def embed(self, x: Tensor) -> Tensor:
        """(B, C_in, *S) -> the normed mean over positions of the last map, (B, C)."""
        return self.norm(self.trunk(x)[-1]).mean(tuple(range(1, x.ndim - 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(x))


def linear_classifier(trunk: Pyramid, num_classes: int) -> Classifier:
    """Norm, mean, one linear map; no map for num_classes=0. Source: Swin and Iwin."""
    dim = trunk.channels[-1]
    return Classifier(trunk, nn.LayerNorm(dim), nn.Linear(dim, num_classes) if num_classes else nn.Identity())


class VideoClassifier(Classifier):
    """`Classifier` of clips: (B, C_in, T, H, W) -> (B, classes), T frames.

    `features` gives one map a stage, (B, C_s, T', H_s, W_s): `strides` are those of H and W, T' = ceil(T / time_stride)
    is the same in all stages. `size` is (H, W), `spec.frames` the length that windows were resolved for.
    """

    def __init__(self, trunk: Pyramid, norm: nn.Module, head: nn.Module, time_stride: int):
        super().__init__(trunk, norm, head)
        self.time_stride = time_stride

    @property
    def input_size(self) -> tuple[int, ...]:
        return (self.spec.frames, *self.size)

    def grids(self) -> list[tuple[int, ...]]:
        return list(clip_grids(self.spec.frames, self.size, len(self.channels), self.time_stride))


def video_classifier(trunk: Pyramid, num_classes: int, dropout: float, time_stride: int) -> VideoClassifier:
    """Norm, mean over time and space, `I3DHead`; no head for num_classes=0. Starting values as in the releases."""
    dim = trunk.channels[-1]
    head = I3DHead(dim, num_classes, dropout) if num_classes else nn.Identity()
    model = VideoClassifier(trunk, nn.LayerNorm(dim), head, time_stride)
    model.apply(init_linear)
    if isinstance(head, I3DHead):
        head.reset()
    return model


class Backbone(Network):
    """The maps of all stages, each through its output norm (None leaves one as it is): a backbone for dense tasks."""

    def __init__(self, trunk: Pyramid, norms: Sequence[nn.Module | None]):
        super().__init__(trunk)
        self.norms = nn.ModuleList(nn.Identity() if norm is None else norm for norm in norms)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C_in, H, W) -> one map a stage, (B, C_s, H_s, W_s)."""
        return [norm(stage).movedim(-1, 1) for norm, stage in zip(self.norms, self.trunk(x), strict=True)]
