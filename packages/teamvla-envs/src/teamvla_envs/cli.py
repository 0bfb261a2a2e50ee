"""The ``teamvla`` program: lists the commands of all installed TeamVLA distributions and runs the chosen one.

A command is a plain typed function in the entry-point group ``teamvla.commands``; tyro derives its arguments
from the signature and its help from the docstring. An int that it returns is the exit code. One whose defaults depend
on its arguments, such as on ``--config FILE``, parses them itself: in its attribute ``run_arguments(prog, args)``.
"""

import ast
import difflib
import errno
import importlib.metadata
import importlib.util
import io
import logging
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from teamvla_envs.argument_errors import argument_errors
from teamvla_envs.errors import UserError
from teamvla_envs.files import is_no_space
from teamvla_envs.interrupts import EXIT_INTERRUPTED, handled_interrupts

COMMAND_GROUP = "teamvla.commands"
DISTRIBUTIONS = ("teamvla-envs", "teamvla-learn", "teamvla-eval")

EXIT_FAILED = 1
EXIT_USER_ERROR = 2
LONGEST_MESSAGE = 500  # characters of an internal error

# Packages whose names differ from those of their modules.
PACKAGES = {
    "PIL": "pillow",
    "array_api_compat": "array-api-compat",
    "imageio_ffmpeg": "imageio[ffmpeg]",
    "newton": "newton[sim]",
    "warp": "warp-lang",
    "yaml": "pyyaml",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``teamvla`` with these arguments (default: the command line's) and return the exit code.

    Args:
        argv: Arguments without the program's name. ``--debug`` anywhere shows tracebacks.

    Returns:
        0 for success, 1 for failure or when the output is no longer read, 2 for bad input, 130 when interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    _print_any_character()
    _log_to_stderr(debug)
    with handled_interrupts():
        try:
            try:
                return _dispatch(arguments)
            finally:
                _flush_output()
        except KeyboardInterrupt as interrupt:
            _say(f"interrupted: {interrupt}" if str(interrupt) else "interrupted")
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            _discard_output()
            return EXIT_FAILED
        except Exception as error:
            if debug:
                raise
            return _report(error)


def find_commands() -> dict[str, EntryPoint]:
    """Return every installed command by name, without importing any of them."""
    found = importlib.metadata.entry_points(group=COMMAND_GROUP)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line."""
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.strerror[0].lower()}{error.strerror[1:]}"
        if is_no_space(error) and error.errno != errno.ENOSPC:
            reason = f"no space left ({reason})"
        name = "the output" if error.filename is None and is_no_space(error) else error.filename
        return reason if name is None else f"{reason}: {name}"
    return " ".join(str(error).split()) or type(error).__name__


def missing_package(error: BaseException) -> str | None:
    """Return the package to install for a module that was not found; None when no package is missing."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    module = error.name.partition(".")[0]
    if module in sys.modules or importlib.util.find_spec(module) is not None:
        return None  # the package is installed, but lacks the requested module
    return PACKAGES.get(module, module.replace("_", "-") if module.startswith("teamvla_") else module)


def _report(error: Exception) -> int:
    """Print an error as one line and return the exit code: errors that users can fix differ from internal ones."""
    if isinstance(error, UserError) or (isinstance(error, OSError) and error.errno is not None):
        _say(f"error: {one_line(error)}")
        return EXIT_USER_ERROR
    if package := missing_package(error):
        _say(f"error: {package} is not installed: pip install '{package}'")
        return EXIT_USER_ERROR
    message = textwrap.shorten(one_line(error), LONGEST_MESSAGE, placeholder=" …")
    _say(f"internal error: {type(error).__name__}: {message} (run again with --debug for the traceback)")
    return EXIT_FAILED


def _dispatch(arguments: list[str]) -> int:
    commands = find_commands()
    if not arguments:
        print(_overview(commands))
        return EXIT_USER_ERROR
    name, *rest = arguments
    if name in ("-h", "--help"):
        print(_overview(commands))
        return 0
    if name == "--version":
        print("\n".join(_versions()))
        return 0
    if name not in commands:
        near = difflib.get_close_matches(name, commands, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(f"no command {name!r}{hint}; the commands are {', '.join(commands)}")
    return _run(commands[name], rest)


def _run(command: EntryPoint, arguments: list[str]) -> int:
    import tyro  # here, so that --help and --version need not wait for it

    function: Any = command.load()
    run = getattr(function, "run_arguments", None) or partial(tyro.cli, function)
    run = partial(run, prog=f"teamvla {command.name}")
    with argument_errors(partial(_help_page, run)):
        result = run(args=arguments)
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _help_page(run: Callable[..., Any]) -> str:
    page = io.StringIO()
    with redirect_stdout(page), suppress(SystemExit):
        run(args=["--help"])
    return page.getvalue()


def _overview(commands: dict[str, EntryPoint]) -> str:
    width = max((len(name) for name in commands), default=0)
    lines = [
        "usage: teamvla COMMAND [ARGUMENTS]",
        "",
        "Teams of robot arms that act together on an instruction.",
        "",
    ]
    lines += ["commands:"]
    lines += [f"  {name:<{width}}  {_summary(entry)}".rstrip() for name, entry in commands.items()]
    lines += ["", "options:"]
    lines += ["  -h, --help  show this page, or a command's: teamvla COMMAND --help"]
    lines += ["  --version   show the installed versions", "  --debug     show the traceback of an error"]
    return "\n".join(lines)


def _versions() -> list[str]:
    lines = []
    for name in DISTRIBUTIONS:
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} is not installed")
    return lines


def _summary(command: EntryPoint) -> str:
    """Return the first line of a command's docstring, read from its source without importing it."""
    spec = _module_spec(command.module)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return ""
    try:
        body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
    except SyntaxError:
        return ""
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == command.attr:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def _module_spec(name: str) -> ModuleSpec | None:
    """Locate a module; ``importlib.util.find_spec`` would import its parent packages."""
    spec, path = None, None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        prefix = ".".join(parts[:depth])
        found = (finder.find_spec(prefix, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((candidate for candidate in found if candidate is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec


def _log_to_stderr(debug: bool) -> None:
    logging.basicConfig(handlers=[_CurrentStderr()], format="%(message)s", level=logging.WARNING)
    for distribution in DISTRIBUTIONS:
        logging.getLogger(distribution.replace("-", "_")).setLevel(logging.DEBUG if debug else logging.INFO)


class _CurrentStderr(logging.Handler):
    """Writes to the current ``sys.stderr``, so that a progress bar can stay below the lines.

    From other packages it passes only warnings and errors.
    """

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or record.name.startswith("teamvla_"):
            _say(self.format(record))


def _print_any_character() -> None:
    """Print characters that the terminal's encoding lacks as escapes instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _flush_output() -> None:
    """Flush the output now, while an error can still be reported."""
    if sys.stdout is not None and not sys.stdout.closed:
        try:
            sys.stdout.flush()
        except OSError:
            _discard_output()
            raise


def _discard_output() -> None:
    """Redirect unwritable output to the null device, so that the final flush of the interpreter succeeds."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
            continue
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _say(line: str) -> None:
    with suppress(OSError):  # the reader is gone, or its disk is full
        print(line, file=sys.stderr, flush=True)
