"""What a model costs, sees, and is worth."""
