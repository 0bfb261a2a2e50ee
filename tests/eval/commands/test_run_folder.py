import json

import pytest
from teamvla_envs.errors import UserError
from teamvla_eval.commands.run_folder import STATE_FILE, open_run_folder

SETTINGS = {"task": "lift", "demos": 100}
PRODUCTS = ("demos.hdf5", "policy")


def test_a_run_goes_on_after_the_stages_that_are_finished(tmp_path):
    folder = open_run_folder(tmp_path / "run", SETTINGS, PRODUCTS)
    folder.finish("collect", 12.34)
    again = open_run_folder(tmp_path / "run", SETTINGS, PRODUCTS)
    assert again.stages == {"collect": 12.3}


def test_other_settings_are_refused_by_name(tmp_path):
    open_run_folder(tmp_path, SETTINGS, PRODUCTS)
    with pytest.raises(UserError, match=r"made with demos = 100, asked for 50; pass --overwrite"):
        open_run_folder(tmp_path, SETTINGS | {"demos": 50}, PRODUCTS)


def test_overwrite_removes_what_a_run_made_and_nothing_else(tmp_path):
    open_run_folder(tmp_path, SETTINGS, PRODUCTS).finish("collect", 1.0)
    (tmp_path / "demos.hdf5").write_text("old")
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "config.json").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    folder = open_run_folder(tmp_path, SETTINGS | {"demos": 50}, PRODUCTS, overwrite=True)
    assert folder.stages == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", STATE_FILE]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path, overwrite):
    (tmp_path / "policy").mkdir()
    with pytest.raises(UserError, match="has other content"):
        open_run_folder(tmp_path, SETTINGS, PRODUCTS, overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"schema_version": 9, "settings": {}, "stages": {}})])
def test_a_damaged_state_is_one_clear_error(tmp_path, text):
    (tmp_path / STATE_FILE).write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        open_run_folder(tmp_path, SETTINGS, PRODUCTS)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        open_run_folder(tmp_path / "file", SETTINGS, PRODUCTS)
