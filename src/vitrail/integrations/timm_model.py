"""A vitrail classifier with the methods that timm asks of its models; parameters keep vitrail's names.

Maps inside are channels-last, which timm calls NHWC; what `forward_intermediates` and `features_only` give is
channels-first, (B, C, H, W), unless NHWC is asked for.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import SelectAdaptivePool2d
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.layers.init import init_linear
from vitrail.layers.linear import Linear
from vitrail.models.assemble import Classifier

POOLS = ("avg", "max", "avgmax", "catavgmax", "")


class TimmModel(Classifier):
    """A classifier as timm sees it: (B, C_in, H, W) -> (B, classes), any H and W.

    Args:
        network: The classifier of the catalogue whose modules it takes over.
        num_classes: 0 leaves out the last linear map. Of ScalableViT's two-layer head the first layer then stays, as
            timm's convention (and the release) has it; `vitrail.create_model(..., num_classes=0)` leaves out both.
        global_pool: Over the last map: "avg" as in the papers, "max", "avgmax" (their mean), "catavgmax" (both, so
            that the head is twice as wide), or "" for none: then logits are (B, H, W, classes).
        drop_rate: Dropout before the last linear map.
    Attributes:
        num_features: C of the last map.    head_hidden_size: Width of what the last linear map reads.
        feature_info: One dict a stage: num_chs, reduction, module.
    """

    output_fmt = "NHWC"

    def __init__(self, network: Classifier, num_classes: int, global_pool: str = "avg", drop_rate: float = 0.0):
        super().__init__(network.trunk, network.norm, network.head)
        self.name, self.spec, self.size = network.name, network.spec, network.size
        self.in_chans: int = network.spec.in_channels
        self.num_classes = network.num_classes
        self.num_features = self.head_hidden_size = self.channels[-1]
        self.global_pool = "avg"
        self.pool = SelectAdaptivePool2d(pool_type="avg", flatten=True, input_fmt="NHWC")
        self.dropout = nn.Dropout(drop_rate)
        self.feature_info: list[dict[str, Any]] = [
            {"num_chs": channels, "reduction": stride, "module": f"trunk.stages.{stage}"}
            for stage, (channels, stride) in enumerate(zip(self.channels, self.strides, strict=True))
        ]
        self.head_hidden_size = self._last().in_features
        if (num_classes, global_pool) != (self.num_classes, self.global_pool):
            self.reset_classifier(num_classes, global_pool)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> the last map, normed, (B, H', W', C)."""
        return self.norm(self.trunk(x)[-1])

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(B, H', W', C) -> (B, classes), or what the last linear map would read, (B, head_hidden_size)."""
        x = self.pool(x)
        if isinstance(self.head, nn.Sequential):
            x = self.head[:-1](x)
        x = self.dropout(x)
        return x if pre_logits else self._last()(x)

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The maps of some stages, and unless `intermediates_only` what `forward_features` gives before them.

        Args:
            indices: The last n stages, or their numbers (negative from the end); None for all.
            norm: Put the last stage's map through the final norm; the others have none.
            stop_early: Do not compute stages after the last one wanted; the first result is then that stage's map.
            output_fmt: "NCHW" for (B, C_s, H_s, W_s), "NHWC" for (B, H_s, W_s, C_s).
        """
        if output_fmt not in ("NCHW", "NHWC"):
            raise InputError(f"output_fmt={output_fmt!r}: NCHW or NHWC is wanted.")
        stages = list(self.trunk.stages)
        wanted = _chosen(indices, len(stages))
        last = max(wanted)
        maps = []
        x = self.trunk.stem(x)
        for number, stage in enumerate(stages[: last + 1] if stop_early else stages):
            x = stage(x)
            if number in wanted:
                y = self.norm(x) if norm and number == len(stages) - 1 else x
                maps.append(y.movedim(-1, 1).contiguous() if output_fmt == "NCHW" else y)
        if intermediates_only:
            return maps
        return (x if stop_early and last < len(stages) - 1 else self.norm(x)), maps

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop the stages after the last one of `indices`, and with them (or where asked) the norm and the head."""
        wanted = _chosen(indices, len(self.trunk.stages))
        last = max(wanted)
        shorter = last < len(self.trunk.stages) - 1
        if shorter:
            self.trunk.stages = self.trunk.stages[: last + 1]
            self.trunk.channels = self.channels = self.channels[: last + 1]
            self.trunk.strides = self.strides = self.strides[: last + 1]
            self.num_features = self.channels[-1]
        if prune_norm or shorter:
            self.norm = nn.Identity()
        if prune_head or shorter:
            self.head = nn.Identity()
            self.reset_classifier(0, "")
        return wanted

    def get_classifier(self) -> nn.Module:
        """The last linear map, or an identity."""
        return self._last()

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new last linear map, or none for 0, and another pooling where one is named."""
        if global_pool is not None:
            if global_pool not in POOLS:
                raise InputError(f"global_pool={global_pool!r} is none of {', '.join(map(repr, POOLS))}.")
            self.global_pool = global_pool
            self.pool = SelectAdaptivePool2d(pool_type=global_pool, flatten=bool(global_pool), input_fmt="NHWC")
        parameter = next(self.parameters())
        width = self.num_features * self.pool.feat_mult()
        if isinstance(self.head, nn.Sequential):
            first: Any = self.head[0]
            if first.in_features != width:
                self.head[0] = _linear(Linear, width, first.out_features, parameter)
            width = first.out_features
            self.head[-1] = _linear(Linear, width, num_classes, parameter)
        else:
            self.head = _linear(nn.Linear, width, num_classes, parameter)
        self.num_classes, self.head_hidden_size = num_classes, width
        self.head.train(self.training)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute the blocks of every stage in the backward pass."""
        self.trunk.checkpoint_stages(range(len(self.trunk.stages)) if enable else ())

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """How timm sorts parameters into layers: block by block as `layer_of` does, or stage by stage."""
        blocks = [
            (r"^trunk\.stages\.(\d+)\.down", (0,)),  # with the first block after it
            (r"^trunk\.stages\.(\d+)\.blocks\.(\d+)", None),
        ]
        return {"stem": r"^trunk\.stem", "blocks": r"^trunk\.stages\.(\d+)" if coarse else blocks}

    def _last(self) -> Any:
        """The last linear map."""
        return self.head[-1] if isinstance(self.head, nn.Sequential) else self.head


def _chosen(indices: int | list[int] | None, count: int) -> list[int]:
    """The stages that timm's `indices` mean: all, the last n, or these, of which negative ones count from the end."""
    if indices is None:
        return list(range(count))
    numbers = range(-indices, 0) if isinstance(indices, int) else indices
    if not numbers or not all(-count <= number < count for number in numbers):
        raise InputError(f"indices={indices!r}: there are {count} stages, 0 to {count - 1}.")
    return [number % count for number in numbers]


def _linear(kind: type[nn.Linear], dim_in: int, dim_out: int, like: Tensor) -> nn.Module:
    """A linear map as the papers start theirs, where `like` lies and of its type; an identity for no output."""
    if not dim_out:
        return nn.Identity()
    with torch.device(like.device):
        layer = kind(dim_in, dim_out)
    init_linear(layer)
    return layer.to(like.dtype)
