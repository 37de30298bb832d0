"""The state of a run, in files that are whole or are not taken: each has its SHA-256 beside it.

RUN/checkpoints/step-00001200.pt          RUN/checkpoints/step-00001200.pt.sha256       (as `sha256sum -c` reads it)

The two newest are kept, and the one that measured best, which best.json names. A state has the whole tensors under the
model's own paths, however many processes held them, so any number of processes may go on from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from vitrail.errors import InputError, first_line
from vitrail.train.average import Average
from vitrail.train.files import replacing

FORMAT, KEPT = 2, 2


@dataclass
class Progress:
    """Where a run stands.

    epoch: Epochs finished.   step: Optimizer steps made in the one that is open.
    sums: Of the open epoch: its losses, its pictures, the pictures passed over.   seconds: Spent in it.
    best: The best score so far, and `best_epoch` the epoch after which it was measured.
    """

    epoch: int = 0
    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    seconds: float = 0.0
    best: float | None = None
    best_epoch: int = 0


@dataclass(frozen=True)
class State:
    """Everything that the next step needs.

    Learning rates follow from the step. So do the generators: each step seeds them anew from the seed and its number,
    hence they are the same after a resume though none is kept.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average | None = None
    scaler: torch.amp.GradScaler | None = None

    def gather(self) -> dict[str, Any]:
        """As plain tensors on the CPU; every process must call it, the first one has all of them."""
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        document: dict[str, Any] = {
            "model": get_model_state_dict(self.model, options=options),
            "optimizer": get_optimizer_state_dict(self.model, self.optimizer, options=options),
        }
        if self.average:
            with self.average.applied():
                document["average"] = clone(get_model_state_dict(self.model, options=options))
        if self.scaler:
            document["scaler"] = self.scaler.state_dict()
        return document

    def restore(self, document: dict[str, Any]) -> None:
        """Puts back what `gather` gave."""
        options = StateDictOptions(full_state_dict=True)
        if self.average:
            set_model_state_dict(self.model, document["average"], options=options)
            self.average.take()
        set_model_state_dict(self.model, document["model"], options=options)
        set_optimizer_state_dict(self.model, self.optimizer, document["optimizer"], options=options)
        if self.scaler:
            self.scaler.load_state_dict(document["scaler"])


@dataclass(frozen=True)
class Checkpoints:
    """Where a run keeps its states."""

    folder: Path

    def save(self, document: dict[str, Any], progress: Progress, step: int, best: bool = False) -> Path:
        """Writes a state; then lets the older ones go, and later ones: their steps are being made again.

        Args:
            step: Optimizer steps of the whole run so far: its name.
            best: It is the best so far.
        Raises: InputError where it cannot be written; the older ones are as they were.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step-{step:08d}.pt"
        if best:  # first: a process killed in between does this epoch again, and says so again
            with replacing(self.folder / "best.json") as file:
                said = {"checkpoint": path.name, "epoch": progress.epoch, "score": progress.best}
                file.write(json.dumps(said).encode())
        try:
            with replacing(path, _sum_of) as file:
                torch.save({"format": FORMAT, **document, "progress": asdict(progress)}, file)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{path} cannot be written ({reason}); put that right, then --resume auto.") from error
        later = [other for other in self.found() if other.name > path.name]
        older = [other for other in self.found() if other.name <= path.name][KEPT:]
        for other in later + [other for other in older if other != self.best()]:
            remove(other)
        return path

    def best(self) -> Path | None:
        """The state that measured best, where one was measured and is there."""
        try:
            said = json.loads((self.folder / "best.json").read_text(encoding="utf-8"))
            path = self.folder / Path(said["checkpoint"]).name
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return path if path.is_file() else None

    def found(self) -> list[Path]:
        """The files of states, newest first."""
        return sorted(self.folder.glob("step-*.pt"), reverse=True)

    def tidy(self) -> None:
        """Removes what a killed process left half-written."""
        for left in self.folder.glob(".*.tmp"):
            left.unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes all states, and nothing else that may be there."""
        self.tidy()
        for path in self.found():
            remove(path)
        (self.folder / "best.json").unlink(missing_ok=True)

    def newest(self, say: Callable[[str], None]) -> dict[str, Any] | None:
        """The newest whole state; None where there never was one.

        Args:
            say: Is told in a line of each file that is passed over.
        Raises: InputError where there are files, and none is whole.
        """
        candidates = self.found()
        for path in candidates:
            try:
                return read(path)
            except InputError as error:
                say(f"{error} Trying an older one.")
        if candidates:
            raise InputError(f"{self.folder}: none of its {len(candidates)} checkpoints is whole; begin a new run.")
        return None


def read(path: Path) -> dict[str, Any]:
    """A state that was saved, checked against its sum.

    Raises: InputError where it is missing, damaged, or something else.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint.")
    try:
        said = _sum_of(path).read_text(encoding="utf-8").split()[0]
        with open(path, "rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == said
    except (OSError, IndexError, UnicodeDecodeError):
        whole = False
    if not whole:
        raise InputError(f"{path}: not whole, its SHA-256 is not the one beside it.")
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is not its own
        raise InputError(f"{path}: not a checkpoint ({first_line(error)}).") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path}: not a checkpoint of this version of vitrail.")
    return document


def resume(state: State, document: dict[str, Any], name: str) -> Progress:
    """Puts a state back and says where the run stands.

    Raises: InputError, calling it `name`, where it is the state of another model or optimizer.
    """
    try:
        state.restore(document)
        return Progress(**document["progress"])
    except Exception as error:  # whatever does not fit
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{name}: not a checkpoint of this run ({type(error).__name__}: {reason}).") from error


def remove(path: Path) -> None:
    """Removes a state and its sum."""
    path.unlink(missing_ok=True)
    _sum_of(path).unlink(missing_ok=True)


def clone(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _sum_of(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
