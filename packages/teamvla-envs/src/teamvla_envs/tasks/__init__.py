"""Tasks: each is one file, with its expert in a second one."""
