"""The vector environment and the views of it."""
