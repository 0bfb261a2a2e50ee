"""Conventions of docstrings in the packages: titles that state what a thing is, and shapes of arrays."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = Path(__file__).parents[2] / "packages"
Function = ast.FunctionDef | ast.AsyncFunctionDef
# "Worlds that have ended", not "Which worlds have ended"; "Number of steps", not "How many steps".
HEADLESS = re.compile(r"(What|Who|Whom|Whose|Where|Wherever|When|Which|Why|How|Of)\b")
ARRAY = re.compile(r"\b(ndarray|NDArray|Tensor|Array|Arrays)\b")  # in an annotation
# "(N,)", "(N, A, 3)", "(…, 3)", "``(episodes,)``", or the words "shape", "scalar" and "first axis".
SHAPE = re.compile(
    r"\((?:[A-Z0-9…n][A-Za-z0-9_*·+ -]{0,12}|\.\.\.),|``\(\w+,|\b(?:shapes?|scalars?|first axis)\b", re.I
)


@dataclass(frozen=True)
class Entry:
    """A module, class or function of the packages.

    Attributes:
        path: File.
        name: Dotted name inside the module; the module's own name for a module.
        node: Definition.
        bases: Names of the base classes of the class that a method belongs to.
    """

    path: Path
    name: str
    node: ast.Module | ast.ClassDef | Function
    bases: tuple[str, ...] = ()

    @property
    def docstring(self) -> str:
        """Docstring, empty without one."""
        return ast.get_docstring(self.node) or ""

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGES)}:{getattr(self.node, 'lineno', 1)} {self.name}"


def entries() -> Iterator[Entry]:
    """All modules, classes and functions of the packages."""
    for path in sorted(PACKAGES.glob("*/src/**/*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield Entry(path, path.stem, tree)
        yield from _inside(path, tree, "", ())


def _inside(path: Path, node: ast.AST, prefix: str, bases: tuple[str, ...]) -> Iterator[Entry]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield Entry(path, f"{prefix}{child.name}", child)
            names = tuple(re.findall(r"\w+", " ".join(map(ast.unparse, child.bases))))
            yield from _inside(path, child, f"{prefix}{child.name}.", names)
        elif isinstance(child, Function):
            yield Entry(path, f"{prefix}{child.name}", child, bases)
            yield from _inside(path, child, f"{prefix}{child.name}.<locals>.", ())


def takes_arrays(function: Function) -> bool:
    """Whether an argument or the result is annotated as an array, alone or in a container."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = [argument.annotation for argument in arguments] + [function.returns]
    return any(ARRAY.search(ast.unparse(annotation)) for annotation in annotations if annotation)


def without_shapes() -> list[Entry]:
    """Public functions with arrays in their signature whose docstring states no shape.

    A method may leave the shapes to the docstring of the method that it overrides.
    """
    functions = [(entry, entry.node) for entry in entries() if isinstance(entry.node, Function)]
    ancestors: dict[str, set[str]] = {}
    for entry, _ in functions:
        ancestors.setdefault(entry.name.rpartition(".")[0].rpartition(".")[2], set()).update(entry.bases)
    stated = {tuple(entry.name.split(".")[-2:]) for entry, _ in functions if SHAPE.search(entry.docstring)}

    def inherits(owner: str, method: str) -> bool:
        return any((base, method) in stated or inherits(base, method) for base in ancestors.get(owner, ()))

    found = []
    for entry, node in functions:
        *owners, method = entry.name.split(".")
        if any(part.startswith(("_", "<")) for part in (*owners, method)) or not takes_arrays(node):
            continue
        if not SHAPE.search(entry.docstring) and not (owners and inherits(owners[-1], method)):
            found.append(entry)
    return found


def test_no_title_is_a_headless_clause():
    bad = [f"{entry}: {entry.docstring.splitlines()[0]}" for entry in entries() if HEADLESS.match(entry.docstring)]
    assert not bad, f"{len(bad)} titles are headless clauses:\n" + "\n".join(bad)


def test_public_functions_of_arrays_state_a_shape():
    bad = without_shapes()
    counts = dict(Counter(entry.path.relative_to(PACKAGES).parts[0] for entry in bad))
    assert not bad, f"functions without a shape, by package: {counts}\n" + "\n".join(map(str, bad))
