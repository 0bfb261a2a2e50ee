"""Policy architectures, action heads, losses and checkpoints."""
