"""Demonstrations in memory, their normalization, and the batches that a policy learns from."""
