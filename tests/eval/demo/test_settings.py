from pathlib import Path

import pytest
from teamvla_envs.errors import UserError
from teamvla_eval.demo.settings import DemoSettings


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("runs/lift", "elsewhere/secret"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    return tmp_path / "runs"


def test_offered_policies_and_checkpoints_inside_the_folders_are_allowed(runs: Path):
    settings = DemoSettings(policies=("expert",), checkpoint_folders=(runs,))
    assert settings.allowed_policy(" expert ") == "expert"
    assert settings.allowed_policy("lift") == str(runs / "lift")


@pytest.mark.parametrize(
    "spec",
    ["", "random", "../elsewhere/secret", "{outside}", "lift/..", ".", "os:getcwd", "lift\0", "x" * 5000, "~/lift"],
)
def test_nothing_else_is_allowed(runs: Path, spec: str):
    settings = DemoSettings(policies=("expert",), checkpoint_folders=(runs,))
    with pytest.raises(UserError, match="not offered here"):
        settings.allowed_policy(spec.format(outside=runs.parent / "elsewhere" / "secret"))


def test_a_link_does_not_lead_out_of_the_folder(runs: Path):
    (runs / "link").symlink_to(runs.parent / "elsewhere" / "secret")
    with pytest.raises(UserError, match="not offered"):
        DemoSettings(checkpoint_folders=(runs,)).allowed_policy("link")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_visitors": 0}, "max-visitors is 0, expected 1 to 64"),
        ({"idle_s": float("nan")}, "idle-s is nan"),
        ({"max_run_s": 1e9}, "max-run-s"),
        ({"height": 5000}, "height is 5000"),
        ({"policies": ()}, "policy is empty"),
        ({"checkpoint_folders": (Path("nowhere"),)}, "nowhere is not an existing folder"),
    ],
)
def test_limits_are_checked(limits: dict, words: str):
    with pytest.raises(UserError, match=words):
        DemoSettings(**limits)
