"""Scenes before any physics: robots, props, cameras and their composition."""
