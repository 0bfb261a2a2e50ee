"""Where things are in pictures: the cameras of the environment agree."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_learn.data.dataset import load_demos
from teamvla_learn.data.layout import PartLayout
from teamvla_learn.data.places import THINGS, find_places
from teamvla_learn.data.source import FileSource

CAMERAS = ("front", "wrist_0", "wrist_1")
HEIGHT, WIDTH = 120, 160


def source_of(env: TeamVectorEnv, robot: Any) -> FileSource:
    """What a file of this environment's demonstrations would say of itself."""
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
@pytest.mark.parametrize("task", ["lift", "drawer"])
def test_what_a_thing_covers_is_as_far_away_as_the_thing(task, robot):
    env = TeamVectorEnv(
        task, 8, robot=robot, obs_mode="vision+state", image_channels="depth", image_size=(HEIGHT, WIDTH),
        randomization="hard",
    )  # fmt: skip
    obs, _ = env.reset(seed=0)
    state = env.get_state()
    moved = {key: values for key, values in state.items() if key.startswith("field.camera_")}
    assert moved
    places = find_places(source_of(env, robot), obs["agent_pos"], obs["environment_state"], moved)
    seen = 0
    for camera in CAMERAS:
        where = places[camera][:, THINGS.index("object_pos")]
        assert where.shape == (8, 2)
        depth = obs["depth"][camera]
        for world, (x, y) in enumerate(where):
            if 0.05 < x < 0.95 and 0.05 < y < 0.95:
                row, column = int(y * HEIGHT), int(x * WIDTH)
                patch = depth[world, row - 3 : row + 4, column - 3 : column + 4]
                rim = depth[world, max(row - 25, 0) : row + 25, max(column - 25, 0) : column + 25]
                assert patch.min() < np.quantile(rim, 0.8) - 0.005  # stands out from what is around it
                seen += 1
    assert seen >= 8


def test_what_a_file_cannot_tell_is_nowhere(demos):
    train, *_ = load_demos(demos, with_pixels=True)  # it does not hold how the tools are turned
    assert set(train.places) == set(CAMERAS)
    assert all(np.isnan(where).all() and where.shape == (len(train), 3, 2) for where in train.places.values())
