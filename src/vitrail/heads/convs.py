"""A convolution, batch norm and ReLU, and the starting values that heads share."""

from __future__ import annotations

from torch import nn


class ConvBlock(nn.Sequential):
    """Convolution without bias, batch norm, ReLU: (B, dim_in, H, W) -> (B, dim_out, H, W).

    Several processes are to share its statistics: `nn.SyncBatchNorm.convert_sync_batchnorm` finds it.
    Source: the papers' configurations ("SyncBN"). Kaiming-normal by fan-out.
    """

    def __init__(self, dim_in: int, dim_out: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim_in, dim_out, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(dim_out)
        self.act = nn.ReLU()
        kaiming(self.conv)


def kaiming(conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Kaiming-normal by fan-out for ReLU, bias 0."""
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def normal(layer: nn.Conv2d | nn.Linear, std: float = 0.01, bias: float = 0.0) -> None:
    """Normal weights of deviation `std`, every bias the same."""
    nn.init.normal_(layer.weight, std=std)
    nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
