"""Pictures of numbers and of pictures; each function writes one PNG."""
