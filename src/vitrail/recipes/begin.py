"""The weights that a run begins from, put into its model, and a line that says what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from vitrail import weights
from vitrail.errors import InputError
from vitrail.models.assemble import Backbone, Network, VideoClassifier
from vitrail.models.assembled import Assembled
from vitrail.models.catalogue import LANGUAGE, ROWS, WEIGHTS, kind_of
from vitrail.models.generator import Generator
from vitrail.models.iwin_lm import LanguageModel
from vitrail.models.others import Other
from vitrail.models.others_weights import take
from vitrail.models.spec import Trained, override
from vitrail.weights.files import described
from vitrail.weights.formats import body, release_keys, to_release
from vitrail.weights.load import CLASSIFIERS
from vitrail.weights.restore import restore
from vitrail.weights.trained_as import check_trained

CONV = ".dwconv."  # of a release's names for Iwin's convolutions, which a network may have at one size and not another
LABELS = "trunk.labels.weight"  # of a generator


class Source(NamedTuple):
    """A weights file: its tensors, what it says of itself, and whether its classes are those of the run."""

    file: Path
    tensors: dict[str, Tensor]
    document: dict[str, Any]
    same: bool


def begin_from(model: Network, source: str, classes: Sequence[str]) -> str:
    """Puts the weights of a run, a file or a name into `model`, and says in a line what became of them.

    The head is kept where the file was trained on the same classes in the same order, else it begins anew; tables of
    another window are resized; convolutions that the model has only at its new size begin anew (Iwin's last stage, at
    1024 from 224).

    A detector or a segmenter takes everything from a file of its kind, but for what counts classes where those differ;
    from a classifier, a backbone or another kind on the same backbone it takes the backbone: neck, heads, and output
    norms that the file does not have begin anew.

    A model of clips also begins from a classifier of pictures, inflated: on a still clip both are then one function, as
    `weights.inflate` says more exactly.

    A generator takes everything but the rows of labels where the classes differ; the row of no label, which is what
    guidance leads away from, stays.

    A model of language takes everything, from a file with the same tokens alone: its table of tokens is its head too.

    Raises: InputError for a path that holds none, or weights of another architecture.
    """
    file = weights.locate(source)
    tensors, document = weights.read(file)
    same = bool(document.get("classes")) and list(document["classes"]) == list(classes)
    given = Source(file, tensors, document, same)
    if isinstance(model, Assembled):
        return _begin_assembled(model, given, source)
    if isinstance(model, Other):
        return _begin_other(model, given)
    if isinstance(model, VideoClassifier):
        return _begin_clips(model, given, source)
    if isinstance(model, Generator):
        return _begin_generator(model, given, source)
    if isinstance(model, LanguageModel) and given.document.get("name") in LANGUAGE and not given.same:
        raise InputError(
            f"{given.file}: its {len(given.document.get('classes') or ())} tokens are not the {len(classes)} of this "
            "text; a run begins from one with the same tokens, which data.tokens says."
        )
    return _begin_classifier(model, given, source)


def _begin_classifier(model: Network, given: Source, source: str) -> str:
    said, tensors = weights.trained(given.document), given.tensors
    own = dict(model.named_parameters())
    if said and not {name for name in own if not name.startswith("head.")} <= tensors.keys():
        tensors = to_release(weights.open_model(given.file)[0])  # paths follow the structure; a release's names do not
    trunk = {name: tensor for name, tensor in tensors.items() if given.same or not name.startswith("head.")}
    trained_as = said or (source if source in WEIGHTS else None)
    report = weights.load_weights(model, trunk, trained_as=trained_as, new_window=True, partial=True)
    keys = release_keys(model)
    anew = [name for name in report.missing if not name.startswith("head.")]
    fresh = [name for name in anew if name in keys and CONV in keys[name].name]
    if len(fresh) < len(anew) or report.unexpected:
        raise _another(model, given, len(anew), len(report.unexpected))
    head = "the head kept, its classes are the same" if given.same else "the head begins anew"
    return _line(
        given, len(report.loaded), head, _resized(report.resized), _counted(fresh, "of new convolutions begin anew")
    )


def _begin_generator(model: Generator, given: Source, source: str) -> str:
    said = described(given.document, str(given.file))
    network = weights.open_model(given.file)[0] if said else _recognised(given, source)
    if not isinstance(network, Generator) or type(network.spec) is not type(model.spec):
        raise InputError(f"{given.file} holds {network.name}, from which no {model.name} begins.")
    same = given.same and network.num_classes == model.num_classes
    trained_as = Trained(override(network.spec, label_drop=model.spec.label_drop), network.size, network.num_classes)
    state = network.state_dict()
    try:
        check_trained(model, trained_as, new_window=True)
        state[LABELS], labels = _labels(model, network, same)
        report = weights.load_weights(model, state, trained_as=trained_as, new_window=True, partial=True)
    except InputError as error:
        raise InputError(f"{given.file}: {error}") from None
    if report.missing or report.unexpected:
        raise _another(model, given, len(report.missing), len(report.unexpected))
    return _line(given, len(report.loaded) - (not same), labels)


def _labels(model: Generator, network: Generator, same: bool) -> tuple[Tensor, str]:
    """The table of labels that `model` begins with, and what became of that of `network`: rows of the same classes
    are kept, others begin anew; so does the row of no label, the last one, where `network` has none.
    """
    rows, theirs = model.state_dict()[LABELS].clone(), network.state_dict()[LABELS]
    if same:
        rows[: model.num_classes] = theirs[: model.num_classes]
    classes = "the labels kept, their classes are the same" if same else "the table of labels begins anew"
    if model.null is None:
        return rows, classes
    if network.null is None:
        return rows, f"{classes}, and a row of no label begins anew" if same else classes
    rows[model.null] = theirs[network.null]
    return rows, classes if same else f"{classes} for {model.num_classes} classes, its row of no label kept"


def _begin_clips(model: VideoClassifier, given: Source, source: str) -> str:
    said = described(given.document, str(given.file))
    if said and said.name in ROWS and type(ROWS[said.name].spec) is type(model.spec):
        return _begin_classifier(model, given, source)
    network = weights.open_model(given.file)[0] if said else _recognised(given, source)
    if type(network.spec) is type(model.spec):
        return _begin_classifier(model, given, source)
    try:
        report = weights.inflate(network, model)
    except InputError as error:
        raise InputError(f"{given.file}: {error}") from None
    head = f"each frame is seen as by {network.name}, and the head begins anew"
    return _line(given, len(report.loaded), head, _resized(report.resized))


def _begin_other(model: Other, given: Source) -> str:
    heads = tuple(f"{head}." for head in model.heads)
    kept = {name: tensor for name, tensor in given.tensors.items() if given.same or not name.startswith(heads)}
    loaded = _taken(model, given, kept, not given.same)
    return _line(given, loaded, "the head kept, its classes are the same" if given.same else "the head begins anew")


def _begin_assembled(model: Assembled, given: Source, source: str) -> str:
    kind, said = kind_of(model.name), described(given.document, str(given.file))
    if isinstance(model.backbone, Other):
        if said and kind_of(said.name) == kind:
            return _whole(model, given, given.tensors, None)
        return _below_other(model, model.backbone, given)
    network = weights.open_model(given.file)[0] if said else _recognised(given, source)
    if type(body(network).spec) is not type(model.backbone.spec):
        raise InputError(f"{given.file} holds {network.name}, which has no backbone of {model.name}.")
    if isinstance(network, Assembled) and kind_of(network.name) == kind:
        return _whole(model, given, network.state_dict(), network)
    return _below(model, given, network)


def _recognised(given: Source, source: str) -> Network:
    """The network of a file that does not say what it is. Raises: InputError."""
    try:
        return restore(given.tensors, source if source in WEIGHTS else None).model
    except InputError as error:
        raise InputError(f"{given.file}: {error} `vitrail convert` writes into a file what it holds.") from None


def _whole(model: Assembled, given: Source, state: Mapping[str, Tensor], network: Network | None) -> str:
    """From a model of the same kind: everything, but for what counts classes where those differ."""
    kept = {name: tensor for name, tensor in state.items() if given.same or not CLASSIFIERS.match(name)}
    report = _loaded(model, given, kept, network)
    missing = [name for name in report.missing if given.same or not CLASSIFIERS.match(name)]
    if missing or report.unexpected:
        raise _another(model, given, len(missing), len(report.unexpected))
    heads = "all heads kept, the classes are the same" if given.same else "what counts classes begins anew"
    return _line(given, len(report.loaded), heads, _resized(report.resized))


def _below(model: Assembled, given: Source, network: Network) -> str:
    """From another network on the same backbone: that alone."""
    backbone, inner = model.backbone, body(network)
    parts = ("trunk.", "norms.") if isinstance(inner, Backbone) else ("trunk.",)
    state = {name: tensor for name, tensor in inner.state_dict().items() if name.startswith(parts)}
    if {name for name in state if name.startswith("trunk.")} != {
        name for name in backbone.state_dict() if name.startswith("trunk.")
    }:
        state = _in_release_names(inner, state)  # paths follow the structure; a release's names do not
    report = _loaded(backbone, given, state, inner)
    keys = release_keys(backbone)
    norms = [name for name in report.missing if name.startswith("norms.") and not isinstance(inner, Backbone)]
    fresh = [name for name in report.missing if name in keys and CONV in keys[name].name]
    left = [name for name in report.unexpected if CONV in name]
    if len(norms) + len(fresh) < len(report.missing) or len(left) < len(report.unexpected):
        missing = len(report.missing) - len(norms) - len(fresh)
        raise _another(model, given, missing, len(report.unexpected) - len(left))
    return _line(
        given,
        len(report.loaded),
        f"neck and heads{', and output norms,' if norms else ''} begin anew",
        _resized(report.resized),
        _counted(fresh, "of new convolutions begin anew"),
        _counted(left, "of convolutions that it lacks left out"),
    )


def _below_other(model: Assembled, backbone: Other, given: Source) -> str:
    """The same for another library's backbone."""
    inside = {name.removeprefix("backbone."): t for name, t in given.tensors.items() if name.startswith("backbone.")}
    loaded = _taken(backbone, given, inside or given.tensors, True)
    return _line(given, loaded, "neck and heads begin anew")


def _in_release_names(network: Network, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    written: dict[str, Tensor] = {}
    for name, key in release_keys(network).items():
        written |= key.write(state[name]) if name in state else {}
    return written


def _loaded(model: Network, given: Source, state: dict[str, Tensor], network: Network | None) -> weights.Report:
    try:
        return weights.load_weights(model, state, trained_as=network, new_window=True, partial=True)
    except InputError as error:
        raise InputError(f"{given.file}: {error}") from None


def _taken(model: Other, given: Source, state: Mapping[str, Tensor], new_classes: bool) -> int:
    try:
        return len(take(model, state, new_classes).loaded)
    except InputError as error:
        raise InputError(f"{given.file}: {error} Give model.name and model.overrides of what it holds.") from None


def _another(model: Network, given: Source, missing: int, left: int) -> InputError:
    return InputError(
        f"{given.file} is not the weights of this {model.name}: {missing} tensors missing, {left} left over; give "
        "model.name and model.overrides of what it holds."
    )


def _resized(names: Sequence[str]) -> str:
    return f"{len(names)} tables resized" if names else ""


def _counted(names: Sequence[str], what: str) -> str:
    return f"{len(names)} tensors {what}" if names else ""


def _line(given: Source, count: int, head: str, *more: str) -> str:
    return "; ".join([f"{count} tensors from {given.file}", head, *filter(None, more)])
