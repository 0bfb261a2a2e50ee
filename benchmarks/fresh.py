"""Measurements in fresh processes: time to the first step, and memory."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

FIRST_STEP = """
import time
began, cpu_began = time.perf_counter(), time.process_time()
import teamvla_envs
import gymnasium
env = gymnasium.make("TeamVLA/Lift-v0", obs_mode={mode!r}, image_size=84)
env.reset(seed=0)
env.step(env.action_space.sample())
print(time.perf_counter() - began, time.process_time() - cpu_began)
"""

MEMORY = """
import json, os
import mujoco, numpy, gymnasium
from mujoco import rollout
import teamvla_envs
from teamvla_envs.env.vector import TeamVectorEnv

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

before = resident()
env = TeamVectorEnv("lift", {num_envs})
env.reset(seed=0)
for _ in range(50):
    env.step(env.action_space.sample())
print(json.dumps({{"modules": before, "total": resident()}}))
"""


@dataclass(frozen=True)
class Start:
    """The start of a fresh process up to its first step.

    Attributes:
        seconds: From before ``import teamvla_envs`` to the end of the first step [s].
        cpu_seconds: CPU time of the same [s], including compilers that run in the process.
        stderr: Its output on standard error.
    """

    seconds: float
    cpu_seconds: float
    stderr: str


def first_step(mode: str, empty_caches: bool = False) -> Start:
    """Make ``TeamVLA/Lift-v0`` with 84 px images, reset, and take a step, in a process of its own.

    Args:
        mode: Observation mode.
        empty_caches: Whether models and kernels have to be compiled, as on the first use ever.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ)
        if empty_caches:
            environment |= {"TEAMVLA_CACHE": f"{folder}/teamvla", "WARP_CACHE_PATH": f"{folder}/warp"}
        done = _python(FIRST_STEP.format(mode=mode), environment)
    wall, cpu = map(float, done.stdout.split()[-2:])
    return Start(wall, cpu, done.stderr)


def memory(num_envs: int) -> tuple[float, float]:
    """Memory of a process with N worlds of Lift in ``state`` mode, after 50 steps.

    Returns:
        What the worlds added to a process that has only imported the modules, and the total: resident set [MB].
    """
    if not Path("/proc/self/statm").exists():
        raise SystemExit("memory is read from /proc/self/statm, which only Linux has")
    found = json.loads(_python(MEMORY.format(num_envs=num_envs), dict(os.environ)).stdout.splitlines()[-1])
    return found["total"] - found["modules"], found["total"]


def _python(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"a fresh process failed:\n{done.stderr}")
    return done
