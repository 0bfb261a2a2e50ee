"""Error that a user can fix: the command line prints it as one line, without a traceback."""


class UserError(ValueError):
    """Raised for bad input; the message names the argument, the given value and the allowed ones."""
