"""Weights in and out: our safetensors files, and the key names of the papers' releases."""

from vitrail.weights.files import open_model, read, save
from vitrail.weights.load import Report, load_weights, trained
from vitrail.weights.named import locate

__all__ = ["Report", "load_weights", "locate", "open_model", "read", "save", "trained"]
