"""One file is one task: its scene, goals, signals, reward, success and the expert that solves it."""
