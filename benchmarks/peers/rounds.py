"""Protocol between the script of a suite and ``compare.py``: one line of JSON per round on standard output.

Run by hand, a script measures every variant a few times. With ``--serve`` it prints ``{"ready": true, ...}`` and then
measures whatever variant it reads, line by line, on standard input, so that two programs can take turns.
Only the standard library is used here: every peer has an environment of its own.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

Round = Callable[[float], dict[str, Any]]


def run(description: str | None, start: Callable[[], tuple[dict[str, Any], Mapping[str, Round]]]) -> None:
    """Measure, and print lines of JSON.

    Args:
        description: Help text.
        start: Imports the peer and makes its environments; returns facts about them, and variant name to a function
            that measures for so many seconds and returns rates.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of every variant")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a round")
    parser.add_argument("--serve", action="store_true", help="measure the variants that standard input names")
    options = parser.parse_args()

    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the peer prints goes to standard error
    sys.stdout = sys.stderr
    facts, variants = start()

    def tell(message: dict[str, Any]) -> None:
        lines.write(json.dumps(message) + "\n")

    def measure(variant: str) -> None:
        tell({"name": facts["name"], "variant": variant} | variants[variant](options.seconds))

    tell({"ready": True, "variants": list(variants)} | facts)
    if options.serve:
        for line in sys.stdin:
            measure(line.strip())
    else:
        for _ in range(options.rounds):
            for variant in variants:
                measure(variant)


def rate(step: Callable[[int], object], reset: Callable[[], object], seconds: float, episode: int) -> dict[str, float]:
    """Steps per second of the wall clock and of CPU time; resets, after every ``episode`` steps, are timed apart.

    Args:
        step: Takes step number ``i`` of an episode.
        reset: Begins an episode.
        seconds: How long to step, resets not counted.
        episode: Steps of an episode.

    Returns:
        ``steps_per_s``, ``steps_per_cpu_s`` and ``reset_s``.
    """
    stepping = processing = resetting = 0.0
    steps = resets = 0
    while stepping < seconds:
        began = time.perf_counter()
        reset()
        resetting, resets = resetting + time.perf_counter() - began, resets + 1
        began, cpu_began = time.perf_counter(), time.process_time()
        for i in range(episode):
            step(i)
            steps += 1
            if stepping + time.perf_counter() - began >= seconds:
                break
        stepping, processing = stepping + time.perf_counter() - began, processing + time.process_time() - cpu_began
    return {"steps_per_s": steps / stepping, "steps_per_cpu_s": steps / processing, "reset_s": resetting / resets}
