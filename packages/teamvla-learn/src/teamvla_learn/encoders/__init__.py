"""Pictures, sentences and proprioception, each turned into a vector."""
