"""The state of a run after an epoch, in one file that is whole or absent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from vitrail.errors import InputError
from vitrail.train.files import replacing


@dataclass(frozen=True)
class Checkpoint:
    """Where a run keeps its state."""

    path: Path

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, epochs: int) -> None:
        """Writes what the next epoch needs; `epochs` is how many are finished.

        The learning rate and all randomness follow from the epoch, so they are not part of it.
        """
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epochs": epochs}
        with replacing(self.path) as file:
            torch.save(state, file)

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Puts the state back and returns how many epochs are finished.

        Raises: InputError where the file is missing, damaged, or of another model.
        """
        if not self.path.is_file():
            raise InputError(f"{self.path}: nothing to resume from.")
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            return int(state["epochs"])
        except Exception as error:  # torch raises many kinds for a file that is not its own
            reason = str(error).strip().split("\n")[0]
            raise InputError(f"{self.path}: not a checkpoint of this run ({reason}).") from error
