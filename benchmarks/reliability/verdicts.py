"""Table of the reliability scripts: fault, number of trials, number of passed trials."""

from collections.abc import Mapping, Sequence


def report(verdicts: Mapping[str, Sequence[str | None]]) -> int:
    """Print a Markdown table and the failures.

    Args:
        verdicts: What was tried, and for each trial None if it held, else what happened instead.

    Returns:
        0 when everything held, else 1.
    """
    print("| what was tried | tried | held |\n|---|---:|---:|")
    for tried, trials in verdicts.items():
        print(f"| {tried} | {len(trials)} | {sum(trial is None for trial in trials)} |")
    failures = [(tried, trial) for tried, trials in verdicts.items() for trial in trials if trial is not None]
    for tried, failure in failures:
        print(f"NOT HELD: {tried}: {failure}")
    return 1 if failures else 0
