from pathlib import Path

import pytest
import yaml
from teamvla_envs.cli import main
from teamvla_envs.errors import UserError
from teamvla_learn.config_io import apply_layer, read_layer
from teamvla_learn.train.config import Budget, TrainConfig
from teamvla_learn.train.settings import Settings, layered_settings, presets, settings_below


@pytest.fixture
def write(tmp_path):
    """Writes a YAML file and returns its path."""

    def make(text: str, name: str = "mine.yaml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return make


def test_the_shipped_base_layers_are_the_defaults_of_the_dataclasses():
    assert layered_settings() == Settings()


@pytest.mark.parametrize("name", presets())
def test_every_preset_makes_settings(name):
    assert layered_settings(name) != Settings()


@pytest.mark.parametrize("name", ["lift", "handoff", "drawer", "multitask"])
def test_every_task_has_a_file(name):
    assert layered_settings(configs=[Path(name)]).train.budget.steps


def test_later_layers_win(write):
    settings = layered_settings("tiny", [write("train: {batch_size: 8}"), write("train: {batch_size: 9}", "b.yaml")])
    assert settings.train.batch_size == 9
    assert settings.train.budget == Budget(steps=100)


def test_the_length_is_replaced_as_a_whole(write):
    assert layered_settings("tiny", [write("train: {budget: {minutes: 3}}")]).train.budget == Budget(minutes=3.0)
    assert settings_below(["--preset", "laptop", "--steps", "7"]).train.budget.minutes is None


def test_a_state_policy_trains_for_a_minute_unless_told_otherwise(write):
    assert layered_settings(policy="state").train.budget == Budget(minutes=1.0)
    assert layered_settings(configs=[write("policy: state")]).train.budget == Budget(minutes=1.0)


def test_settings_survive_yaml(write):
    settings = Settings(auxiliary=("goal_pos",), train=TrainConfig(Budget(steps=3), learning_rate=3e-4))
    assert layered_settings(configs=[write(settings.to_yaml())]) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {learning_rat: 3}", "train has the unknown name 'learning_rat': did you mean learning_rate?"),
        ("colour: 3", "has the unknown name 'colour': allowed are policy, chunk_length"),
        ("polcy: vla", "unknown name 'polcy': did you mean policy?"),
        ("train: {budget: {epochs: 3}}", "train.budget has the unknown name 'epochs': did you mean steps?"),
        ("policy: rnn", "policy is 'rnn', allowed are msg, state, vla"),
        ("train: {batch_size: many}", "train.batch_size is 'many', expected int"),
        ("train: {learning_rate: fast}", "train.learning_rate is 'fast', expected a number"),
        ("train: {paraphrase: 1}", "train.paraphrase is 1, expected bool"),
        ("train: 3", "train is 3, expected names and values"),
        ("auxiliary: goal_pos", "auxiliary is 'goal_pos', expected a list"),
        ("train: {batch_size: 0}", "batch_size is 0, expected at least 1"),
        ("[1, 2]", "is a list, expected names and values"),
        ("train: {", "is not YAML"),
        ("!!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(write, text, message):
    with pytest.raises(UserError) as error:
        layered_settings(configs=[write(text)])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: No such file"):
        layered_settings(configs=[tmp_path / "none.yaml"])
    with pytest.raises(UserError, match="config is 'lit', which is not a file; shipped are common, drawer"):
        layered_settings(configs=[Path("lit")])
    with pytest.raises(UserError, match="preset is 'huge', allowed are gpu, laptop, tiny"):
        layered_settings("huge")


def test_numbers_without_a_point_are_numbers(write):
    layer = read_layer(write("train: {learning_rate: 1e-3, weight_decay: 0}"))
    train = apply_layer(Settings(), layer, "here").train
    assert (train.learning_rate, train.weight_decay) == (1e-3, 0.0)


def test_shipped_files_are_plain_yaml():
    folder = Path(str(__import__("teamvla_learn").__path__[0])) / "configs"
    assert len([yaml.safe_load(path.read_text()) for path in folder.rglob("*.yaml")]) == 9


def test_what_goes_on_from_a_run_has_its_settings_unless_others_are_named(tmp_path, write):
    write("train: {batch_size: 7}", "train.yaml")
    arguments = ["--init-from", str(tmp_path)]
    assert settings_below(arguments, own_settings=True).train.batch_size == 7
    assert settings_below([*arguments, "--preset", "laptop"], own_settings=True).train.batch_size == 256
    assert settings_below(arguments).train.batch_size == 256


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--instruction-for arm_0", "model.messages.instruction_for is arm_0, which is for policy msg; policy is vla"),
        ("--rounds 0 --policy state", "model.messages.rounds is 0, which is for policy msg; policy is state"),
        ("--fusion attention --policy msg", "model.fusion is attention, which is for policy vla; policy is msg"),
        ("--vision vit --policy state", "model.vision.encoder is vit, which is for policy msg or vla; policy is state"),
        ("--ensembling 0.1", "ensembling is 0.1, but chunk_length is 1, expected at least 2"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(tmp_path, capsys, options, message):
    assert main(f"train demos.hdf5 --out {tmp_path / 'a'} --preset tiny {options}".split()) == 2
    assert capsys.readouterr().err.strip() == f"error: {message}"
