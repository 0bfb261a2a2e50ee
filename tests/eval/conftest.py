from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_history_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps runs of the tests out of the user's history."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEAMVLA_HISTORY", str(tmp_path_factory.mktemp("history") / "history.jsonl"))
        yield


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history of its own for a test; nothing is in it."""
    path = tmp_path / "history.jsonl"
    monkeypatch.setenv("TEAMVLA_HISTORY", str(path))
    return path
