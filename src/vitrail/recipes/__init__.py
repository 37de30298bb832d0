"""What to train and how, as Python functions that return plain values; and the runs that follow them."""
