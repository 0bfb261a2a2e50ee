"""Commands of the ``teamvla`` program."""
