"""What a run needs that differs from task to task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import nn

from vitrail.data.loader import Batches
from vitrail.recipes.recipe import Recipe
from vitrail.train.loop import Plan, Task


class Ready(NamedTuple):
    """training, measuring: Batches of the training and of the held-out pictures.

    repeats: Copies of a picture in a training batch.     together: Held-out pictures of a batch, over all processes.
    """

    training: Batches
    measuring: Batches
    task: Task
    repeats: int
    together: int


class Job(Protocol):
    """A module of this room."""

    @property
    def PICTURES(self) -> Sequence[str]:
        """The files that `draw` writes, and a new run removes."""
        ...

    def check(self, model: nn.Module, name: str, training: Any, share: int) -> None:
        """Raises: InputError for a model that does another task, or cannot take `share` of the training pictures."""
        ...

    def ready(self, recipe: Recipe, model: Any, training: Any, held_out: Any, world: int) -> Ready:
        """What the loop takes."""
        ...

    def about(self, metric: Any, held_out: Any) -> dict[str, Any]:
        """What a weights file says beside classes and preprocessing."""
        ...

    def draw(self, out: Path, name: str, plan: Plan, metric: Any, held_out: Any) -> None:
        """Writes what a run leaves of its held-out pictures; `plan.model` is the trained one, in one process."""
        ...
