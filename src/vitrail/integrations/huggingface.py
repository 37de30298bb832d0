"""`import vitrail.integrations.huggingface`, and transformers' Auto classes know vitrail's models.

`AutoConfig`, `AutoBackbone`, `AutoModelForImageClassification` and `AutoImageProcessor` find the classes of this room
by the model type "vitrail". Parameters keep vitrail's names, so that `model.safetensors` of a saved folder is also a
file for `vitrail.load_weights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.errors import InputError, nearest
from vitrail.integrations.names import BACKBONES, CLASSIFIERS
from vitrail.layers.relative import RelativeBias, relative_index
from vitrail.models.assemble import Backbone, Classifier, Network
from vitrail.models.catalogue import ROWS, build
from vitrail.models.spec import override, to_dict

try:
    from transformers import (
        AutoBackbone,
        AutoConfig,
        AutoImageProcessor,
        AutoModelForImageClassification,
        PreTrainedConfig,
        PreTrainedModel,
        initialization,
    )
    from transformers.backbone_utils import BackboneConfigMixin, BackboneMixin
    from transformers.modeling_outputs import BackboneOutput, ImageClassifierOutput
    from transformers.utils.generic import can_return_tuple
except ImportError as error:
    raise InputError(
        "vitrail.integrations.huggingface needs transformers 5, which is missing: pip install 'vitrail[huggingface]'"
    ) from error

from vitrail.integrations.huggingface_images import VitrailImageProcessor

NAMES = (*CLASSIFIERS, *BACKBONES)


class VitrailConfig(BackboneConfigMixin, PreTrainedConfig):
    """What a vitrail model is, as transformers writes it to config.json.

    Fields:
        name: One of the catalogue; `dense_NAME` is a backbone with output norms.
        image_size: Side or [H, W] in pixels for which windows and shifts are resolved; any size can be given later.
        num_channels: C_in.
        spec: Other values for fields of the name's spec. It is completed here, so that a saved file says everything.
    Also num_labels (or num_classes; transformers' default is 2), id2label, out_features, out_indices, as usual there.
    Raises: InputError for an unknown name or field.
    """

    model_type = "vitrail"

    name: str = "iwin_tiny"
    image_size: int | list[int] | tuple[int, ...] = 224
    num_channels: int = 3
    spec: dict[str, Any] | None = None
    _out_features: list[str] | None = None
    _out_indices: list[int] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if self.name not in NAMES:
            raise InputError(f"No model for pictures is called {self.name!r}.{nearest(self.name, NAMES)}")
        spec = override(ROWS[self.name].spec, **({"in_channels": self.num_channels} | (self.spec or {})))
        self.spec, self.num_channels = to_dict(spec), spec.in_channels
        self.hidden_size = spec.dim * 2 ** (len(spec.depths) - 1)
        self.stage_names = ["stem", *(f"stage{number}" for number in range(1, len(spec.depths) + 1))]
        self.set_output_features_output_indices(
            out_features=kwargs.pop("out_features", None), out_indices=kwargs.pop("out_indices", None)
        )
        if "num_classes" in kwargs:
            kwargs["num_labels"] = kwargs.pop("num_classes")
        super().__post_init__(**kwargs)

    def build(self, num_classes: int) -> Network:
        """The network of vitrail with random weights."""
        size = self.image_size if isinstance(self.image_size, int) else tuple(self.image_size)
        return build(self.name, num_classes, size, **(self.spec or {}))  # type: ignore[arg-type]


class VitrailPreTrainedModel(PreTrainedModel):
    """What both models share: a trunk, starting values, recomputing."""

    config_class = VitrailConfig
    base_model_prefix = ""
    main_input_name = "pixel_values"
    input_modalities = ("image",)  # type: ignore[assignment]
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _no_split_modules = ("Block",)  # type: ignore[assignment]
    trunk: Any

    def __init__(self, config: VitrailConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self._made = torch.get_default_device().type != "meta"  # else a file's numbers come later
        self._fresh: dict[str, Tensor] | None = None

    def stages(self, x: Tensor, last: int) -> list[Tensor]:
        """(B, C_in, H, W) -> the stem's map and those of the stages up to `last`, (B, H_s, W_s, C_s)."""
        maps = [self.trunk.stem(x)]
        for stage in self.trunk.stages[:last]:
            maps.append(stage(maps[-1]))
        return maps

    @property
    def gradient_checkpointing(self) -> bool:
        """Whether all blocks are recomputed in the backward pass."""
        return all(stage.recompute for stage in self.trunk.stages)

    @gradient_checkpointing.setter
    def gradient_checkpointing(self, on: bool) -> None:
        self.trunk.checkpoint_stages(range(len(self.trunk.stages)) if on else ())

    def post_init(self) -> None:
        last = torch.channels_last
        self._layouts = {
            path: last
            for path, parameter in self.named_parameters()
            if parameter.ndim == 4 and parameter.is_contiguous(memory_format=last) and not parameter.is_contiguous()
        }
        super().post_init()

    def _network(self) -> Network:
        raise NotImplementedError

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Give what no file held its starting values, those of vitrail; transformers guards what a file did hold."""
        if isinstance(module, RelativeBias):
            initialization.copy_(module.index, relative_index(module.size))
        own = dict(module.named_parameters(recurse=False))
        if self._made or not own:
            return
        if self._fresh is None:
            with torch.device("cpu"):
                self._fresh = dict(self._network().named_parameters())
        path = next(path for path, candidate in self.named_modules() if candidate is module)
        for name, parameter in own.items():
            initialization.copy_(parameter, self._fresh[f"{path}.{name}"])

    def _initialize_weights(self, module: nn.Module, *args: Any, **kwargs: Any) -> None:
        super()._initialize_weights(module, *args, **kwargs)
        if module is self:  # the last one
            self._fresh = None
            for path, layout in self._layouts.items():  # transformers puts a file's tensors in place as they lie there
                parameter = self.get_parameter(path)
                parameter.data = parameter.data.contiguous(memory_format=layout)


class VitrailForImageClassification(VitrailPreTrainedModel):
    """A classifier: pixel_values (B, C_in, H, W) -> logits (B, num_labels), and a loss where labels are given."""

    def __init__(self, config: VitrailConfig) -> None:
        super().__init__(config)
        network = self._network()
        self.trunk, self.norm, self.head = network.trunk, network.norm, network.head
        self.post_init()

    def _network(self) -> Classifier:
        network = self.config.build(self.config.num_labels)
        if not isinstance(network, Classifier):
            raise InputError(f"{self.config.name} has no classes; {self.config.name.removeprefix('dense_')} has.")
        return network

    @can_return_tuple
    def forward(
        self,
        pixel_values: Tensor,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
        **kwargs: Any,
    ) -> ImageClassifierOutput:
        """`loss` follows transformers' rule for `problem_type`; `hidden_states` are the maps of `VitrailBackbone`."""
        maps = self.stages(pixel_values, len(self.trunk.stages))
        logits = self.head(self.norm(maps[-1]).mean((1, 2)))
        loss = None if labels is None else self.loss_function(labels, logits, self.config)
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        hidden = tuple(y.movedim(-1, 1) for y in maps) if wanted else None
        return ImageClassifierOutput(loss=loss, logits=logits, hidden_states=hidden)


class VitrailBackbone(BackboneMixin, VitrailPreTrainedModel):
    """Maps of the stages that the config's out_features name, (B, C_s, H_s, W_s): "stem", "stage1", ..., "stage4".

    A classifier's name gives the maps of `vitrail.create_model(name).features`; `dense_NAME` has an output norm after
    each stage. "stem" has none. Stages after the last one named are not computed.
    """

    has_attentions = False
    # of a classifier's file
    _keys_to_ignore_on_load_unexpected = (r"^norm\.", r"^head\.")  # type: ignore[assignment]

    def __init__(self, config: VitrailConfig) -> None:
        super().__init__(config)
        network = self._network()
        self.trunk = network.trunk
        self.norms = network.norms if isinstance(network, Backbone) else None
        self.num_features = [network.channels[0], *network.channels]
        self.post_init()

    def _network(self) -> Network:
        return self.config.build(1)

    @can_return_tuple
    def forward(self, pixel_values: Tensor, output_hidden_states: bool | None = None, **kwargs: Any) -> BackboneOutput:
        """`feature_maps` in the order of `out_features`; `hidden_states`, if asked for, all maps without norms."""
        if kwargs.get("output_attentions"):
            raise InputError("vitrail's models give no attention weights: their kernels never write them out.")
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        places = [self.stage_names.index(name) for name in self.out_features]
        maps = self.stages(pixel_values, len(self.trunk.stages) if wanted else max(places))
        chosen: Any = tuple(self._out(maps[place], place).movedim(-1, 1).contiguous() for place in places)
        hidden: Any = tuple(y.movedim(-1, 1) for y in maps) if wanted else None
        return BackboneOutput(feature_maps=chosen, hidden_states=hidden)

    def _out(self, x: Tensor, place: int) -> Tensor:
        return x if self.norms is None or place == 0 else self.norms[place - 1](x)


def wrap(model: Network, classes: Sequence[str] = ()) -> VitrailForImageClassification | VitrailBackbone:
    """A model of vitrail in transformers' clothes, with its weights: a classifier, or a `dense_...` backbone.

    Args:
        classes: Names, in their order, for the config's id2label.
    Raises: InputError for a model that is none of the catalogue, or for another number of names than classes.
    """
    if model.name not in NAMES:
        raise InputError(f"{model.name} is none of vitrail's own models for pictures.")
    if classes and len(classes) != model.num_classes:
        raise InputError(f"{len(classes)} names came for the {model.num_classes} classes of {model.name}.")
    fields: dict[str, Any] = {"num_labels": model.num_classes}
    if classes:
        numbers = {name: number for number, name in enumerate(classes)}
        fields |= {"id2label": dict(enumerate(classes)), "label2id": numbers}
    if not isinstance(model, Classifier):
        fields = {"out_indices": list(range(1, len(model.channels) + 1))}
    config = VitrailConfig(name=model.name, image_size=list(model.size), spec=to_dict(model.spec), **fields)
    made = VitrailForImageClassification(config) if isinstance(model, Classifier) else VitrailBackbone(config)
    made.load_state_dict(model.state_dict())
    return made.train(model.training)


AutoConfig.register(VitrailConfig.model_type, VitrailConfig, exist_ok=True)
AutoBackbone.register(VitrailConfig, VitrailBackbone, exist_ok=True)
AutoImageProcessor.register(VitrailConfig, image_processor_classes={"pil": VitrailImageProcessor}, exist_ok=True)
AutoModelForImageClassification.register(VitrailConfig, VitrailForImageClassification, exist_ok=True)
