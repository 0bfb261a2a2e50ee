"""Warnings of MuJoCo and Warp as log messages, instead of output on the console and in a file."""

import logging
from typing import Any

_mujoco = logging.getLogger("teamvla_envs.mujoco")
_warp = logging.getLogger("teamvla_envs.warp")


def route_mujoco_warnings() -> None:
    """Log MuJoCo's warnings instead of writing ``MUJOCO_LOG.TXT`` into the working directory.

    A handler that is installed already stays.
    """
    import mujoco

    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(_log_mujoco_warning)


def _log_mujoco_warning(message: str) -> None:
    _mujoco.warning("MuJoCo: %s", message.strip())


class WarpLogger:
    """Logger for :func:`warp.set_logger`."""

    def debug(self, message: str) -> None:
        """Log details."""
        _warp.debug("%s", message)

    def info(self, message: str) -> None:
        """Log a message about the work of Warp."""
        _warp.info("%s", message)

    def warning(self, message: str, category: Any = None, stacklevel: int = 1) -> None:
        """Log a warning; deprecation warnings are details."""
        is_deprecation = category is not None and issubclass(category, DeprecationWarning)
        _warp.log(logging.DEBUG if is_deprecation else logging.WARNING, "Warp: %s", message)

    def error(self, message: str) -> None:
        """Log an error."""
        _warp.error("Warp: %s", message)
