import errno
import fcntl
from pathlib import Path

import pytest
from teamvla_envs.demos.collect import collect
from teamvla_envs.demos.settings import CollectConfig, CollectionSettings
from teamvla_envs.demos.unpacked import PartsFolder
from teamvla_envs.errors import UserError

from tests.envs.full_disk import largest_file

pytestmark = pytest.mark.usefixtures("toy_env")
SETTINGS = CollectionSettings("lift", cameras=("front",), image_size=16)


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collection that was killed after its file got its name and before the working folder was removed."""
    out = tmp_path / "lift.hdf5"

    def kill(self: PartsFolder) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(PartsFolder, "remove", kill)
        with pytest.raises(SystemExit):
            collect(CollectConfig(SETTINGS, episodes=4, out=out))
    assert len(list((tmp_path / "lift.hdf5.parts").iterdir())) == 6  # four episodes, a failure and the settings
    return out


@pytest.mark.parametrize("removed", ["nothing", "episodes", "everything"])
def test_a_collection_killed_while_it_cleaned_up_is_finished_by_the_same_command(
    killed: Path, capsys: pytest.CaptureFixture[str], toy_env, removed: str
):
    parts, before, made = killed.with_name("lift.hdf5.parts"), killed.read_bytes(), toy_env.instances
    for path in parts.iterdir():
        if removed == "everything" or (removed == "episodes" and path.suffix == ".hdf5"):
            path.unlink()
    collect(CollectConfig(SETTINGS, episodes=4, out=killed))
    assert "4 demonstrations of lift in" in capsys.readouterr().out
    assert killed.read_bytes() == before
    assert not parts.exists()
    assert toy_env.instances == made


@pytest.mark.parametrize(
    ("episodes", "settings"),
    [(5, SETTINGS), (4, CollectionSettings("lift", cameras=("front",), image_size=16, offset=1))],
)
def test_a_file_of_another_collection_is_not_taken_for_its_result(killed: Path, episodes, settings):
    before = killed.read_bytes()
    with pytest.raises(UserError, match="--overwrite"):
        collect(CollectConfig(settings, episodes=episodes, out=killed))
    assert killed.read_bytes() == before


def test_a_damaged_file_is_not_taken_for_its_result(killed: Path):
    content = bytearray(killed.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    killed.write_bytes(content)
    with pytest.raises(UserError, match="exists; pass --overwrite"):
        collect(CollectConfig(SETTINGS, episodes=4, out=killed))


def test_foreign_files_stay_in_the_working_folder_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    out, parts = tmp_path / "lift.hdf5", tmp_path / "lift.hdf5.parts"
    parts.mkdir()
    names = {".DS_Store", ".nfs0001", "seed_x.hdf5", "seed_00000001 (copy).hdf5", "notes.txt"}
    for name in names:
        (parts / name).write_text("mine")
    (parts / ".seed_00000000.partial.hdf5").write_text("what a killed process left")
    collect(CollectConfig(SETTINGS, episodes=2, out=out))
    assert out.exists()
    assert {path.name for path in parts.iterdir()} == names
    assert f"{parts} stays, it holds .DS_Store: directory not empty" in caplog.text


def test_a_file_system_without_locks_is_a_warning(tmp_path: Path, monkeypatch, caplog: pytest.LogCaptureFixture):
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    collect(CollectConfig(SETTINGS, episodes=2, out=tmp_path / "lift.hdf5"))
    assert "cannot be locked" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["lift.hdf5"]


def test_an_out_that_links_to_a_file_elsewhere_stays_a_link(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    link, there = tmp_path / "lift.hdf5", tmp_path / "elsewhere" / "demos.hdf5"
    link.symlink_to(there)
    collect(CollectConfig(SETTINGS, episodes=2, out=link))
    assert link.is_symlink()
    assert [path.name for path in there.parent.iterdir()] == ["demos.hdf5"]


@pytest.mark.parametrize("share", [0.1, 0.8])  # no episode fits; or all of them, but not their file
def test_a_collection_on_a_full_disk_names_the_file_and_resumes(tmp_path: Path, share: float):
    whole, out, parts = tmp_path / "whole.hdf5", tmp_path / "lift.hdf5", tmp_path / "lift.hdf5.parts"
    collect(CollectConfig(SETTINGS, episodes=3, out=whole))
    with largest_file(int(share * whole.stat().st_size)), pytest.raises(OSError, match="File too large") as caught:
        collect(CollectConfig(SETTINGS, episodes=3, out=out))
    assert str(caught.value.filename).startswith(str(out if share > 0.5 else parts))
    assert not out.exists()
    assert len(list(parts.glob("seed_*.hdf5"))) == (3 if share > 0.5 else 0)
    collect(CollectConfig(SETTINGS, episodes=3, out=out))
    assert out.read_bytes() == whole.read_bytes()
