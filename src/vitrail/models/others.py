"""Classifiers of other libraries under vitrail's face, for comparison: `timm/NAME` and `torchvision/NAME`."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
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
        heads: Of all of them, where it has several, such as a distilled one.
        spec: Arguments of the other library's constructor, as it documents them, such as `drop_path_rate`.
    """

    def __init__(self, model: nn.Module, heads: Sequence[str]) -> None:
        nn.Module.__init__(self)
        self.model: Any = model
        self.heads = tuple(f"model.{head}" for head in heads)
        self.head = self.heads[0]
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

    def try_out(self, batch: int = 1, training: bool = False) -> None:
        """Nothing where `batch` pictures of its size become one (B, classes) tensor; only shapes are computed.

        Raises: InputError with the library's reason, or what comes instead, as googlenet's named tuple in training.
        """
        use = f"training on {batch} at a time" if training else "use"
        said = f"{self.name} at {self.size[0]}x{self.size[1]}, in {use}:"
        try:
            twin = without_numbers(self).train(training)
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                came = twin(torch.zeros(batch, self.spec.get("in_chans", 3), *self.size, device="meta"))
        except Exception as error:  # another library's code may raise anything
            if "meta" in str(error).lower():
                return  # it wants numbers, so nothing is known
            reason = " ".join(str(error).split()) or f"{type(error).__name__} in the library"
            more = ", or more pictures at a time," if training else ""
            raise InputError(f"{said} {reason}; another size{more} or an option of the library's may do.") from error
        shape = tuple(came.shape) if isinstance(came, Tensor) else type(came).__name__
        if shape != (batch, self.num_classes) and (self.num_classes or not isinstance(came, Tensor)):
            raise InputError(f"{said} it gives {shape}, wanted one tensor {(batch, self.num_classes)}.")


def without_numbers(model: nn.Module) -> nn.Module:
    """A copy on the meta device, whatever the model keeps of what it computes; no memory is taken."""
    memo: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        shape = tensor.detach().to("meta")
        memo[id(tensor)] = nn.Parameter(shape, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else shape
    return copy.deepcopy(model, memo)


def build(name: str, num_classes: int, size: tuple[int, int], options: dict[str, Any]) -> Network:
    """The network with random weights; nothing is downloaded.

    Raises: InputError for a library that is missing, a name or an option that it does not know, or a size that the
        model cannot take.
    """
    other = Other(*make(name, num_classes, size, options))
    other.name, other.spec, other.size, other.num_classes = name, dict(options), size, num_classes
    other.try_out()
    return other


def make(
    name: str, num_classes: int, size: tuple[int, int], options: dict[str, Any], wished: dict[str, Any] | None = None
) -> tuple[nn.Module, Sequence[str]]:
    """The library's own classifier, and the paths of its last maps.

    Args:
        wished: Options for where the network has them, such as positions for any size.
    """
    library, _, inner = name.partition("/")
    taken = sorted(KEPT & options.keys())
    if taken:
        raise InputError(f"{name}: {', '.join(taken)} is not an option here; size and classes are vitrail's own.")
    maker, names = (_timm if library == "timm" else _torchvision)()
    if inner not in names:
        raise InputError(f"{library} has no model {inner!r}.{nearest(inner, names)}")
    try:
        return maker(inner, num_classes, size, options, wished or {})
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise InputError(f"{name}: {' '.join(str(error).split()) or type(error).__name__}") from None


Maker = Callable[
    [str, int, tuple[int, int], dict[str, Any], dict[str, Any]],
    tuple[nn.Module, Sequence[str]],
]


def _timm() -> tuple[Maker, list[str]]:
    try:
        import timm
    except ImportError as error:
        raise InputError("timm/NAME needs timm, which is missing: pip install 'vitrail[timm]'") from error

    def make(
        name: str, num_classes: int, size: tuple[int, int], options: dict[str, Any], wished: dict[str, Any]
    ) -> tuple[nn.Module, Sequence[str]]:
        takes = _takes(timm.model_entrypoint(name))
        sized = {option: value for option, value in {"img_size": size, **wished}.items() if option in takes}
        model: Any = timm.create_model(name, num_classes=num_classes, **{**sized, **options})
        heads = model.pretrained_cfg.get("classifier", "head")
        return model, (heads,) if isinstance(heads, str) else tuple(heads)

    return make, timm.list_models()


def _takes(entry: Callable) -> set[str]:
    """Names of the constructors' arguments in a timm model's own file, those of the classes below them too."""
    module = sys.modules[entry.__module__]
    makers = [
        thing for thing in vars(module).values() if inspect.isclass(thing) and thing.__module__ == entry.__module__
    ]
    lines = [below for maker in makers for below in maker.__mro__ if issubclass(below, nn.Module)]
    return {name for line in lines for name in inspect.signature(line.__init__).parameters}


def _torchvision() -> tuple[Maker, list[str]]:
    import torchvision

    def make(
        name: str, num_classes: int, size: tuple[int, int], options: dict[str, Any], wished: dict[str, Any]
    ) -> tuple[nn.Module, Sequence[str]]:
        model = torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)
        heads = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
        return model, heads[-1:]

    return make, torchvision.models.list_models(module=torchvision.models)
