"""What detectors and segmenters share: a backbone for dense tasks under the face of a model.

They are named head_backbone, such as `mask_rcnn_iwin_tiny`: the dense backbone `dense_iwin_tiny` below the head, and
`mask_rcnn_timm/resnet18` stands on `dense_timm/resnet18`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from vitrail.errors import InputError, nearest
from vitrail.geometry.windows import Windows
from vitrail.layers.init import init_linear
from vitrail.mixers import WindowAttention
from vitrail.models.assemble import Network
from vitrail.models.spec import override, to_dict
from vitrail.pyramid import Block, Residual, Stage


class Kind(NamedTuple):
    """A head by name: its spec, and what puts it on a backbone, (spec, backbone, num_classes) -> model."""

    spec: Any
    make: Callable[[Any, Network, int], Network]
    classes: int  # the default: those of the papers' data set


class Assembled(Network):
    """A model on a dense backbone, whose face it has: channels, strides, parts that freeze, layers.

    Attributes:
        backbone: (B, C_in, H, W) -> maps, (B, C_s, H_s, W_s).
    """

    def __init__(self, backbone: Network) -> None:
        nn.Module.__init__(self)
        self.backbone = backbone
        self.channels, self.strides = backbone.channels, backbone.strides

    def features(self, x: Tensor) -> list[Tensor]:
        """The backbone's maps, through its output norms."""
        return self.backbone(x)

    def grids(self) -> list[tuple[int, ...]]:
        return self.backbone.grids()

    def blocks(self) -> list[nn.Module]:
        return self.backbone.blocks()

    def parts(self) -> list[list[nn.Module]]:
        """The backbone's."""
        return self.backbone.parts()

    def layer_of(self, path: str) -> int:
        """The backbone's layers; neck and heads are above them all."""
        return self.backbone.layer_of(path.removeprefix("backbone."))

    def no_weight_decay(self) -> set[str]:
        return {f"backbone.{path}" for path in self.backbone.no_weight_decay()}


def assemble(
    kind: Kind, base: Any, num_classes: int, options: dict[str, Any], build: Callable[..., Network]
) -> Network:
    """The model on a backbone.

    Args:
        base: The backbone's spec, which knows its fields; None for another library's.
        options: Fields of the head's spec; the others are of the backbone's.
        build: (**overrides) -> backbone.
    Raises: InputError for a field or a value that neither has.
    """
    own = [field.name for field in dataclasses.fields(kind.spec)]
    below = options.get("backbone", {})
    if not isinstance(below, dict):
        raise InputError(f"backbone={below!r}: fields of the backbone's spec are wanted, {{'drop_path': 0.2}}.")
    below = {**below, **{name: value for name, value in options.items() if name not in own}}
    if base is not None:
        known = [field.name for field in dataclasses.fields(base)]
        for name in below.keys() - set(known):
            fields = f" Fields: {', '.join(own)}; of the backbone {', '.join(known)}."
            raise InputError(f"No field {name!r}.{nearest(name, [*own, *known]) or fields}")
    above = {name: value for name, value in options.items() if name in own}
    spec = override(kind.spec, **{**above, "backbone": {}})
    backbone = build(**below)
    said = backbone.spec if isinstance(backbone.spec, dict) else to_dict(backbone.spec)
    spec = dataclasses.replace(spec, backbone={name: said[name] for name in below})
    if spec.global_attention:
        add_global_attention(backbone)
    model = kind.make(spec, backbone, num_classes)
    model.spec = spec
    return model


def rest_first_map(backbone: Network) -> None:
    """What serves the first map alone stops learning, for heads that begin at the second: its output norm, or the last
    step of a small pyramid.
    """
    norms, pyramid = getattr(backbone, "norms", None), getattr(backbone, "pyramid", None)
    for module in (None if norms is None else norms[0], None if pyramid is None else pyramid.second):
        if isinstance(module, nn.Module):
            module.requires_grad_(False)


def add_global_attention(backbone: Network) -> None:
    """Attention over the whole map after the last stage's blocks, before its output norm: x + attention(norm(x)).

    Source: Swin (arXiv 2103.14030) appendix A2.2, where HTC++ has a global self-attention layer there. The paper gives
        neither its heads, its positions nor whether an MLP follows; here it has the last stage's heads and neither.
    Raises: InputError for a backbone that is not vitrail's.
    """
    trunk = getattr(backbone, "trunk", None)
    if trunk is None:
        raise InputError(f"{backbone.name}: global_attention needs one of vitrail's backbones.")
    stage, dim = trunk.stages[-1], backbone.channels[-1]
    assert isinstance(stage, Stage)
    attention = WindowAttention(dim, backbone.spec.heads[-1], Windows((1, 1), by="count"))
    block = Block(mix=Residual(nn.LayerNorm(dim), attention))
    block.apply(init_linear)
    stage.blocks.append(block)
