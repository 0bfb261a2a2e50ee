"""Versions and git state of the files that we write."""

import subprocess
from pathlib import Path

import pytest
from teamvla_envs.provenance import git_description, git_state, installed_versions, simulation_versions


def test_a_working_tree_is_described_with_its_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert git_description() == ""
    assert git_state() == {}
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "a").write_text("one")
    for command in (["init", "-q"], ["add", "a"], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *command], check=True)
    commit = git_description()
    assert len(commit) == 12
    assert git_state()["commit"].startswith(commit)
    assert not git_state()["dirty"]
    (tmp_path / "a").write_text("two")
    assert git_description() == f"{commit}-dirty"
    assert git_state(tmp_path)["dirty"]


def test_versions_keep_their_order_and_leave_out_what_is_not_installed():
    assert list(installed_versions(("numpy", "no-such-distribution", "python"))) == ["numpy", "python"]
    assert list(simulation_versions()) == ["teamvla-envs", "newton", "mujoco", "numpy", "python"]
