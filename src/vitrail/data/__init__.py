"""Pictures and their labels: from files and folders to batches. Knows no model."""
