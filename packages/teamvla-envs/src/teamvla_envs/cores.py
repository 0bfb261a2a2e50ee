"""How many processor cores this process may use, which a cluster or ``taskset`` may have limited."""

import os


def usable_cores() -> int:
    """Return the processor cores this process may use; some systems tell only those that exist."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
