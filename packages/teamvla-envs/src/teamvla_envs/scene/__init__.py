"""What stands in the world before any physics: robots, props and their composition into one scene."""
