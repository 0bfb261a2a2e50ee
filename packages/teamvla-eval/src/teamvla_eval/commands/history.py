"""``teamvla history``: earlier benchmark runs of this machine."""

from pathlib import Path

from teamvla_envs.console import tolerant_stdout
from teamvla_envs.errors import UserError
from teamvla_envs.files import check_folder, write_text

from teamvla_eval.report.console import print_history
from teamvla_eval.results.history_file import history_file, read_history


def history(
    file: Path | None = None,
    task: tuple[str, ...] = (),
    policy: tuple[str, ...] = (),
    last: int = 30,
    html: Path | None = None,
) -> None:
    """Show earlier benchmark runs of this machine, and draw success and speed over time and versions.

    Args:
        file: History file; by default the one that teamvla bench appends to.
        task: Only these tasks.
        policy: Only these policies.
        last: Number of rows to show.
        html: HTML page to write, with success and speed of all matching runs.
    """
    path = file or history_file()
    if last < 1:
        raise UserError(f"last is {last}, expected at least 1")
    entries = [
        entry
        for entry in read_history(path)
        if (not task or entry.task in task) and (not policy or entry.policy in policy)
    ]
    if not entries:
        raise UserError(f"{path} has no matching runs; teamvla bench appends to it")
    if html is not None:
        from teamvla_eval.report.history_page import render_history

        check_folder(html.parent)
        html.parent.mkdir(parents=True, exist_ok=True)
        write_text(html, render_history(entries))
    with tolerant_stdout():
        print_history(entries[-last:])
        if html is not None:
            print(f"wrote {html}")
