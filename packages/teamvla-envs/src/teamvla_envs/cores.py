"""Number of CPU cores that this process may use, which a cluster or ``taskset`` may limit."""

import os


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use; on some systems, that of all cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
