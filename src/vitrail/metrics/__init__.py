"""What is measured: update and compute, with states that add up over processes."""
