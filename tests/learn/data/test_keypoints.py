"""Keypoints in images agree with the cameras of the environment."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.sim.render_scene import segment_names
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.data.keypoints import project_keypoints
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.metadata import FileSource
from teamvla_learn.data.part_flags import parts_with

CAMERAS = ("front", "wrist_0", "wrist_1")
HEIGHT, WIDTH = 240, 320


def source_of(env: TeamVectorEnv, robot: Any) -> FileSource:
    """Metadata of a file of demonstrations of this environment."""
    return FileSource(
        path=Path("demos.hdf5"),
        env_kwargs={"task": env.task.name, "robot": robot, "num_arms": 2},
        action=PartLayout(()),
        agent_pos=PartLayout(env.agent_pos_parts),
        environment_state=PartLayout(env.environment_state_parts),
        phases=1,
        cameras=dict.fromkeys(CAMERAS, (HEIGHT, WIDTH)),
        train=(),
        valid=(),
    )


@pytest.mark.parametrize("robot", ["panda", ("xarm7", "panda")], ids=["panda", "mixed"])
def test_a_cube_is_where_the_cameras_see_it(robot):
    env = TeamVectorEnv(
        "drawer", 8, robot=robot, obs_mode="vision+state", image_channels="segmentation", image_size=(HEIGHT, WIDTH),
        randomization="hard",
    )  # fmt: skip
    obs, _ = env.reset(seed=0)
    moved = {key: values for key, values in env.get_state().items() if key.startswith("field.camera_")}
    source = source_of(env, robot)
    keypoints = project_keypoints(source, obs["agent_pos"], obs["environment_state"], moved)
    goal, cubes = (
        obs["environment_state"][:, slice(*source.environment_state.span(name))] for name in ("object_pos", "cube_pos")
    )
    meant = np.linalg.norm(cubes.reshape(8, 4, 3) - goal[:, None], axis=-1).argmin(axis=1)
    names = segment_names(env.task.scene(("panda", "panda")))
    first = 1 + next(index for index, name in enumerate(names) if name.startswith("cube"))
    seen = dict.fromkeys(CAMERAS, 0)
    for camera in CAMERAS:
        where = keypoints[camera][:, parts_with("keypoint").index("object_pos")] * (WIDTH, HEIGHT) - 0.5
        for world in range(8):
            rows, columns = np.nonzero(obs["segmentation"][camera][world] == first + meant[world])
            if len(rows) and min(rows.min(), columns.min(), HEIGHT - 1 - rows.max(), WIDTH - 1 - columns.max()) > 0:
                middle = np.array([columns.mean(), rows.mean()])
                assert np.abs(where[world] - middle).max() < 0.3 * max(np.ptp(rows), np.ptp(columns)) + 0.5
                seen[camera] += 1
    assert seen["front"] >= 6
    assert min(seen.values()) >= 1


def test_what_a_file_cannot_tell_is_nowhere(demos):
    train, *_ = load_demos(demos, with_pixels=True)  # it does not hold how the tools are turned
    assert set(train.keypoints) == set(CAMERAS)
    assert all(np.isnan(where).all() and where.shape == (len(train), 3, 2) for where in train.keypoints.values())
