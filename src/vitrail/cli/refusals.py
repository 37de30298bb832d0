"""What commands for models of pictures say of others."""

from __future__ import annotations

from vitrail.errors import InputError


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
