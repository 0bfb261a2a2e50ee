"""One world with an agent per arm: a PettingZoo ``ParallelEnv`` over the vector environment with N = 1."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from pettingzoo import ParallelEnv

from teamvla_envs.arguments import as_numbers, check_mapping, check_seed, check_whole, did_you_mean
from teamvla_envs.arrays import to_numpy
from teamvla_envs.env.observations import peer_summary
from teamvla_envs.env.remaking import Remade
from teamvla_envs.env.single import first, first_info
from teamvla_envs.env.spaces import INSTRUCTION, vector_space
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.env.window import Window, check_one_world
from teamvla_envs.errors import UserError

_KEPT = ("agents", "observation_spaces", "action_spaces", "state_space")


class TeamParallelEnv(Remade, Window, ParallelEnv[str, Any, np.ndarray]):
    """PettingZoo environment whose agents ``arm_k`` have their own proprioception, wrist camera and instruction.

    All agents have equal spaces, so that one network can serve all of them. In ``state`` mode an agent's observation
    is its proprioception, a summary of its peers and the task's privileged parts; in the ``vision`` modes a dict with
    ``pixels`` (shared cameras, and its own as ``wrist``), ``agent_pos``, ``peers`` and ``instruction``. An arm that
    ``instruction_for`` excludes gets an empty instruction and zeros for the parts that reveal the goal.

    Args:
        task: Registered task name.
        max_cycles: Control steps after which an episode is truncated; ``None`` for the task's horizon.
        **kwargs: Attributes of :class:`teamvla_envs.env.arguments.EnvConfig`.
    """

    def __init__(self, task: str, *, max_cycles: int | None = None, **kwargs: Any):
        check_one_world(kwargs)
        kwargs.setdefault("max_episode_steps", None if max_cycles is None else check_whole("max_cycles", max_cycles))
        kwargs["autoreset_mode"] = AutoresetMode.DISABLED
        self.vector = TeamVectorEnv(task, 1, **kwargs)
        self.metadata = {"name": f"{task}_v0", **self.vector.metadata, "is_parallelizable": True}
        self.render_mode = self.vector.render_mode
        self.possible_agents = [f"arm_{k}" for k in range(self.vector.num_arms)]
        self.agents: list[str] = []
        receivers = self.vector.instruction_for
        self._instructed = [receivers in ("all", agent) for agent in self.possible_agents]
        chosen = [self.vector.scene.camera(name) for name in self.vector.cameras]
        self._shared = [camera.name for camera in chosen if camera.arm is None]
        self._carried = [camera for camera in chosen if camera.arm is not None]
        self._image_keys = tuple(self.vector.camera_spaces(()))
        self._own_size = sum(length for _, length in self.vector.agent_pos_parts)
        scene = self.vector.environment_state_parts[self.vector.num_arms * len(self.vector.agent_pos_parts) :]
        reveals = [np.full(length, name in self.vector.task.goal_parts) for name, length in scene]
        self._goal_entries = np.concatenate(reveals)
        size = self.vector.action_size
        self.action_spaces = {agent: gym.spaces.Box(-1.0, 1.0, (size,), np.float32) for agent in self.possible_agents}
        self.observation_spaces = {agent: self._agent_space() for agent in self.possible_agents}
        state = sum(length for _, length in self.vector.environment_state_parts)
        self.state_space = vector_space(state)

    def _agent_space(self) -> gym.Space[Any]:
        own, scene, peers = self._own_size, len(self._goal_entries), 4 * (self.vector.num_arms - 1)
        if self.vector.obs_mode == "state":
            return vector_space(own + peers + scene)
        cameras = [*self._shared, *dict.fromkeys(camera.own_name for camera in self._carried)]
        spaces: dict[str, gym.Space[Any]] = {
            **self.vector.camera_spaces(cameras),
            "agent_pos": vector_space(own),
            "peers": vector_space(peers),
            "instruction": INSTRUCTION,
        }  # fmt: skip
        if self.vector.obs_mode == "vision+state":
            spaces["environment_state"] = vector_space(own + peers + scene)
        return gym.spaces.Dict(spaces)

    def observation_space(self, agent: str) -> gym.Space[Any]:
        """Observation space of ``agent``."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.Space[Any]:
        """Action space of ``agent``: ``Box(-1, 1, (D,))``."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin an episode; ``seed`` determines it fully, ``options={"goal": name}`` replaces its goal."""
        obs, info = self.vector.reset(seed=check_seed(seed), options=options)
        self.agents = list(self.possible_agents)
        return self._split(obs), self._infos(info)

    def step(
        self, actions: dict[str, np.ndarray]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Advance by one control step.

        Args:
            actions: Agent to action ``(D,)`` in [-1, 1].

        Returns:
            Observations, rewards (shared), terminations, truncations and infos by agent.

        Raises:
            ValueError: If an action is missing, has the wrong shape or is not finite; names the agent.
            RuntimeError: Before the first reset or after close.
        """
        for agent in check_mapping("actions", actions, "a dict of agent to action"):
            if agent not in self.possible_agents:
                hint = did_you_mean(agent, self.possible_agents)
                raise UserError(f"actions: {agent!r} is no agent{hint}, expected {', '.join(self.possible_agents)}")
        size = self.vector.action_size
        rows = []
        for agent in self.possible_agents:
            if self.agents and agent not in actions:
                raise UserError(f"actions: none for {agent}, expected one for each of {', '.join(self.agents)}")
            row = as_numbers(f"action for {agent}", actions.get(agent, np.zeros(size)))
            if row.shape != (size,):
                meaning = " and ".join(f"{length} {name}" for name, length in self.vector.action_parts)
                raise UserError(f"action for {agent} has shape {row.shape}, expected ({size},): {meaning}")
            rows.append(row)
        obs, reward, terminated, truncated, info = self.vector.step(np.concatenate(rows)[None])
        agents = self.agents
        if terminated[0] or truncated[0]:
            self.agents = []
        return (
            self._split(obs, agents),
            dict.fromkeys(agents, float(reward[0])),
            dict.fromkeys(agents, bool(terminated[0])),
            dict.fromkeys(agents, bool(truncated[0])),
            self._infos(info, agents),
        )

    def state(self) -> np.ndarray:
        """The privileged state of the world, shape ``(S,)`` float32: the team's observation in ``state`` mode."""
        return to_numpy(self.vector.environment_state()[0])

    def expert_actions(self) -> dict[str, np.ndarray]:
        """Actions ``(D,)`` of the task's expert in the present state, by agent."""
        action = to_numpy(self.vector.expert_actions()).reshape(self.vector.num_arms, -1)
        return dict(zip(self.possible_agents, action, strict=True))

    def hold_actions(self, gripper: float | None = None) -> dict[str, np.ndarray]:
        """Actions ``(D,)`` that keep the arms where they are, by agent; see :meth:`TeamVectorEnv.hold_actions`."""
        action = to_numpy(self.vector.hold_actions(gripper)).reshape(self.vector.num_arms, -1)
        return dict(zip(self.possible_agents, action, strict=True))

    def set_state(self, state: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Continue from a state of arrays with first axis 1; returns observations and infos."""
        obs, info = self.vector.set_state(state)
        self.agents = [] if state["end"][0] else list(self.possible_agents)
        return self._split(obs), self._infos(info)

    def progress(self) -> dict[str, Any]:
        """Progress of the vector environment, the live agents, and spaces with their generators."""
        return {"vector": self.vector.progress(), "attributes": {name: getattr(self, name) for name in _KEPT}}

    def resume(self, progress: dict[str, Any]) -> None:
        """Continue bit for bit from a result of :meth:`progress`."""
        self.vector.resume(progress["vector"])
        for name, value in progress["attributes"].items():
            setattr(self, name, value)

    def _split(self, obs: Any, agents: list[str] | None = None) -> dict[str, Any]:
        """Each agent's part of the team's observation."""
        vector, arms = self.vector, self.vector.num_arms
        # The team's privileged state begins with the proprioception of all arms.
        state = obs if vector.obs_mode == "state" else obs.get("environment_state")
        team = arms * self._own_size
        agent_pos = to_numpy(obs["agent_pos"] if state is None else state[:, :team])[0].reshape(arms, -1)
        scene = None if state is None else to_numpy(state)[0, team:]
        peers = to_numpy(peer_summary(vector.world)[0])
        result: dict[str, Any] = {}
        for k, agent in enumerate(self.possible_agents):
            if agents is not None and agent not in agents:
                continue
            own: dict[str, Any] = {}
            if scene is not None:
                visible = scene if self._instructed[k] else np.where(self._goal_entries, 0, scene)
                own["environment_state"] = np.concatenate([agent_pos[k], peers[k], visible])
            if vector.obs_mode != "state":
                for key in self._image_keys:
                    own[key] = {name: first(obs[key][name]) for name in self._shared}
                    own[key] |= {c.own_name: first(obs[key][c.name]) for c in self._carried if c.arm == k}
                instruction = obs["instruction"][0] if self._instructed[k] else ""
                own |= {"agent_pos": agent_pos[k], "peers": peers[k], "instruction": instruction}
            result[agent] = own["environment_state"] if vector.obs_mode == "state" else own
        return result

    def _infos(self, info: dict[str, Any], agents: list[str] | None = None) -> dict[str, dict[str, Any]]:
        """Each agent's info; without the goal for an arm without the instruction."""
        everything = first_info(info)
        return {
            agent: everything if instructed else everything | {"task_description": "", "goal": ""}
            for agent, instructed in zip(self.possible_agents, self._instructed, strict=True)
            if agents is None or agent in agents
        }
