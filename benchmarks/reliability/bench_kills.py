"""Kills and interrupts of ``teamvla bench``: no finished episode may be lost, and the command must resume.

``uv run python benchmarks/reliability/bench_kills.py`` runs a small benchmark once. Then it starts the same
benchmark repeatedly in another folder and kills it, by SIGKILL, SIGINT and SIGTERM in turn, after a random number
of episodes, until it completes. No episode may be lost, and the records must equal those of the first run.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro
from verdicts import report

COMMAND = "bench --policy expert random --tasks lift handoff --episodes 10 --num-envs 3 --deterministic --no-history"
EPISODES = 40
EXPECTED: dict[signal.Signals, tuple[int, str]] = {
    signal.SIGKILL: (-signal.SIGKILL, ""),
    signal.SIGINT: (130, "interrupted: "),
    signal.SIGTERM: (130, "interrupted: "),
}


def main(kills: int = 30, engine: str = "local", seed: int = 0) -> int:
    """Print a table of faults, trials and passed trials.

    Args:
        kills: How many processes to kill.
        engine: Where the episodes run: local or ray.
        seed: Of the moments.

    Returns:
        1 if something did not hold.
    """
    moments = random.Random(seed)
    verdicts: dict[str, list[str | None]] = {
        name: [] for name in (*(n.name for n in EXPECTED), "records of completed runs")
    }
    with tempfile.TemporaryDirectory() as folder:
        words = [*COMMAND.split(), "--out", "{}", *(["--engine", "ray", "--workers", "2"] if engine == "ray" else [])]
        reference = Path(folder) / "reference"
        subprocess.run(_teamvla(words, reference), check=True, capture_output=True)
        done, run = 0, 0
        while done < kills:
            out = Path(folder) / f"run_{run}"
            before, complete = 0, False
            while not complete and done < kills:
                chosen = list(EXPECTED)[done % len(EXPECTED)]
                held, before, complete = _killed(_teamvla(words, out), out, chosen, before, moments)
                if not complete:
                    verdicts[chosen.name].append(held)
                    done += 1
            if not complete:
                subprocess.run(_teamvla(words, out), check=True, capture_output=True)
            same = _episodes(out) == _episodes(reference) and not (out / "episodes.jsonl").exists()
            verdicts["records of completed runs"].append(None if same else "differ from an undisturbed run")
            run += 1
    return report({f"{tried}, engine {engine}": trials for tried, trials in verdicts.items()})


def _killed(
    command: list[str], out: Path, number: signal.Signals, before: int, moments: random.Random
) -> tuple[str | None, int, bool]:
    """Start the command and kill it after some episodes.

    Returns:
        What went wrong, how many episodes are kept now, whether the command had completed before the signal.
    """
    journal = out / "episodes.jsonl"
    wanted = before + moments.randrange(8)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while process.poll() is None and (not journal.exists() or _kept(journal) < wanted):
        time.sleep(0.005)
    time.sleep(moments.random() * 0.2)
    process.send_signal(number)
    _, errors = process.communicate()
    if process.returncode == 0:
        return None, EPISODES, True
    code, begins = EXPECTED[number]
    kept = _kept(journal) if journal.exists() else 0
    last = (errors.strip().splitlines() or [""])[-1]
    if process.returncode != code:
        return f"exit code {process.returncode}, expected {code}: {last}", kept, False
    if "Traceback" in errors or not last.startswith(begins):
        return f"message is {last!r}", kept, False
    if number != signal.SIGKILL and kept and f"{kept} measured episodes are kept in {journal}" not in last:
        return f"{kept} episodes are kept, message is {last!r}", kept, False
    if kept < min(before, EPISODES):
        return f"{before} episodes were kept before, now {kept}", kept, False
    return None, kept, False


def _teamvla(words: list[str], out: Path) -> list[str]:
    return [str(Path(sys.executable).with_name("teamvla")), *(word.format(out) for word in words)]


def _kept(journal: Path) -> int:
    """Number of complete records."""
    try:
        return max(journal.read_bytes().count(b"\n") - 1, 0)
    except FileNotFoundError:
        return 0


def _episodes(out: Path) -> list[dict[str, object]]:
    episodes: list[dict[str, object]] = json.loads((out / "results.json").read_text())["episodes"]
    return episodes


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
