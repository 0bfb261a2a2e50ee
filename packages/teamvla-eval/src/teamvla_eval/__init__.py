"""TeamVLA."""
