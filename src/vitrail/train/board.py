"""Numbers for TensorBoard, beside those of the record."""

from __future__ import annotations

from pathlib import Path

from vitrail.errors import InputError


class Board:
    """Writes an event file into a folder, which is made; `tensorboard --logdir` shows it, and those of its neighbours.

    Raises: InputError where TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError("TensorBoard is missing: pip install 'vitrail[tensorboard]'") from error
        self.writer = SummaryWriter(str(folder))

    def add(self, step: int, values: dict[str, float]) -> None:
        """One point of each curve, at this step or epoch."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Writes what is still in memory, and ends."""
        self.writer.close()
