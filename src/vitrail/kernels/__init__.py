"""Attention inside windows: a plain reference, and one file for each faster path beside it."""
