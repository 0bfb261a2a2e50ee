import subprocess

from teamvla_learn.train.versions import git_version, versions


def test_a_git_tree_is_told_with_its_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert git_version() == ""
    assert "git" not in versions()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "a").write_text("one")
    for command in (["init", "-q"], ["add", "a"], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *command], check=True)
    commit = git_version()
    assert len(commit) == 12
    assert versions()["git"] == commit
    (tmp_path / "a").write_text("two")
    assert git_version() == f"{commit}-dirty"
