"""Contract tests with the lowest versions that the packages allow.

Builds the wheels, installs them into a new virtual environment with Python 3.11 and the lowest version of each direct
dependency, and runs the contract tests there. ``teamvla-learn`` takes part only with ``--learn``, since the wheels of
torch take gigabytes. ``--with gymnasium==1.2.2`` pins versions in place of the lowest ones.
"""

import argparse
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
TESTS = (
    "tests/contract/test_every_environment.py",
    "tests/contract/test_examples.py",
    "tests/contract/test_extension_robots.py",
    "tests/envs/env/test_vector.py",
    "tests/envs/env/test_parallel.py",
    "tests/envs/env/test_gymnasium_vectors.py",
    "tests/envs/env/test_single.py",
    "tests/envs/env/test_time_limits.py",
    "tests/envs/test_registration.py",
    "tests/envs/demos/test_reader.py",
)
# Tests of PettingZoo's registry (from 1.27 on), of stable-baselines3, and of an argument of numpy.savez (from 2.2 on).
NEWER = (
    "not both_registries and not pettingzoo_makes_it and not registered_task_is_made and not every_view_gives"
    " and not stable_baselines and not continues_from_disk"
)
TOOLS = ("pytest>=8.4", "pytest-timeout>=2.4", "hypothesis>=6.130")


def main() -> int:
    """Run the command line; the exit code is that of pytest."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--learn", action="store_true", help="install teamvla-learn, too")
    arguments.add_argument("--with", dest="pins", nargs="*", default=[], metavar="NAME==VERSION")
    arguments.add_argument("tests", nargs="*", default=[test for test in TESTS if (ROOT / test).exists()])
    options = arguments.parse_args()
    packages = ["envs", "eval", *(["learn"] if options.learn else [])]
    with TemporaryDirectory() as name:
        folder = Path(name)
        for package in packages:
            run("uv", "build", "--quiet", "--wheel", "--package", f"teamvla-{package}", "--out-dir", str(folder))
        run("uv", "venv", "--quiet", "--python", "3.11", str(folder / "venv"))
        python = str(folder / "venv" / "bin" / "python")
        wheels = [*(str(path) for path in sorted(folder.glob("*.whl"))), *requirements(packages)]
        run("uv", "pip", "install", "--quiet", "--python", python, "--resolution", "lowest-direct", *wheels, *TOOLS,
            *options.pins)  # fmt: skip
        run("uv", "pip", "list", "--python", python)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "TEAMVLA_CACHE": str(folder / "cache")}
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", NEWER, *options.tests]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def requirements(packages: list[str]) -> list[str]:
    """Requirements of packages on other projects; named on the command line of uv they count as direct ones."""
    found = set()
    for package in packages:
        text = (ROOT / "packages" / f"teamvla-{package}" / "pyproject.toml").read_text(encoding="utf-8")
        found |= set(tomllib.loads(text)["project"]["dependencies"])
    return sorted(line for line in found if not line.startswith("teamvla-"))


def run(*command: str) -> None:
    """Run a command in the root of the repository; raises if it fails."""
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
