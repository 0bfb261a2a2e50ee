import json
import shutil

import pytest
import teamvla_envs
from teamvla_envs.cli import main
from teamvla_eval.results.journal import Journal

SMALL = "--demos 2 --steps 20 --episodes 1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A quickstart made as small as possible: what it learns is nothing, but every part runs."""
    out = tmp_path_factory.mktemp("quickstart") / "run"
    assert main(["quickstart", "--out", str(out), *SMALL.split()]) == 0
    return out


def test_everything_promised_is_there(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"report.html", "results.json", "results.md", "policy", "demos.hdf5", "videos"} <= names
    assert (folder / "policy" / "model.safetensors").is_file()


def test_three_policies_are_compared_on_unseen_seeds(folder):
    results = json.loads((folder / "results.json").read_text())
    assert list(results["policies"]) == ["learned", "random", "expert"]
    assert results["policies"]["expert"]["lift"]["success_rate"] == 1.0
    assert {episode["seed"] for episode in results["episodes"]} == {2_000_000}


def test_the_report_shows_videos_sentences_and_the_learning_curve(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    results = json.loads((folder / "results.json").read_text())
    assert page.count("data:video/mp4;base64,") == 2
    assert results["episodes"][0]["instruction"] in page
    assert "steps of training" in page
    assert "://" not in page.replace("http://www.w3.org/", "")


def test_a_second_run_skips_what_is_finished(folder, capsys):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main(["quickstart", "--out", str(folder), *SMALL.split()]) == 0
    assert capsys.readouterr().out.count("finished before") == 4
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_lost_stage_is_done_again(folder):
    state = json.loads((folder / "quickstart.json").read_text())
    del state["stages"]["report"]
    (folder / "quickstart.json").write_text(json.dumps(state))
    (folder / "report.html").unlink()
    assert main(["quickstart", "--out", str(folder), *SMALL.split()]) == 0
    assert (folder / "report.html").is_file()


def test_an_interrupted_evaluation_keeps_its_episodes(folder, tmp_path, monkeypatch, capsys):
    def interrupted(self, policy, record, wall_s):
        add(self, policy, record, wall_s)
        measured.append(policy)
        if policy == "random" and measured.count("random") == 1:
            raise KeyboardInterrupt

    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    state = json.loads((copy / "quickstart.json").read_text())
    before = json.loads((copy / "results.json").read_text())["episodes"]
    del state["stages"]["evaluate"], state["stages"]["report"]
    (copy / "quickstart.json").write_text(json.dumps(state))
    for name in ("results.json", "report.html"):
        (copy / name).unlink()
    shutil.rmtree(copy / "videos")
    add = Journal.add
    measured: list[str] = []
    monkeypatch.setattr(Journal, "add", interrupted)
    words = ["quickstart", "--out", str(copy), *SMALL.split()]
    assert main(words) == 130
    assert "2 measured episodes are kept" in capsys.readouterr().err
    assert main(words) == 0
    assert measured == ["learned", "random", "expert"]
    assert json.loads((copy / "results.json").read_text())["episodes"] == before
    assert len(list((copy / "videos").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--demos 5", "was made with demos = 2, asked for 5"),
        ("--task fly", "task is 'fly', allowed are lift"),
        ("--demos 0", "demos is 0, expected more than 0"),
        ("--steps -1", "steps is -1, expected more than 0"),
        ("--episodes 0", "episodes is 0, expected more than 0"),
    ],
)
def test_bad_input_is_one_line(folder, words, message, capsys):
    assert main(["quickstart", "--out", str(folder), *SMALL.split(), *words.split()]) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert message in error


def test_without_a_number_it_takes_the_steps_of_the_tasks_configuration(folder, capsys):
    assert main(["quickstart", "--out", str(folder), "--demos", "2", "--episodes", "1"]) == 2
    assert "was made with steps = 20, asked for 1500" in capsys.readouterr().err


def test_a_task_without_a_configuration_needs_a_number_of_steps(tmp_path, capsys):
    teamvla_envs.register_task("other", "teamvla_envs.tasks.lift:Lift")
    try:
        assert main(["quickstart", "--out", str(tmp_path / "run"), "--task", "other"]) == 2
    finally:
        teamvla_envs.deregister_task("other")
    assert "steps is not given, expected more than 0" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
