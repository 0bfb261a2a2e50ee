"""ImageStore, sentences and proprioception, each turned into a vector."""
