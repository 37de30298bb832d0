"""The command: reads what was typed, and only then imports what does the work."""
