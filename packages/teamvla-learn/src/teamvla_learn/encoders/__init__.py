"""Encoders of images, instructions and proprioception."""
