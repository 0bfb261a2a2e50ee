import json
import re
import sys
import zipfile

import pytest
from teamvla_envs.cli import main
from teamvla_envs.errors import UserError
from teamvla_eval.rollout.sb3_policy import load


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained PPO model of Lift, as Stable-Baselines3 saves it."""
    import gymnasium as gym
    from stable_baselines3 import PPO

    path = tmp_path_factory.mktemp("sb3") / "ppo.zip"
    env = gym.make("TeamVLA/Lift-v0", obs_mode="state")
    PPO("MlpPolicy", env, n_steps=8, batch_size=8, device="cpu").save(path)
    env.close()
    return path


def test_a_pickle_is_not_read_unless_trusted(model, capsys):
    assert main(["bench", "--policy", f"sb3:{model}", "--tasks", "lift", "--episodes", "1"]) == 2
    assert "pass --trust if you trust its author" in capsys.readouterr().err


def test_a_trusted_model_runs(model, tmp_path):
    words = f"bench --policy sb3:{model} --trust --tasks lift --episodes 1 --out {tmp_path}"
    assert main(words.split()) == 0
    assert json.loads((tmp_path / "results.json").read_text())["policy"] == f"sb3:{model}"


def test_a_model_of_another_task_is_refused_by_its_shapes(model, capsys):
    assert main(["bench", "--policy", f"sb3:{model}", "--trust", "--tasks", "drawer", "--episodes", "1"]) == 2
    assert "the model was trained with" in capsys.readouterr().err


def test_what_has_to_be_installed_is_said(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(UserError, match=re.escape('needs Stable-Baselines3: pip install "teamvla-eval[sb3]"')):
        load(str(model))


@pytest.mark.parametrize("content", [None, "not a zip", "{}", '{"policy_class": {"__module__": "os"}}'])
def test_what_is_no_model_is_refused(content, tmp_path):
    path = tmp_path / "model.zip"
    if content == "not a zip":
        path.write_text(content)
    elif content is not None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("data", content)
    with pytest.raises(UserError, match=r"model\.zip"):
        load(str(path))
