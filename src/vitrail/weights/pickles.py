"""Other people's .pth files: tensors are read, what the field's files carry beside them becomes inert, code never runs.

Only `vitrail convert` reads pickles. The reader is PyTorch's own (`weights_only=True`), which knows tensors and plain
containers and calls nothing else; the names below, and no others, are let in as stand-ins that do nothing.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from vitrail.errors import InputError


class Mapping:
    """Stands for a mapping of a library that is not needed, or an object with attributes: becomes an OrderedDict.

    That type alone may be filled by PyTorch's reader.
    """

    def __new__(cls, *said: Any, **more: Any) -> Any:
        return OrderedDict()


class Nothing:
    """Stands for everything else: takes whatever its pickle says, and keeps none of it."""

    def __init__(self, *said: Any, **more: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


# what training files of the papers' releases, of timm and of OpenMMLab hold beside tensors
STAND_INS: dict[str, type] = {
    **dict.fromkeys(
        (
            "yacs.config.CfgNode",
            "argparse.Namespace",
            "collections.defaultdict",
            "addict.addict.Dict",
            "mmcv.utils.config.Config",
            "mmcv.utils.config.ConfigDict",
            "mmengine.config.config.Config",
            "mmengine.config.config.ConfigDict",
            "mmengine.logging.history_buffer.HistoryBuffer",
            "mmengine.logging.message_hub.MessageHub",
            "omegaconf.dictconfig.DictConfig",
            "omegaconf.base.ContainerMetadata",
            "omegaconf.base.Metadata",
            "omegaconf.nodes.AnyNode",
        ),
        Mapping,
    ),
    **dict.fromkeys(
        (
            "builtins.dict",
            "builtins.float",
            "builtins.getattr",  # how a pickle names a method; it fetches nothing here
            "builtins.int",
            "builtins.list",
            "builtins.slice",
            "builtins.str",
            "datetime.datetime",
            "numpy._core.multiarray._reconstruct",
            "numpy._core.multiarray.scalar",
            "numpy.bool_",
            "numpy.core.multiarray._reconstruct",
            "numpy.core.multiarray.scalar",
            "numpy.dtype",
            "numpy.float32",
            "numpy.float64",
            "numpy.int32",
            "numpy.int64",
            "numpy.ndarray",
            "pathlib.PosixPath",
            "pathlib.WindowsPath",
            "typing.Any",
        ),
        Nothing,
    ),
}


def read_pickle(path: Path) -> Any:
    """What a .pth file holds, tensors on the CPU.

    Raises: InputError for a file that is missing, empty, damaged or a program, or that names anything else than
        tensors, plain containers and `STAND_INS`; one line that says what.
    """
    if not path.is_file():
        raise InputError(f"No file at {path}.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is an empty file.")
    allowed: list[Any] = [(stand_in, name) for name, stand_in in STAND_INS.items()]
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a protocol that PyTorch does not write
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        raise InputError(_refused(path, named[1] if named else _asked_for(path), str(error))) from None
    except Exception as error:  # a damaged file may end anywhere in PyTorch's reader
        reason = " ".join(str(error).split(". ")[0].split())[:120]
        said = reason if len(reason) > 8 else type(error).__name__
        raise InputError(f"{path} is not a whole PyTorch file: {said.rstrip('.')}.") from None


def _refused(path: Path, name: str | None, said: str) -> str:
    if name:
        return (
            f"{path} was not read: its pickle asks for {name}, which is neither a tensor nor on the list of what is "
            "let in as a stand-in that does nothing."
        )
    reason = said.partition("WeightsUnpickler error:")[2].strip().partition("\n")[0] or "it holds no tensors"
    return f"{path} is not a file that torch.save wrote: {reason.rstrip('.')}."


def _asked_for(path: Path) -> str | None:
    """The first name in a plain pickle that is not let in. Nothing is run: the instructions are only listed."""
    texts: list[str] = []
    memo: list[str | None] = []
    try:
        with open(path, "rb") as file:
            for instruction, argument, _ in pickletools.genops(file):
                name = None
                if instruction.name == "GLOBAL":
                    name = str(argument).replace(" ", ".")
                elif instruction.name == "STACK_GLOBAL":
                    name = ".".join(texts[-2:])
                elif instruction.name == "MEMOIZE":
                    memo.append(texts[-1] if texts else None)
                elif instruction.name in ("BINGET", "LONG_BINGET"):
                    texts.append(memo[int(argument or 0)] or "")
                elif isinstance(argument, str):
                    texts.append(argument)
                if name and name not in STAND_INS:
                    return name
    except Exception:  # no pickle at all
        pass
    return None
