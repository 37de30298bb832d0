"""`import vitrail.integrations.smp`, and segmentation_models.pytorch takes vitrail's names as encoders.

`smp.Unet("iwin_nano", encoder_weights=None)`: a classifier's name gives the maps of its `features`, `dense_NAME` those
with output norms. There is no map at half the resolution: its place holds one without channels, as smp has it for
other networks that begin at a quarter. smp decides which decoders can do with that.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.integrations.names import BACKBONES, CLASSIFIERS
from vitrail.models.assemble import Backbone, Network
from vitrail.models.catalogue import build

try:
    from segmentation_models_pytorch.encoders import encoders
    from segmentation_models_pytorch.encoders._base import EncoderMixin
except ImportError as error:
    raise InputError(
        "vitrail.integrations.smp needs segmentation-models-pytorch, which is missing: pip install 'vitrail[smp]'"
    ) from error


class Encoder(Network, EncoderMixin):
    """A trunk as smp sees an encoder: (B, C_in, H, W) -> the input, a map without channels, and one map a stage.

    Parameters keep vitrail's names, so `vitrail.load_weights(model.encoder, FILE, partial=True)` reads its files.

    Args:
        name: One of the catalogue, for pictures.
        depth: Maps after the input, 2 to 5; stages that no map comes from are left out.
        output_stride: 32 divides the picture as the papers do; there is nothing here to dilate for less.
        overrides: `size` and fields of the spec, as `vitrail.create_model` takes them.
    """

    _is_torch_scriptable = False

    def __init__(self, name: str, depth: int = 5, output_stride: int = 32, **overrides: Any) -> None:
        if depth not in (2, 3, 4, 5):
            raise InputError(f"depth={depth}: {name} gives maps for 2 to 5, at strides 4, 8, 16 and 32.")
        if output_stride != 32:
            raise InputError(f"output_stride={output_stride}: windows are not dilated, so {name} has 32 only.")
        self._made = name, depth, overrides
        network = build(name, 1, **({"size": (224, 224)} | overrides))
        super().__init__(network.trunk)
        stages = depth - 1
        self.trunk.stages = self.trunk.stages[:stages]
        self.trunk.channels = self.channels = network.channels[:stages]
        self.trunk.strides = self.strides = network.strides[:stages]
        self.norms = nn.ModuleList(network.norms[:stages]) if isinstance(network, Backbone) else None
        self.name, self.spec, self.size, self.num_classes = name, network.spec, network.size, 0
        self._depth, self._output_stride, self._in_channels = depth, output_stride, network.spec.in_channels
        self._out_channels = [self._in_channels, 0, *self.channels]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Strides 1, 2 (no channels), 4, 8, ...; the maps of a ragged picture have ceil(H / stride) rows."""
        half = x.new_empty((x.shape[0], 0, -(-x.shape[2] // 2), -(-x.shape[3] // 2)))
        maps = self.trunk(x)
        if self.norms is not None:
            maps = [norm(stage) for norm, stage in zip(self.norms, maps, strict=True)]
        return [x, half, *(stage.movedim(-1, 1).contiguous() for stage in maps)]

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Begin anew for pictures of so many channels."""
        if in_channels != self._in_channels:
            name, depth, overrides = self._made
            new = Encoder(name, depth, **(overrides | {"in_channels": in_channels}))
            self.trunk, self.norms, self.spec, self._made = new.trunk, new.norms, new.spec, new._made
            self._in_channels, self._out_channels = new._in_channels, new._out_channels


def register(name: str, known: str | None = None, **overrides: Any) -> None:
    """Let smp know a name of the catalogue as `known`, with `size` and fields of its spec: smp passes no options on."""
    encoders[known or name] = {"encoder": Encoder, "params": {"name": name, **overrides}, "pretrained_settings": {}}


for _name in (*CLASSIFIERS, *BACKBONES):
    register(_name)
