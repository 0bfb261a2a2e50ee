# /// script
# requires-python = ">=3.10"
# dependencies = ["robosuite==1.5.1", "mujoco==3.3.7", "h5py"]
#
# [tool.uv]
# exclude-newer = "2026-11-20T00:00:00Z"
# ///
"""robosuite's TwoArmLift with two Pandas: observations of states, and with three 84 x 84 cameras.

``uv run benchmarks/peers/robosuite_two_arm.py`` installs robosuite into an environment of its own, measures, and
prints lines of JSON. Default controllers, 20 Hz control over 2 ms physics steps, uniformly random actions, episodes of
100 steps. Cameras are drawn by OpenGL without a display: ``MUJOCO_GL=egl`` unless the variable says otherwise.
"""

import os
import time
from typing import Any

import rounds  # ty: ignore[import-not-found]  # beside this script

EPISODE = 100
CAMERAS = ["frontview", "robot0_eye_in_hand", "robot1_eye_in_hand"]
NEEDS = """robosuite could not render images with MUJOCO_GL={backend}: {error}
Without a GPU it renders in software: install libegl1 and libgl1-mesa-dri for MUJOCO_GL=egl, or libosmesa6 for
MUJOCO_GL=osmesa (Debian's names), and run again. States are measured nevertheless."""


def start() -> tuple[dict[str, Any], dict[str, rounds.Round]]:
    os.environ.setdefault("MUJOCO_GL", "egl")
    began = time.perf_counter()
    import mujoco
    import numpy as np
    import robosuite  # ty: ignore[import-not-found]  # lives in this script's own environment

    def make(**kwargs: Any) -> Any:
        return robosuite.make(
            "TwoArmLift", robots=["Panda", "Panda"], has_renderer=False, ignore_done=True, **kwargs
        )  # fmt: skip

    env = make(has_offscreen_renderer=False, use_camera_obs=False)
    env.reset()
    low, high = env.action_spec
    actions = np.random.default_rng(0).uniform(low, high, (EPISODE, len(low)))
    env.step(actions[0])
    start_s = time.perf_counter() - began

    def bare_steps() -> float:
        """Rate of ``mj_step`` with the controls of one episode."""
        env.reset()
        model, data = env.sim.model._model, env.sim.data._data
        full = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(mujoco.mj_stateSize(model, full))
        mujoco.mj_getState(model, data, state, full)
        controls, sim_step = [], env.sim.step2

        def recording_step() -> None:
            controls.append(data.ctrl.copy())
            sim_step()

        env.sim.step2 = recording_step
        for action in actions:
            env.step(action)
        env.sim.step2 = sim_step
        end = data.qpos.copy()
        mujoco.mj_setState(model, data, state, full)
        started = time.perf_counter()
        for control in controls:
            data.ctrl[:] = control
            mujoco.mj_step(model, data)
        rate = len(controls) / (time.perf_counter() - started)
        if not np.allclose(data.qpos, end, atol=1e-4):
            raise RuntimeError("mj_step with the recorded controls ended in another state than robosuite")
        return rate

    def state_round(seconds: float) -> dict[str, Any]:
        rates = rounds.rate(lambda i: env.step(actions[i]), env.reset, seconds, EPISODE)
        return rates | {"raw_mj_steps_per_s": bare_steps()}

    variants: dict[str, rounds.Round] = {"state": state_round}
    problem = None
    try:
        seeing = make(
            has_offscreen_renderer=True, use_camera_obs=True, camera_names=CAMERAS, camera_heights=84, camera_widths=84
        )
        seeing.reset()
        variants["images"] = lambda seconds: rounds.rate(
            lambda i: seeing.step(actions[i]), seeing.reset, seconds, EPISODE
        )
    except Exception as error:  # OpenGL fails in as many ways as there are drivers
        problem = NEEDS.format(backend=os.environ["MUJOCO_GL"], error=error)
        print(problem)
    facts = {
        "name": "robosuite TwoArmLift", "control_dt": env.control_timestep, "start_s": start_s, "problem": problem,
        "physics_steps": round(env.control_timestep / env.model_timestep),
        "versions": {"robosuite": robosuite.__version__, "mujoco": mujoco.__version__},
    }  # fmt: skip
    return facts, variants


if __name__ == "__main__":
    rounds.run(__doc__, start)
