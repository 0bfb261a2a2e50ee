"""Reproducible evaluation of policies for teams of robot arms.

- ``rollout``: a policy over exactly the requested seeds, also with ablations, swapped goals, per arm, or on a cluster
- ``metrics``: records of episodes, success rates with intervals, teamwork, paired comparison, failures
- ``results``: results files, their schema and protocol, submissions, history
- ``report``: tables, plots, videos and HTML reports
- ``commands``: ``bench``, ``reproduce``, ``history``, ``leaderboard``, ``quickstart``
- ``demo``: the web demo

Public names are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teamvla_eval.metrics.comparison import Comparison, compare
    from teamvla_eval.metrics.episode_record import EpisodeRecord, Suite
    from teamvla_eval.metrics.summary import SuccessSummary, aggregate_results, summarize
    from teamvla_eval.report.result_files import write_results
    from teamvla_eval.results.results import BenchResults, read_results
    from teamvla_eval.rollout.decentralized import Decentralized
    from teamvla_eval.rollout.evaluate import EvaluationSettings, evaluate, open_env
    from teamvla_eval.rollout.suite import run_episode, run_suite

__all__ = [
    "BenchResults",
    "Comparison",
    "Decentralized",
    "EpisodeRecord",
    "EvaluationSettings",
    "SuccessSummary",
    "Suite",
    "aggregate_results",
    "compare",
    "evaluate",
    "open_env",
    "read_results",
    "run_episode",
    "run_suite",
    "summarize",
    "write_results",
]

# Public name to "module:attribute"; a module is imported when one of its names is first used.
_EXPORTS = {
    "Comparison": "metrics.comparison:Comparison",
    "compare": "metrics.comparison:compare",
    "EpisodeRecord": "metrics.episode_record:EpisodeRecord",
    "SuccessSummary": "metrics.summary:SuccessSummary",
    "aggregate_results": "metrics.summary:aggregate_results",
    "summarize": "metrics.summary:summarize",
    "BenchResults": "results.results:BenchResults",
    "Suite": "metrics.episode_record:Suite",
    "read_results": "results.results:read_results",
    "write_results": "report.result_files:write_results",
    "Decentralized": "rollout.decentralized:Decentralized",
    "EvaluationSettings": "rollout.evaluate:EvaluationSettings",
    "evaluate": "rollout.evaluate:evaluate",
    "open_env": "rollout.evaluate:open_env",
    "run_episode": "rollout.suite:run_episode",
    "run_suite": "rollout.suite:run_suite",
}


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _EXPORTS[name].partition(":")
    globals()[name] = value = getattr(import_module(f"{__name__}.{module}"), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
