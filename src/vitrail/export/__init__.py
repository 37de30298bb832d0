"""Models made ready to run: here, faster; elsewhere, in other formats."""
