"""The executors by mode."""
