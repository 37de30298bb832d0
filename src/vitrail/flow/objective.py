"""The settings of a rectified flow's training, as plain values of a recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Objective:
    """What a flow is trained on.

    Fields:
        mean, deviation: Of the logit of the moments.
        direction: Weight of the loss of direction beside the squared error; LightningDiT has 1.
        label_drop: The share of labels replaced by the null label.
    """

    mean: float = 0.0
    deviation: Annotated[float, Field(gt=0)] = 1.0
    direction: Annotated[float, Field(ge=0)] = 1.0
    label_drop: Annotated[float, Field(ge=0, lt=1)] = 0.1
