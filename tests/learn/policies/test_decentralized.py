"""Decentralized execution equals the joint forward pass of the team."""

import multiprocessing
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pettingzoo import ParallelEnv
from teamvla_envs.env.message_channel import MessageChannel
from teamvla_envs.env.messages import ChannelSettings
from teamvla_envs.errors import UserError
from teamvla_learn.baselines.registry import get_baseline
from teamvla_learn.policies.action_head import HeadConfig
from teamvla_learn.policies.arm_process import RemoteArm, arm_processes
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies.checkpoint_policy import CheckpointPolicy
from teamvla_learn.policies.decentralized import ArmController, team_actions

from tests.learn.policies.teams import LAYOUT, SIZE, make_team, save_team
from tests.learn.worlds import Worlds, vision_space

SENTENCE = "Put the bar on the green stand."
MESSAGES = Path(__file__).parents[3] / "docs" / "messages.md"


class Scenes(ParallelEnv):
    """Parallel environment of random images, with the attributes of one world of a vector environment."""

    metadata: dict[str, Any] = {}  # noqa: RUF012  as PettingZoo declares it
    render_mode = None

    def __init__(self, arms: int, instruction_for: str = "all", **changed: Any):
        self.possible_agents = self.agents = [f"arm_{k}" for k in range(arms)]
        attributes: dict[str, Any] = {
            "env_kwargs": {"num_arms": arms, "obs_mode": "vision", "instruction_for": instruction_for},
            "cameras": ("front", *(f"wrist_{k}" for k in range(arms))),
            "num_arms": arms,
            "num_envs": 1,
            "single_observation_space": vision_space(arms * LAYOUT.size),
        }
        self.vector: Any = Worlds(**attributes | changed)

    def action_space(self, agent: str) -> Any:
        return None

    def observation_space(self, agent: str) -> Any:
        return None

    def team(self) -> dict[str, Any]:
        """Observation of the vector environment."""
        return {
            "pixels": {camera: image[None] for camera, image in self._pixels.items()},
            "agent_pos": self._agent_pos.reshape(1, -1),
            "instruction": (SENTENCE,),
        }

    def arms(self) -> dict[str, Any]:
        """Observations of the parallel environment."""
        return {
            agent: {
                "pixels": {"front": self._pixels["front"], "wrist": self._pixels[f"wrist_{k}"]},
                "agent_pos": self._agent_pos[k],
                "instruction": SENTENCE if self.vector.env_kwargs["instruction_for"] in ("all", agent) else "",
            }
            for k, agent in enumerate(self.agents)
        }

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        self._rng = np.random.default_rng(seed)
        self.vector.seeds = np.array([seed])
        self._draw()
        return self.arms(), {agent: {} for agent in self.agents}

    def step(self, actions: Any) -> tuple[Any, ...]:
        self._draw()
        nothing = dict.fromkeys(self.agents, 0.0)
        over = dict.fromkeys(self.agents, False)
        return self.arms(), nothing, over, over, {agent: {} for agent in self.agents}

    def _draw(self) -> None:
        self._pixels = {c: self._rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for c in self.vector.cameras}
        self._agent_pos = self._rng.normal(size=(len(self.agents), LAYOUT.size)).astype(np.float32)


HEADS = [
    (1, HeadConfig()),
    (4, HeadConfig(ensembling=0.2)),
    (2, HeadConfig("flow", flow_size=16, ensembling=0.0)),
]


@pytest.mark.parametrize(("chunk_length", "head"), HEADS)
def test_for_every_head(tmp_path, chunk_length, head):
    checkpoint = load_checkpoint(save_team(make_team(3, chunk_length, head=head), tmp_path / "team"))
    scenes: Any = Scenes(3)
    together = CheckpointPolicy(checkpoint)
    together.bind(scenes.vector)
    channel = MessageChannel(scenes, 32, rounds=2)
    controllers = {f"arm_{k}": ArmController(checkpoint, k) for k in range(3)}
    for episode in range(2):
        obs, _ = channel.reset(seed=episode)
        together.reset(np.ones(1, bool))
        for controller in controllers.values():
            controller.reset()
        for _ in range(5):
            at_once = together.act(scenes.team())[0].reshape(3, -1)
            alone = team_actions(channel, controllers, obs)
            assert np.stack(list(alone.values())) == pytest.approx(at_once, abs=1e-5)
            obs, *_ = channel.step(alone)


CHANNELS = [{}, {"drop_rate": 0.5}, {"delay": 2}, {"noise": 0.3}, {"drop_rate": 0.3, "delay": 1, "noise": 0.1}]


@pytest.mark.parametrize("settings", CHANNELS)
@pytest.mark.parametrize("arms", [2, 4])
def test_arms_through_the_channel_do_what_the_team_does_at_once(tmp_path, arms, settings):
    checkpoint = load_checkpoint(save_team(make_team(arms, instruction_for="arm_0"), tmp_path / "team"))
    scenes: Any = Scenes(arms, "arm_0")
    together = CheckpointPolicy(checkpoint)
    together.channel = ChannelSettings(seed=5, **settings)
    channel = MessageChannel(scenes, 32, rounds=2, seed=5, **settings)
    controllers = {f"arm_{k}": ArmController(checkpoint, k) for k in range(arms)}
    together.bind(scenes.vector)
    obs, _ = channel.reset(seed=11)
    together.reset(np.ones(1, bool))
    for _ in range(4):
        at_once = together.act(scenes.team())[0].reshape(arms, -1)
        alone = team_actions(channel, controllers, obs)
        assert np.stack(list(alone.values())) == pytest.approx(at_once, abs=1e-5)
        obs, *_ = channel.step(alone)
    assert together.messages is not None
    assert together.messages.shape == (1, arms, 32)
    assert together.bus is not None
    assert together.bus.delivered[0].tolist() == [
        account["delivered_floats"] // 32 for account in channel.bandwidth.values()
    ]


def test_arms_in_processes_of_their_own_do_what_the_team_does_at_once(tmp_path):
    folder = save_team(make_team(2, instruction_for="arm_0"), tmp_path / "team")
    scenes: Any = Scenes(2, "arm_0")
    together = CheckpointPolicy(load_checkpoint(folder))
    together.channel = ChannelSettings(drop_rate=0.3)
    together.bind(scenes.vector)
    channel = MessageChannel(scenes, 32, rounds=2, drop_rate=0.3)
    obs, _ = channel.reset(seed=3)
    together.reset(np.ones(1, bool))
    with arm_processes(folder, channel) as controllers:
        for _ in range(3):
            alone = team_actions(channel, controllers, obs)
            at_once = together.act(scenes.team())[0].reshape(2, -1)
            assert np.stack(list(alone.values())) == pytest.approx(at_once, abs=1e-5)
            obs, *_ = channel.step(alone)


@pytest.mark.slow
def test_arms_in_the_real_environment_do_what_the_team_does_at_once(tmp_path):
    from teamvla_envs import parallel_env
    from teamvla_envs.env.vector import TeamVectorEnv

    folder = save_team(make_team(2, instruction_for="arm_0", peers=True), tmp_path / "team")
    together = CheckpointPolicy(load_checkpoint(folder))
    options: dict[str, Any] = {"obs_mode": "vision", "image_size": SIZE, "instruction_for": "arm_0"}
    team = TeamVectorEnv("handoff", 1, **options)
    channel = MessageChannel(parallel_env("handoff", **options), 32, rounds=2)
    together.bind(team)
    seen, _ = team.reset(seed=3)
    together.reset(np.ones(1, bool))
    obs, _ = channel.reset(seed=3)
    with arm_processes(folder, channel) as controllers:
        for _ in range(5):
            alone = team_actions(channel, controllers, obs)
            at_once = together.act(seen)
            assert np.stack(list(alone.values())) == pytest.approx(at_once[0].reshape(2, -1), abs=1e-5)
            seen, *_ = team.step(at_once)
            obs, *_ = channel.step(dict(zip(alone, at_once[0].reshape(2, -1), strict=True)))
    team.close()
    channel.close()


def test_the_order_of_a_control_step_is_kept(tmp_path):
    checkpoint = load_checkpoint(save_team(make_team(), tmp_path / "team"))
    controller = ArmController(checkpoint, 0)
    with pytest.raises(RuntimeError, match="no observation: call look"):
        controller.write()
    controller.look(Scenes(2).reset(seed=0)[0]["arm_0"])
    with pytest.raises(RuntimeError, match="0 of 2 rounds"):
        controller.act()


def test_an_arm_that_the_team_does_not_have_is_refused(tmp_path):
    checkpoint = load_checkpoint(save_team(make_team(), tmp_path / "team"))
    with pytest.raises(ValueError, match="arm is 2, allowed are 0 to 1"):
        ArmController(checkpoint, 2)


def test_an_environment_that_instructs_other_arms_does_not_fit(tmp_path):
    policy = CheckpointPolicy(load_checkpoint(save_team(make_team(instruction_for="arm_0"), tmp_path / "team")))
    with pytest.raises(ValueError, match="instruction_for='all', the policy needs 'arm_0'"):
        policy.bind(Scenes(2, "all").vector)


def test_a_folder_that_is_not_there_starts_no_process(tmp_path):
    scenes: Any = Scenes(2)
    with (
        pytest.raises(UserError, match=r"checkpoint .*nowhere is missing"),
        arm_processes(tmp_path / "nowhere", MessageChannel(scenes, 32, rounds=2)),
    ):
        pass


def test_a_policy_of_the_whole_team_starts_no_process():
    scenes: Any = Scenes(2)
    with (
        pytest.raises(UserError, match=r"policy is a SingleBrainVLA, .* expected a MsgPassingVLA"),
        arm_processes(get_baseline("lift").folder, MessageChannel(scenes, 32, rounds=2)),
    ):
        pass


@pytest.mark.parametrize(
    ("changed", "channel", "message"),
    [
        ({"instruction_for": "all"}, {}, "the environment has instruction_for='all', the policy needs 'arm_0'"),
        ({"image_size": (64, 64)}, {}, r"the environment has image_size=\(64, 64\), the policy needs 32"),
        ({"cameras": ("front",)}, {}, "the environment has cameras front, the policy also needs wrist_0, wrist_1"),
        ({"arms": 3}, {}, "the environment has num_arms=3, the policy needs 2"),
        ({}, {"width": 8}, "the channel has width=8, the policy needs 32"),
        ({}, {"rounds": 1}, "the channel has rounds=1, the policy needs 2"),
    ],
)
def test_a_team_that_does_not_fit_starts_no_process(tmp_path, changed, channel, message):
    folder = save_team(make_team(instruction_for="arm_0"), tmp_path / "team")
    scenes: Any = Scenes(**{"arms": 2, "instruction_for": "arm_0"} | changed)
    team = MessageChannel(scenes, **{"width": 32, "rounds": 2, **channel})
    with pytest.raises(UserError, match=message), arm_processes(folder, team):
        pass


def test_what_fails_in_a_process_names_the_arm(tmp_path):
    folder = save_team(make_team(), tmp_path / "team")
    scenes: Any = Scenes(2)
    with arm_processes(folder, MessageChannel(scenes, 32, rounds=2)) as arms:
        with pytest.raises(RuntimeError, match="arm_1 failed in write: RuntimeError: no observation"):
            arms["arm_1"].write()
        arms["arm_1"].look(scenes.reset(seed=0)[0]["arm_1"])
        assert arms["arm_1"].write().shape == (32,)


def test_a_process_that_has_ended_is_reported():
    near, far = multiprocessing.Pipe()
    far.close()
    with pytest.raises(RuntimeError, match="the process of arm_0 has ended"):
        RemoteArm("arm_0", near)


def test_a_process_that_cannot_start_does_not_hide_why(tmp_path, monkeypatch):
    def refuse(process: Any) -> None:
        raise OSError("no more processes")

    folder = save_team(make_team(), tmp_path / "team")
    scenes: Any = Scenes(2)
    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", refuse)
    with (
        pytest.raises(OSError, match="no more processes"),
        arm_processes(folder, MessageChannel(scenes, 32, rounds=2)),
    ):
        pass


@pytest.fixture
def program(tmp_path) -> Path:
    """The documentation's example of arms in processes of their own, as a file next to ``runs/talk``."""
    (tmp_path / "runs").mkdir()
    save_team(make_team(), tmp_path / "runs" / "talk")
    blocks = re.findall(r"```python\n(.*?)```", MESSAGES.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "program.py"
    made = 'make_policy("runs/talk").env_kwargs'
    assert made in blocks[-1]
    short = f"({made} | {{'max_episode_steps': 3, 'num_threads': 1}})"
    path.write_text(blocks[-1].replace(made, short), encoding="utf-8")
    return path


def run(program: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, program.name]
    return subprocess.run(command, cwd=program.parent, capture_output=True, text=True, timeout=300)


def test_the_example_of_the_documentation_runs(program):
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_program_without_a_main_guard_gets_the_reason(program):
    program.write_text(program.read_text(encoding="utf-8").replace('if __name__ == "__main__":', "if True:"))
    done = run(program)
    assert done.returncode == 1
    assert "the process of arm_0 has ended; its output shows the reason" in done.stderr
    assert "if __name__ == '__main__':" in done.stderr
    assert "AssertionError" not in done.stderr
