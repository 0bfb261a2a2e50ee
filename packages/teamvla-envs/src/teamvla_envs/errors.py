"""The error that a user can mend: the command line prints it as one line, without a traceback."""


class UserError(ValueError):
    """Raised for bad input; the message names the argument, what was given and what is allowed."""
