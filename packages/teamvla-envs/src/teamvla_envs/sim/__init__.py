"""Simulators and renderers of a scene."""
