"""Behavior cloning: the training loop, its schedule, and the state that resumes it exactly."""
