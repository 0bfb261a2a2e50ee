"""The table of slow tests, from the test files."""

import ast
from pathlib import Path

from markdown import table

TESTS = Path(__file__).parents[2] / "tests"


def test_sections() -> dict[str, str]:
    """Section name to Markdown."""
    rows = [row for path in sorted(TESTS.rglob("test_*.py")) for row in _slow_tests(path)]
    return {"slow": table(("file", "test"), rows)}


def _slow_tests(path: Path) -> list[tuple[str, str]]:
    module = ast.parse(path.read_text(encoding="utf-8"))
    name = f"`{path.relative_to(TESTS.parent)}`"
    whole = any(isinstance(node, ast.Assign) and _is_slow(node) for node in module.body)
    return [
        (name, node.name.removeprefix("test_").replace("_", " "))
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if whole or any(_is_slow(decorator) for decorator in node.decorator_list)
    ]


def _is_slow(node: ast.AST) -> bool:
    return "pytest.mark.slow" in ast.unparse(node)
