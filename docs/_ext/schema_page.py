"""The tables of the demonstration file, from the schema by which files are written and checked."""

from collections.abc import Sequence

from markdown import table
from teamvla_envs.demos import schema


def schema_sections() -> dict[str, str]:
    """Section name to Markdown."""
    return {
        "arrays": _arrays(),
        "demo_attributes": _attributes(schema.DEMO_ATTRIBUTES),
        "file_attributes": _attributes(schema.FILE_ATTRIBUTES),
    }


def _arrays() -> str:
    rows = []
    for field in schema.ARRAYS:
        shape = ", ".join(str(axis) for axis in field.shape)
        kinds = " or ".join(field.dtypes) if len(field.dtypes) < 3 else "as the environment has it"
        meaning = field.meaning if field.required else f"{field.meaning} (optional)"
        rows.append((f"`{field.path}`", f"({shape}{',' if len(field.shape) == 1 else ''})", kinds, meaning))
    return table(("dataset", "shape", "type", "meaning"), rows)


def _attributes(fields: Sequence[schema.AttributeField]) -> str:
    return table(
        ("attribute", "type", "meaning"), [(f"`{field.name}`", field.type.__name__, field.meaning) for field in fields]
    )
