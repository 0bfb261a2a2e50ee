"""How a scene moves and what it looks like."""
