"""What commands for models that look at pictures say of others."""

from __future__ import annotations

from vitrail.errors import InputError


def makers(name: str, source: str, command: str) -> None:
    """Nothing where `command` can take the architecture `name`, which `source` is or holds.

    Raises: InputError for a model of language and for a generator of pictures, naming what takes it.
    """
    from vitrail.models.catalogue import ROWS
    from vitrail.models.generator import GeneratorSpec

    language(name, source, command)
    row = ROWS.get(name)
    if row is None or not isinstance(row.spec, GeneratorSpec):
        return
    run = "RUN" if name == source else source
    raise InputError(
        f"{source} makes pictures, and `vitrail {command}` takes models that look at them; `vitrail sample {run} "
        f"--grid out.png` draws what it makes, and `vitrail eval {run} --inception FILE` measures it."
    )


def language(name: str, source: str, command: str) -> None:
    """Nothing where `command` can take the architecture `name`, which `source` is or holds.

    Raises: InputError for a model of language, naming what takes it.
    """
    from vitrail.models.catalogue import LANGUAGE

    if name not in LANGUAGE:
        return
    wants = f"a model of language, and `vitrail {command}` takes models of pictures"
    if name == source:
        raise InputError(f"{name} is {wants}; `vitrail train train_text model.name={name} --data FILE` trains it.")
    raise InputError(
        f"{source} holds {name}, {wants}; `vitrail sample {source} --prompt TEXT` lets it write, and "
        f"`vitrail eval {source}` measures it."
    )
