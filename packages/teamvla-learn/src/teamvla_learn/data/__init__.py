"""Datasets of demonstrations, their normalization and training batches."""
