"""Papers' models: one file a paper, with its quirks and variants. `catalogue` is the only list of names."""
