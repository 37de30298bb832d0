"""Weights in and out: our safetensors files, and everybody's key names."""

from vitrail.weights.files import open_model, read, save
from vitrail.weights.inflation import inflate
from vitrail.weights.load import Report, load_weights
from vitrail.weights.named import locate
from vitrail.weights.trained_as import trained

__all__ = ["Report", "inflate", "load_weights", "locate", "open_model", "read", "save", "trained"]
