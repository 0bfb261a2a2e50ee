"""Example packages: a robot with other names and six joints, and a camera."""

import hashlib
import json
from collections.abc import Callable

import pytest
from teamvla_envs.env.vector import TeamVectorEnv

ROBOT = """
import numpy as np, mujoco, teamvla_envs
from teamvla_envs.scene.robots import get_robot, registered_robots
assert "elbow_arm" in registered_robots()
"""
STEPS = """
for mode, size in (("joint_delta", 7), ("joint_pos", 7), ("ee_delta", 7)):
    env = teamvla_envs.vector_env("lift", 2, robot="elbow_arm", action_mode=mode)
    obs, _ = env.reset(seed=0)
    assert env.single_action_space.shape == (2 * size,), env.single_action_space
    rng = np.random.default_rng(0)
    for _ in range(20):
        obs, *_ = env.step(rng.uniform(-1, 1, env.action_space.shape))
    assert env.observation_space.contains(obs)
    assert env.world.joint_pos.shape == (2, 2, 6)
    env.close()
"""
KINEMATICS = """
env = teamvla_envs.vector_env("lift", 4, robot="elbow_arm")
env.reset(seed=0)
for _ in range(15):
    env.step(env.action_space.sample())
sim, world = env.simulator, env.world
model, data = sim.template, mujoco.MjData(sim.template)
spec = mujoco.MjSpec.from_string(sim.scene.xml)
full = spec.compile()
reference = mujoco.MjData(full)
for w in range(4):
    for k in range(2):
        for j, name in enumerate(get_robot("elbow_arm").joints):
            reference.joint(f"arm_{k}/{name}").qpos[0] = world.joint_pos[w, k, j]
    mujoco.mj_kinematics(full, reference)
    for k in range(2):
        site = reference.site(f"arm_{k}/pinch")
        assert np.allclose(site.xpos, world.tool_pos[w, k], atol=1e-6)
        assert np.allclose(site.xmat.reshape(3, 3), world.tool_rot[w, k], atol=1e-6)
"""
CONTACTS = """
env = teamvla_envs.vector_env("lift", robot="elbow_arm")
pairs = {body for pair in env.scene.contact_pairs for body in (pair.first, pair.second)}
assert {"arm_0/gripper", "arm_1/upper_arm", "arm_0/pedestal"} <= pairs, pairs
for geom in ("friction", "solref", "solimp"):
    direct = mujoco.MjModel.from_xml_string(env.scene.xml)
    for i in range(env.simulator.template.ngeom):
        name = env.simulator.template.geom(i).name
        ours = getattr(env.simulator.template.geom(i), geom)
        assert np.allclose(ours, getattr(direct.geom(name), geom)), (name, geom)
"""
IMAGES = """
env = teamvla_envs.vector_env("lift", robot="elbow_arm", obs_mode="vision", image_size=64)
obs, _ = env.reset(seed=0)
assert list(obs["pixels"]) == ["front", "wrist_0", "wrist_1"]
labels = env.render_cameras(("front", "wrist_0"), 64, channel="segmentation")[0]
from teamvla_envs.sim.render_scene import segment_names
arm = 1 + segment_names(env.scene).index("arm_0")
assert all((view == arm).sum() > 50 for view in labels), "the first arm is not in view"
red = obs["pixels"]["front"][0][labels[0] == arm].astype(int)
assert (red[:, 0] - red[:, 2]).max() > 60, "the arm does not have its tint"
"""
EXPERT = """
env = teamvla_envs.vector_env("lift", 16, robot="elbow_arm", autoreset_mode="Disabled")
_, info = env.reset(seed=2_000_000)
while not info["end_reason"].astype(bool).all():
    *_, info = env.step(env.expert_actions())
assert info["is_success"].mean() >= 0.9, info["is_success"]
"""


BENCH = """
from teamvla_eval import run_suite, summarize
env = teamvla_envs.vector_env("lift", 4, robot="elbow_arm", autoreset_mode="Disabled", max_episode_steps=20)
records = run_suite(env, teamvla_envs.make_policy("random"), range(2_000_000, 2_000_006))
assert summarize(records).episodes == 6
"""


@pytest.mark.parametrize(
    "program",
    [STEPS, KINEMATICS, CONTACTS, IMAGES, EXPERT, BENCH],
    ids=["steps", "kinematics", "contacts", "images", "expert", "bench"],
)
def test_a_robot_of_other_names_and_six_joints(run_with_examples: Callable[..., str], program: str):
    run_with_examples("elbow_arm", "-c", ROBOT + program)


CAMERA = """
import hashlib, json, numpy as np, teamvla_envs
env = teamvla_envs.vector_env(
    "lift", 2, randomization="hard", obs_mode="vision", cameras=("front", "side"), image_size=48
)
obs, _ = env.reset(seed=7)
assert obs["pixels"]["side"].std() > 10
print(json.dumps({key: hashlib.sha256(array.tobytes()).hexdigest() for key, array in env.get_state().items()}))
"""


def test_a_camera_is_one_line_and_changes_no_draw(run_with_examples: Callable[..., str]):
    here = TeamVectorEnv("lift", 2, randomization="hard", obs_mode="vision", cameras=("front",), image_size=48)
    try:
        here.reset(seed=7)
        known = {key: hashlib.sha256(value.tobytes()).hexdigest() for key, value in here.get_state().items()}
        assert "side" not in here.all_cameras
    finally:
        here.close()
    found = json.loads(run_with_examples("side_camera", "-c", CAMERA).splitlines()[-1])
    assert {key: found[key] for key in known} == known
    assert found.keys() - known.keys() == {f"field.camera_{field}.side" for field in ("shift", "turn", "fovy")}
