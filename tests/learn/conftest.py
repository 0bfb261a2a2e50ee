"""Shared fixtures of the tests of learning: small demonstrations and a single thread."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.learn.episodes import write_demos


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tests run next to others: threads that wait for each other would only slow all of them down."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_demos(tmp_path: Path) -> Callable[..., Path]:
    """Writes a demonstration file; see :func:`write_demos`."""
    return lambda episodes=6, **options: write_demos(tmp_path / "demos.hdf5", episodes, **options)


@pytest.fixture
def demos(make_demos: Callable[..., Path]) -> Path:
    """A demonstration file of six episodes: five to train on, one to validate on."""
    return make_demos()
