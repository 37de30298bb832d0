"""`import vitrail.integrations.timm`, and timm knows vitrail's classifiers by name.

iwin_* and scalablevit_* are called as in vitrail; swin_* are `vitrail_swin_*`, because timm has Swin of its own.
`NAME.TAG` is a row of vitrail's weights table: built with the spec, size and classes that it was trained with.
With `pretrained=True` its file is read from vitrail's cache folder, or from `pretrained_cfg_overlay={"file": PATH}`;
nothing is downloaded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.data.settings import Preprocessing
from vitrail.errors import InputError
from vitrail.integrations.names import CLASSIFIERS
from vitrail.models.assemble import Classifier
from vitrail.models.catalogue import ROWS, WEIGHTS, build
from vitrail.models.spec import Trained, override
from vitrail.weights import load_weights, locate, read, trained

try:
    from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
except ImportError as error:
    raise InputError("vitrail.integrations.timm needs timm, which is missing: pip install 'vitrail[timm]'") from error

from vitrail.integrations.timm_model import TimmModel

PAPERS = {"iwin": "arXiv:2507.18405", "swin": "arXiv:2103.14030", "scalablevit": "arXiv:2203.10790"}
RENAMED = {"img_size": "size", "in_chans": "in_channels", "drop_path_rate": "drop_path"}


def timm_name(name: str) -> str:
    """What timm calls a classifier of the catalogue."""
    return f"vitrail_{name}" if name.startswith("swin_") else name


NAMES = {timm_name(name): name for name in CLASSIFIERS}


def _cfg(name: str, size: tuple[int, int] = (224, 224), num_classes: int = 1000) -> dict[str, Any]:
    usual = Preprocessing()
    return {
        "input_size": (3, *size),
        "pool_size": tuple(-(-side // 32) for side in size),
        "num_classes": num_classes,
        "crop_pct": usual.share,
        "interpolation": usual.interpolation,
        "mean": usual.mean,
        "std": usual.std,
        "first_conv": "trunk.stem.project",
        "classifier": _classifier(getattr(ROWS[name].spec, "head", "plain")),
        "paper_ids": PAPERS[name.split("_")[0]],
    }


def _classifier(head: str) -> str:
    """Where the last linear map is in a head of that kind."""
    return "head.3" if head == "two_layer" else "head"


def _cfgs() -> dict[str, Any]:
    found = {}
    for known, name in NAMES.items():
        found[known] = _cfg(name)
        for row in _rows(name):
            found[f"{known}.{row.partition('.')[2]}"] = _cfg(name, WEIGHTS[row].size, WEIGHTS[row].num_classes)
    return found


def _rows(name: str) -> list[str]:
    return [row for row in WEIGHTS if row.startswith(f"{name}.")]


def _register(known: str, name: str) -> None:
    def entry(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        return _create(known, name, pretrained, **kwargs)

    entry.__name__ = entry.__qualname__ = known
    entry.__doc__ = f"vitrail's {name}, {PAPERS[name.split('_')[0]]}."
    globals()[known] = register_model(entry)


def _create(
    known: str,
    name: str,
    pretrained: bool,
    pretrained_cfg: Any = None,
    pretrained_cfg_overlay: dict[str, Any] | None = None,
    out_indices: tuple[int, ...] | None = None,
    **kwargs: Any,
) -> nn.Module:
    """What `timm.create_model` calls: a `TimmModel`, or timm's own wrapper of its maps for `features_only`."""
    overlay = dict(pretrained_cfg_overlay or {})
    tag = pretrained_cfg if isinstance(pretrained_cfg, str) else None
    given = overlay.get("file") or (not isinstance(pretrained_cfg, str | None))
    if pretrained and not given:
        tag = tag or next((row.partition(".")[2] for row in _rows(name)), None)
        if tag is None:
            raise InputError(
                f"No trained weights are known for {known}; pretrained_cfg_overlay={{'file': PATH}} reads a file."
            )
        overlay["file"] = str(locate(f"{name}.{tag}"))
    row = WEIGHTS.get(f"{name}.{tag}")
    if pretrained and overlay.get("file"):
        row = trained(read(overlay["file"])[1]) or row
        if row is not None:
            overlay.setdefault("num_classes", row.num_classes)
    spec = row.spec if row is not None else ROWS[name].spec
    stages = len(kwargs.get("depths", spec.depths))
    head = kwargs.get("head", getattr(spec, "head", None))
    if head is not None:
        overlay.setdefault("classifier", _classifier(head))

    def source(state: dict[str, Tensor], model: TimmModel) -> dict[str, Tensor]:
        return _parameters(overlay["file"], model, row) if overlay.get("file") else state

    return build_model_with_cfg(
        _maker(name, row),
        known,
        pretrained,
        pretrained_cfg=tag or pretrained_cfg,  # type: ignore[arg-type]
        pretrained_cfg_overlay=overlay,
        pretrained_filter_fn=source,
        feature_cfg={"out_indices": out_indices or tuple(range(stages)), "feature_cls": "getter"},
        **kwargs,
    )


def _maker(name: str, row: Trained | None) -> Callable[..., TimmModel]:
    """The constructor that timm calls with its own words for things, and with fields of vitrail's specs."""
    pinned = {} if row is None else _fields(row.spec)

    def make(
        num_classes: int = 1000,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        device: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> TimmModel:
        options = pinned | {RENAMED.get(key, key): value for key, value in kwargs.items()}
        size = options.pop("size", (224, 224) if row is None else row.size)
        size = size if isinstance(size, int) else tuple(size)
        options = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
        with torch.device(device or torch.get_default_device()):
            network = build(name, max(num_classes, 1), size, **options)
            assert isinstance(network, Classifier)
            model = TimmModel(network, num_classes, global_pool, drop_rate)
        return model.to(dtype=dtype)

    return make


def _parameters(file: str, model: TimmModel, row: Trained | None) -> dict[str, Tensor]:
    """A file's tensors under vitrail's names, for timm to fit to the channels and classes of `model`.

    The file may be vitrail's or a release's. Tables follow the windows of the model's size, as in timm's Swin.
    """
    spec, classes = (model.spec, model.num_classes) if row is None else (row.spec, row.num_classes)
    channels = {"in_channels": spec.in_channels}
    twin = build(model.name, classes, model.size, **_fields(override(model.spec, **channels)))
    load_weights(twin, file, trained_as=row, new_window=True)
    return dict(twin.state_dict())


def _fields(spec: Any) -> dict[str, Any]:
    return {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}


default_cfgs = generate_default_cfgs(_cfgs())
for _known, _name in NAMES.items():
    _register(_known, _name)
