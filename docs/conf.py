"""Sphinx configuration. Build with ``uv run sphinx-build -W --keep-going -b html docs docs/_build/html``."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from teamvla_envs.registration import registered_tasks

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "TeamVLA"
author = "The TeamVLA developers"
copyright = "2026, the TeamVLA developers"
release = version = installed_version("teamvla-envs")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generate"]
exclude_patterns = ["_build", "_generated", "_ext", "results_tables.md"]
pages = Path(__file__).parent / "environments"
exclude_patterns += [f"environments/{page.name}" for page in pages.glob("*.md") if page.stem not in registered_tasks()]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False

html_theme = "furo"
html_title = "TeamVLA"
html_static_path = ["_static"]
html_css_files = ["pixels.css"]
html_show_sourcelink = False
