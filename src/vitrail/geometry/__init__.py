"""Windows of a grid, and which position can influence which."""
