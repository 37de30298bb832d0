"""A KL autoencoder's checkpoint in LDM's names, such as VA-VAE's, as a folder that diffusers and `--vae` open."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from vitrail.errors import InputError
from vitrail.weights import files
from vitrail.weights.formats.ldm import to_diffusers
from vitrail.weights.load import unwrap
from vitrail.weights.pickles import read_pickle


def convert_autoencoder(source: str | Path, target: str | Path) -> dict[str, Any]:
    """Writes config.json and diffusion_pytorch_model.safetensors into the new folder `target`; what was done.

    The folder is there whole or not at all. diffusers itself is not needed for it.
    Raises: InputError for a file that holds no such autoencoder, or a folder that is not empty.
    """
    source, target = Path(source), Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: " + ("is not empty." if target.is_dir() else "is a file, wanted a folder."))
    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: no folder {target.parent}.")
    pickled = source.suffix.lower() in files.PICKLES
    state, taken = unwrap(read_pickle(source) if pickled else files.read(source)[0])
    try:
        found = to_diffusers(state)
    except InputError as error:
        raise InputError(
            f"{source}: {error} OUT without a suffix is the folder of an autoencoder; others end in .safetensors."
        ) from None
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        (temporary / "config.json").write_text(json.dumps(found.config, indent=1) + "\n", encoding="utf-8")
        save_file(found.tensors, temporary / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    stride = 2 ** (len(found.config["block_out_channels"]) - 1)
    return {
        "in": str(source),
        "out": str(target),
        "taken": taken,
        "tensors": len(found.tensors),
        "channels": found.config["latent_channels"],
        "stride": stride,
        "left_out": list(found.left_out),
    }
