"""Training, in the open: takes any task that has a loss, a prediction and a metric."""
