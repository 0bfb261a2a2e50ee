"""Imports of the distributions: dependencies point one way, and heavy libraries are imported on demand."""

from collections.abc import Callable

HEAVY = ("newton", "warp", "torch", "h5py", "mujoco")


def loaded_after(run_python: Callable[..., str], statement: str, names: tuple[str, ...]) -> list[str]:
    """Those of the named modules that a statement loads in a new interpreter."""
    program = f"import sys\n{statement}\nprint(*[name for name in {names!r} if name in sys.modules])"
    return run_python(program).split()


def test_importing_the_environments_loads_nothing_heavy(run_python: Callable[..., str]):
    assert loaded_after(run_python, "import teamvla_envs", (*HEAVY, "teamvla_learn", "teamvla_eval")) == []


def test_importing_the_learner_loads_no_simulator(run_python: Callable[..., str]):
    assert loaded_after(run_python, "import teamvla_learn", ("newton", "warp", "mujoco", "teamvla_eval")) == []


EVERY_MODULE = """
import importlib, pkgutil, {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def test_no_module_of_the_learner_loads_a_simulator_or_the_evaluation(run_python: Callable[..., str]):
    statement = EVERY_MODULE.format(package="teamvla_learn")
    assert loaded_after(run_python, statement, ("newton", "warp", "mujoco", "teamvla_eval")) == []


def test_no_module_of_the_environments_loads_learner_evaluation_or_newton(run_python: Callable[..., str]):
    statement = EVERY_MODULE.format(package="teamvla_envs")
    assert loaded_after(run_python, statement, ("newton", "warp", "torch", "teamvla_learn", "teamvla_eval")) == []


def test_importing_all_distributions_takes_less_than_a_second(run_python: Callable[..., str]):
    program = (
        "import time, gymnasium, pettingzoo\n"
        "start = time.process_time()\n"
        "import teamvla_envs, teamvla_learn, teamvla_eval\n"
        "print(time.process_time() - start)"
    )
    assert float(run_python(program)) < 1.0
