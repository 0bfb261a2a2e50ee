"""The import graph of the packages: no cycle, and no import from a lower to a higher layer."""

import ast
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[2] / "packages"
# From the bottom up. A module may import modules of its own layer and of lower ones; the longest prefix decides.
LAYERS = (
    (
        "teamvla_envs.argument_errors teamvla_envs.arguments teamvla_envs.arrays teamvla_envs.console "
        "teamvla_envs.cores teamvla_envs.entry_points teamvla_envs.errors teamvla_envs.files teamvla_envs.forks "
        "teamvla_envs.geometry teamvla_envs.interrupts teamvla_envs.outside teamvla_envs.ports teamvla_envs.provenance "
        "teamvla_envs.randomization teamvla_envs.seeds teamvla_envs.web_address teamvla_envs.world"
    ),
    "teamvla_envs.scene",
    "teamvla_envs.kinematics",
    "teamvla_envs.control",
    "teamvla_envs.tasks",
    "teamvla_envs.registration",
    "teamvla_envs.sim",
    "teamvla_envs.env",
    "teamvla_envs.cluster teamvla_envs.policies teamvla_envs.rollout teamvla_envs.scripted_policies",
    "teamvla_envs.demos",
    "teamvla_envs.view teamvla_envs.warmup",
    "teamvla_envs.cli",
    "teamvla_envs teamvla_start",
    "teamvla_learn.config_io",
    "teamvla_learn.encoders",
    "teamvla_learn.data",
    "teamvla_learn.policies",
    "teamvla_learn.baselines",
    "teamvla_learn.train",
    "teamvla_learn.dagger",
    "teamvla_learn",
    "teamvla_eval.metrics",
    "teamvla_eval.results",
    "teamvla_eval.rollout",
    "teamvla_eval.report",
    "teamvla_eval.commands",
    "teamvla_eval.demo",
    "teamvla_eval",
)


def modules() -> dict[str, Path]:
    """Every module of the three packages by its dotted name."""
    found = {}
    for source in PACKAGES.glob("*/src"):
        for path in source.rglob("*.py"):
            parts = path.relative_to(source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the packages that a file imports, inside functions too, but not for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {name if (name := f"{node.module}.{alias.name}") in known else node.module for alias in node.names}
    return found & known.keys()


def graph() -> dict[str, set[str]]:
    """Module to the modules that it imports."""
    known = modules()
    return {name: imports(path, known) - {name} for name, path in known.items()}


def reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    """Modules that importing ``start`` can lead to."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def layer(module: str) -> int:
    """Index into ``LAYERS``."""
    found = [
        (len(prefix), index)
        for index, names in enumerate(LAYERS)
        for prefix in names.split()
        if module == prefix or module.startswith(f"{prefix}.")
    ]
    assert found, f"{module} has no layer: add it to LAYERS"
    return max(found)[1]


def test_no_module_leads_back_to_itself():
    edges = graph()
    assert [name for name in edges if name in reachable(name, edges)] == []


def test_no_module_imports_one_of_a_higher_layer():
    upward = [(name, other) for name, others in graph().items() for other in others if layer(other) > layer(name)]
    assert sorted(upward) == []


@pytest.mark.parametrize(("lower", "higher"), [("teamvla_envs", "teamvla_learn"), ("teamvla_envs", "teamvla_eval")])
def test_the_environments_know_neither_learner_nor_evaluation(lower: str, higher: str):
    assert [
        (name, o) for name, others in graph().items() for o in others if name.startswith(lower) and o.startswith(higher)
    ] == []


def test_the_learner_and_the_evaluation_meet_only_in_quickstart_and_demo():
    meeting = {
        name
        for name, others in graph().items()
        for other in others
        if {name.split(".")[0], other.split(".")[0]} == {"teamvla_learn", "teamvla_eval"}
    }
    assert {
        name for name in meeting if not name.startswith(("teamvla_eval.commands.quickstart", "teamvla_eval.demo"))
    } == set()
