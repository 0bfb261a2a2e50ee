"""Sphinx extension: writes ``_generated`` from the code before the sources are read."""

from pathlib import Path
from typing import Any

from command_page import command_sections
from environment_page import environment_sections
from randomization_page import randomization_table
from schema_page import schema_sections
from settings_page import settings_sections
from slow_tests import test_sections
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging
from teamvla_envs.registration import registered_tasks

logger = logging.getLogger(__name__)
FOLDER = "_generated"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", _generate)
    return {"version": "1", "parallel_read_safe": True}


def _generate(app: Sphinx) -> None:
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    documented = [name for name in registered_tasks() if (Path(app.srcdir) / "environments" / f"{name}.md").exists()]
    for name in sorted(set(registered_tasks()) - set(documented)):
        logger.warning("task %s has no page docs/environments/%s.md", name, name)
    try:
        pages = {name: environment_sections(name) for name in documented}
        pages |= {"demos": schema_sections(), "command": command_sections(), "tests": test_sections()}
        pages["settings"] = settings_sections()
    except (ValueError, KeyError) as error:
        raise ExtensionError(f"the tables cannot be generated: {error}") from error
    wanted = {f"{page}_{section}.md": text for page, sections in pages.items() for section, text in sections.items()}
    wanted["randomization.md"] = randomization_table()
    for path in folder.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
