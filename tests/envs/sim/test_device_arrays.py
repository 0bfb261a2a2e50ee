"""Tasks, experts, actions and observations are one arithmetic: numpy on the host, torch on a device.

No device is needed to see that nothing stays on the host: torch's ``meta`` tensors carry shapes and no numbers, and do
not mix with tensors of the processor.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from teamvla_envs.arrays import arange, like
from teamvla_envs.control.actions import ACTION_MODES, ActionMode
from teamvla_envs.control.expert import follow
from teamvla_envs.env.observations import agent_pos, environment_state, peer_summary, proprioception
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.env.world_draws import counter_noise
from teamvla_envs.world import ContactLayout

TEAMS = (("lift", 2), ("lift", 3), ("handoff", 2), ("handoff", 3), ("drawer", 2))
WORLDS, STEPS, EVERY = 3, 120, 4


def convert(value: Any, device: str, floats: torch.dtype) -> Any:
    """Arrays, and what holds them, as tensors."""
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: convert(getattr(value, field.name), device, floats) for field in fields(value)}
        return replace(value, **parts)
    if isinstance(value, Mapping):
        return {key: convert(array, device, floats) for key, array in value.items()}
    if value is None or isinstance(value, ContactLayout):
        return value
    array = np.array(value)
    if array.dtype == np.uint64:
        array = array.view(np.int64)
    return torch.tensor(array, dtype=floats if array.dtype.kind == "f" else None).to(device)


def everything(env: TeamVectorEnv, world: Any, chains: Any, opening: Any, facts: Any, memory: Any) -> dict[str, Any]:
    """All that a step and an expert compute, by name."""
    task = env.task
    signals = task.signals(world, facts, memory)
    parts = task.state_parts(world, facts, signals)
    agent = agent_pos(proprioception(world))
    goals = task.make_expert().tool_goals(world, chains, facts, signals)
    motion = follow(goals, world, chains)
    named = {
        "signals": signals, "memory": task.update_memory(signals), "success": task.is_success(signals),
        "hold": task.hold_steps(facts), "lost": task.is_lost(world), "phase": task.phase(signals),
        "joint_work": task.is_cooperative(signals), "roles": task.roles(signals),
        "reward": {name: value for name, (_, value) in task.reward_terms(signals).items()},
        "observation": environment_state(agent, parts), "peers": peer_summary(world),
        "goals": {field.name: getattr(goals, field.name) for field in fields(goals)}, "motion": motion,
    }  # fmt: skip
    for name in ACTION_MODES:
        mode = ActionMode(name, chains, opening)
        action = mode.encode(motion, goals.gripper, world)
        joints, gripper = mode.decode(action, world)
        named[name] = {"action": action, "joints": joints, "gripper": gripper}
    return named


def flat(named: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in named.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", array) for key, array in flat(value))
        else:
            yield name, value


def situations(task: str, num_arms: int, steps: int) -> Iterator[tuple[TeamVectorEnv, tuple[Any, ...]]]:
    """States of expert episodes; the second of each pair are the arguments of :func:`everything`."""
    env = TeamVectorEnv(task, WORLDS, num_arms=num_arms, autoreset_mode="Disabled", num_threads=1)
    env.reset(seed=1)
    for step in range(steps):
        if step % EVERY == 0:
            memory = dict(env._episodes.memory)
            yield env, (env.world, env.simulator.chains, env._mode.opening, env.episode_facts(), memory)
        env.step(env.expert_actions())
    env.close()


@pytest.mark.parametrize(("task", "num_arms"), TEAMS)
def test_numpy_and_torch_agree(task: str, num_arms: int):
    for env, arguments in situations(task, num_arms, STEPS):
        expected = dict(flat(everything(env, *arguments)))
        found = dict(flat(everything(env, *(convert(part, "cpu", torch.float64) for part in arguments))))
        assert list(found) == list(expected)
        for name, values in expected.items():
            assert_allclose(found[name].numpy(), values, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("task", "num_arms"), TEAMS)
def test_nothing_stays_on_the_host_and_single_precision_stays_single(task: str, num_arms: int):
    for env, arguments in situations(task, num_arms, 1):
        expected = dict(flat(everything(env, *arguments)))
        for name, tensor in flat(everything(env, *(convert(part, "meta", torch.float32) for part in arguments))):
            assert tensor.device.type == "meta", name
            assert tensor.shape == expected[name].shape, name
            assert tensor.dtype in (torch.float32, torch.int64, torch.bool), name


@pytest.mark.parametrize("stream", [0, 5])
def test_noise_is_the_same_on_both(stream: int):
    key = np.random.default_rng(0).integers(0, 2**64, 20, dtype=np.uint64, endpoint=False)
    step = np.arange(20)
    noise = counter_noise(torch.tensor(key.view(np.int64)), torch.tensor(step), 33, stream)
    assert_allclose(noise.numpy(), counter_noise(key, step, 33, stream), atol=1e-12)


def test_constants_go_where_the_array_is():
    tensor = torch.zeros(2, dtype=torch.float32, device="meta")
    assert like((1.0, 2.0), tensor).device.type == "meta"
    assert like((1.0, 2.0), tensor).dtype == torch.float32
    assert arange(3, tensor).device.type == "meta"
    assert_array_equal(like((1.0, 2.0), np.zeros(2)), [1.0, 2.0])
    assert_array_equal(arange(3, torch.zeros(1)), [0, 1, 2])
