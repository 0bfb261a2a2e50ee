import subprocess
import sys

import pytest

HEAVY = ("torch", "newton", "warp", "mujoco", "matplotlib", "imageio", "h5py")
MODULES = ("commands.bench", "commands.quickstart", "report.bench_report", "report.videos", "rollout.suite")


@pytest.mark.parametrize("module", MODULES)
def test_importing_a_command_loads_nothing_heavy(module):
    program = f"import sys, teamvla_eval.{module}; print(*(set({HEAVY}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []
