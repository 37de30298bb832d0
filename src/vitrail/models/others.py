"""Classifiers of other libraries under vitrail's face, for comparison: `timm/NAME` and `torchvision/NAME`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from vitrail.errors import InputError, nearest
from vitrail.models.assemble import Network

PREFIXES = ("timm/", "torchvision/")
KEPT = {
    "pretrained",
    "weights",
    "progress",
    "num_classes",
    "checkpoint_path",
    "features_only",
    "scriptable",
    "img_size",
}


class Other(Network):
    """Another library's classifier: (B, 3, H, W) -> (B, classes).

    Attributes:
        head: The path of its last map within it, which begins anew where the classes change.
        spec: Arguments of the other library's constructor, as it documents them, such as `drop_path_rate`.
    """

    def __init__(self, model: nn.Module, head: str) -> None:
        nn.Module.__init__(self)
        self.model: Any = model
        self.head = f"model.{head}"
        info = getattr(model, "feature_info", None)
        rows = info if isinstance(info, list) else []
        self.channels = tuple(row["num_chs"] for row in rows)
        self.strides = tuple(row["reduction"] for row in rows)

    def features(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the maps that timm gives for it, (B, C_s, H_s, W_s). Raises: InputError where it has none."""
        if not hasattr(self.model, "forward_intermediates"):
            raise InputError(f"{self.name} gives no maps, only classes.")
        return list(self.model.forward_intermediates(x, intermediates_only=True, output_fmt="NCHW"))

    def blocks(self) -> list[nn.Module]:
        """None that vitrail knows."""
        return []

    def parts(self) -> list[list[nn.Module]]:
        """None that vitrail knows."""
        return []

    def layer_of(self, path: str) -> int:
        raise InputError(f"{self.name}: vitrail does not know its layers; groups.layer_decay=1 leaves them alike.")

    def no_weight_decay(self) -> set[str]:
        said = getattr(self.model, "no_weight_decay", None)
        return {f"model.{name}" for name in said()} if callable(said) else set()

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def build(name: str, num_classes: int, size: tuple[int, int], options: dict[str, Any]) -> Network:
    """The network with random weights; nothing is downloaded.

    Raises: InputError for a library that is missing, or a name or an option that it does not know.
    """
    library, _, inner = name.partition("/")
    taken = sorted(KEPT & options.keys())
    if taken:
        raise InputError(f"{name}: {', '.join(taken)} is not an option here; size and classes are vitrail's own.")
    maker, names = (_timm if library == "timm" else _torchvision)()
    if inner not in names:
        raise InputError(f"{library} has no model {inner!r}.{nearest(inner, names)}")
    try:
        model, head = maker(inner, num_classes, size, options)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise InputError(f"{name}: {' '.join(str(error).split()) or type(error).__name__}") from None
    other = Other(model, head)
    other.name, other.spec, other.size, other.num_classes = name, dict(options), size, num_classes
    return other


Maker = Callable[[str, int, tuple[int, int], dict[str, Any]], tuple[nn.Module, str]]


def _timm() -> tuple[Maker, list[str]]:
    try:
        import timm
    except ImportError as error:
        raise InputError("timm/NAME needs timm, which is missing: pip install 'vitrail[timm]'") from error

    def make(name: str, num_classes: int, size: tuple[int, int], options: dict[str, Any]) -> tuple[nn.Module, str]:
        sized: dict[str, Any] = {"img_size": size} if _is_sized(timm.model_entrypoint(name)) else {}
        model: Any = timm.create_model(name, num_classes=num_classes, **sized, **options)
        head = model.pretrained_cfg.get("classifier", "head")
        return model, head if isinstance(head, str) else head[0]

    return make, timm.list_models()


def _is_sized(entry: Callable) -> bool:
    """Whether a timm model is built for one size: its module's classes say so."""
    module = sys.modules[entry.__module__]
    makers = [
        thing for thing in vars(module).values() if inspect.isclass(thing) and thing.__module__ == entry.__module__
    ]
    return any("img_size" in inspect.signature(maker.__init__).parameters for maker in makers)


def _torchvision() -> tuple[Maker, list[str]]:
    import torchvision

    def make(name: str, num_classes: int, size: tuple[int, int], options: dict[str, Any]) -> tuple[nn.Module, str]:
        model = torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)
        heads = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
        return model, heads[-1]

    return make, torchvision.models.list_models(module=torchvision.models)
