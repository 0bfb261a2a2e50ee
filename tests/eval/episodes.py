"""Made-up episodes for tests of what is done with results."""

from teamvla_eval.metrics.episode_record import EpisodeRecord, Suite
from teamvla_eval.results.results import BenchResults

GOALS = ("stand_front", "stand_back", "hold")


def make_suite(policy, successes, failures, task="lift"):
    """A suite whose first episodes succeed, on consecutive test seeds, with the goals in turn."""
    records = tuple(
        EpisodeRecord(
            task=task,
            seed=2_000_000 + index,
            goal=GOALS[index % len(GOALS)],
            instruction=f"lift the bar onto stand {index}",
            success=index < successes,
            steps=120 if index < successes else 300,
            time_to_success_s=4.8 if index < successes else None,
            episode_return=12.5,
            final_phase="done" if index < successes else "approach",
        )
        for index in range(successes + failures)
    )
    return Suite(policy, task, records)


def make_results(*suites):
    return BenchResults(
        command="teamvla bench --policy runs/x random --tasks lift --episodes 10",
        versions={"python": "3.11.9", "newton": "1.8.0"},
        settings={"seed_set": "test", "episodes": 10},
        suites=suites,
    )
