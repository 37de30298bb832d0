"""What stands between a backbone's maps and a task: knows channels and strides, never a backbone's class."""
