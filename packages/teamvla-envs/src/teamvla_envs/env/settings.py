"""Checks of how an environment is shown and reset."""

from typing import Any

from gymnasium.vector import AutoresetMode

from teamvla_envs.arguments import check_choice
from teamvla_envs.errors import UserError
from teamvla_envs.outside import shown

RENDER_MODES = (None, "rgb_array")


def check_render_mode(render_mode: Any) -> None:
    """Refuse unknown render modes; there is a command for a window on the screen."""
    if isinstance(render_mode, str) and render_mode == "human":
        raise UserError(
            "render_mode: got 'human', allowed are None, 'rgb_array'; `teamvla view` shows an environment live"
        )
    check_choice("render_mode", render_mode, RENDER_MODES)


def check_autoreset_mode(mode: Any) -> AutoresetMode:
    """One of gymnasium's autoreset modes, by member or value."""
    if not isinstance(mode, (str, AutoresetMode)) or mode not in [*AutoresetMode, *(m.value for m in AutoresetMode)]:
        raise UserError(
            f"autoreset_mode: got {shown(mode)}, allowed are {', '.join(repr(m.value) for m in AutoresetMode)}"
        )
    return AutoresetMode(mode)
