"""Which names of the catalogue other libraries are told of: networks for pictures, not those for clips."""

from __future__ import annotations

from vitrail.models.catalogue import FAMILIES

CLASSIFIERS = tuple(name for family in FAMILIES for name in family.VARIANTS)
BACKBONES = tuple(f"dense_{name}" for name in CLASSIFIERS)
