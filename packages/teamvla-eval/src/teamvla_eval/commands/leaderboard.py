"""``teamvla leaderboard``: check of submission files, and the page that ranks them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from teamvla_envs.cli import one_line
from teamvla_envs.console import tolerant_stdout
from teamvla_envs.errors import UserError
from teamvla_envs.files import check_folder, write_text

from teamvla_eval.metrics.summary import MeanSuccess, aggregate_results, summarize
from teamvla_eval.report.html import render_page
from teamvla_eval.results.protocol import TASKS
from teamvla_eval.results.results import PROTOCOL
from teamvla_eval.results.submissions import Submission, read_submission


def leaderboard(
    submissions: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SUBMISSION_JSON ...")],
    out: Path | None = None,
) -> int:
    """Check submission files and write the page that ranks them.

    Args:
        submissions: Submission files, each in a folder with the results files that it names.
        out: HTML file to write; without it the submissions are only checked.

    Returns:
        1 when a submission is not valid, else 0; nothing is written then.
    """
    if not submissions:
        raise UserError("submissions is empty: name one or more submission files")
    good: list[Submission] = []
    lines = []
    for path in submissions:
        try:
            good.append(read_submission(path))
            lines.append(f"{path}: valid")
        except (ValueError, OSError) as error:
            lines.append(f"not valid: {one_line(error)}")
    valid = len(good) == len(submissions)
    if valid and out is not None:
        check_folder(out.parent)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, render_leaderboard(good))
        lines.append(f"wrote {out}")
    with tolerant_stdout():
        print("\n".join(lines))
    return 0 if valid else 1


def render_leaderboard(submissions: Sequence[Submission]) -> str:
    """Render the page as HTML without external resources; it links only to addresses of the submissions.

    Submissions are ranked by their mean success over tasks; policies share a rank if their interval contains
    the mean of the best policy of that rank.
    """
    ranked = sorted(submissions, key=lambda one: (-mean_success(one).success_rate, one.name))
    rows, rank, best = [], 0, 2.0
    for place, submission in enumerate(ranked, start=1):
        if mean_success(submission).interval_95[1] < best:
            rank, best = place, mean_success(submission).success_rate
        rows.append(_row(rank, submission))
    return render_page(
        "leaderboard.html",
        eyebrow=PROTOCOL,
        title="Leaderboard",
        lead="Success on the test seeds with 95% intervals. Policies that the interval does not separate share a rank.",
        footer=f"{len(submissions)} submissions",
        tasks=TASKS,
        rows=rows,
    )


def mean_success(submission: Submission, split: str = "train") -> MeanSuccess:
    """Success of a submission averaged over the protocol's tasks."""
    results = submission.results[split]
    return aggregate_results({task: summarize(results.suite(submission.policy, task).records) for task in TASKS})


def _row(rank: int, submission: Submission) -> dict[str, Any]:
    return {
        "rank": rank,
        "submission": submission,
        "mean": mean_success(submission),
        "summaries": [summarize(submission.results["train"].suite(submission.policy, task).records) for task in TASKS],
        "unseen": mean_success(submission, "unseen") if "unseen" in submission.results else None,
    }
