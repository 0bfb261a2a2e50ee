"""Documentation pages: their Python snippets compile and import existing names."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in (ROOT / "README.md", *(ROOT / "packages").glob("*/README.md"), *(ROOT / "docs").rglob("*.md"))
    if not {"_build", "_generated"} & set(page.parts)
)
OURS = ("teamvla_envs", "teamvla_learn", "teamvla_eval")


def snippets() -> Iterator[tuple[str, str]]:
    """Name and source of every Python snippet."""
    for page in PAGES:
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        for number, block in enumerate(blocks, 1):
            yield f"{page.relative_to(ROOT)}:{number}", block


SNIPPETS = dict(snippets())


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_compiles_and_its_imports_exist(name: str):
    tree = ast.parse(SNIPPETS[name], filename=name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in OURS:
                    importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"


def test_the_attributes_of_the_package_that_snippets_use_exist():
    package = importlib.import_module("teamvla_envs")
    used = {
        match for source in SNIPPETS.values() for match in re.findall(r"(?<![\w.])teamvla_envs\.([a-z_]+)\(", source)
    }
    assert used
    assert [name for name in sorted(used) if not hasattr(package, name)] == []
