"""What a model is trained for: each task is data, loss, prediction and metric, and its own picture."""
