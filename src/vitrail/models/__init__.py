"""Papers' models: one file a paper, with its quirks and its table of variants. `catalogue` is the only list of names."""
