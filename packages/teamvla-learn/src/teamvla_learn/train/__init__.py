"""Behavior cloning: settings, training loop, run folders and exact resumption."""
