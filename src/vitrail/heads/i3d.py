"""The head of video classifiers."""

from __future__ import annotations

from torch import Tensor, nn


class I3DHead(nn.Module):
    """Dropout, then one linear map: (B, C) -> (B, classes).

    Source: the head of both papers' video releases, normal with deviation 0.01.
    """

    def __init__(self, dim: int, num_classes: int, dropout: float = 0.5):
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(dim, num_classes)

    def reset(self) -> None:
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.drop(x))
