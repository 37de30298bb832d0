"""What stands behind hubconf.py: one function a name of the catalogue, for `torch.hub.load`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vitrail.errors import InputError
from vitrail.models.assemble import Network
from vitrail.models.catalogue import WEIGHTS, create_model
from vitrail.models.spec import Trained, to_dict
from vitrail.weights import load_weights, locate, read, trained


def entry(name: str) -> Callable[..., Network]:
    """The function that `torch.hub.load(FOLDER, name, ...)` calls."""

    def make(weights: str | Path | None = None, **options: Any) -> Network:
        return load(name, weights, **options)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"vitrail's {name}: see {__name__}.load for its arguments."
    return make


def load(name: str, weights: str | Path | None = None, **options: Any) -> Network:
    """A model by name, with the weights of a file where one is given.

    Args:
        weights: A safetensors file of vitrail or of a release, a run's folder, or a row of the weights table such as
            "iwin_tiny.in1k_224". What the file or the row says of itself (spec, size, classes) is taken over.
        options: `num_classes`, `size` and fields of the spec, as `vitrail.create_model` takes them. Other classes
            than the file's begin with a new head; another size or window has its tables resized.
    Raises: InputError for an unknown option, a file that is not there, or one of another architecture.
    """
    if weights is None:
        return create_model(name, **options)
    path = locate(str(weights))
    document = read(path)[1]
    said: Trained | None = trained(document) or WEIGHTS.get(str(weights))
    called = document.get("name", str(weights).partition(".")[0] if str(weights) in WEIGHTS else name)
    if called != name:
        raise InputError(f"{weights} holds weights of {called}, not of {name}.")
    if said is None:
        model = create_model(name, **options)
        load_weights(model, path)
        return model
    known = {"num_classes": said.num_classes, "size": said.size, **to_dict(said.spec)}
    model = create_model(name, **(known | options))
    load_weights(model, path, trained_as=said, new_classes=True, new_window=bool(options.keys() - {"num_classes"}))
    return model
