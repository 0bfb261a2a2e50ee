"""Each package exports its public names, and imports the modules that hold them when they are used."""

import inspect
from importlib import import_module

import pytest

PACKAGES = ("teamvla_envs", "teamvla_learn", "teamvla_eval")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_documented(package: str):
    module = import_module(package)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert inspect.getdoc(getattr(module, name)), name


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package: str):
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'nothing'"):
        getattr(import_module(package), "nothing")  # noqa: B009  a plain access would not pass the type checkers
