"""The table of the randomization page: what each attribute varies, and its value at every level."""

import inspect
from dataclasses import fields

from docstring_parser import DocstringStyle, parse
from markdown import prose, table
from teamvla_envs.randomization import LEVELS, Randomization


def randomization_table() -> str:
    """One row per attribute of ``Randomization``."""
    parsed = parse(inspect.getdoc(Randomization) or "", style=DocstringStyle.GOOGLE)
    meanings = {param.arg_name: " ".join((param.description or "").split()) for param in parsed.params}
    rows = []
    for name in (field.name for field in fields(Randomization)):
        rows.append((f"`{name}`", prose(meanings[name]), *(f"{getattr(level, name):g}" for level in LEVELS.values())))
    return table(("attribute", "what varies", *(f"`{name}`" for name in LEVELS)), rows)
