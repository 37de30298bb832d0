"""Rectified flow: from noise to data along straight lines, learnt and followed. It knows no model."""
