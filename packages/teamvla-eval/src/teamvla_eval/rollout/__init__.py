"""Rollouts: policies in vector environments."""
