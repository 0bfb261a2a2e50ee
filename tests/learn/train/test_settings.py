from pathlib import Path

import pytest
import yaml
from teamvla_envs.cli import main
from teamvla_envs.errors import UserError
from teamvla_learn.train.config import TrainConfig
from teamvla_learn.train.layers import apply_layer, read_layer
from teamvla_learn.train.schedule import Budget
from teamvla_learn.train.settings import Settings, layered_settings, presets, settings_below, warn_of_network


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
        ("policy: rnn", "policy is 'rnn', allowed are 'vla', 'msg', 'state'"),
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
    with pytest.raises(UserError, match="config is 'lit', which is no file; shipped are common, drawer"):
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
    assert settings_below(arguments, begun=True).train.batch_size == 7
    assert settings_below([*arguments, "--preset", "laptop"], begun=True).train.batch_size == 256
    assert settings_below(arguments).train.batch_size == 256


@pytest.mark.parametrize("option", ["--model.language.size=8", "--fusion=attention", "--chunk-length=2"])
@pytest.mark.parametrize("command", ["train", "dagger"])
def test_a_trained_network_cannot_be_changed(command, option, tmp_path, capsys):
    (tmp_path / "a").mkdir()
    words = f"{command} demos.hdf5 --init-from {tmp_path / 'a'} --out {tmp_path / 'b'} --config drawer {option}"
    assert main(words.split()) == 2
    told = capsys.readouterr().err.strip()
    name = option.strip("-").partition("=")[0].replace("-", "_")
    assert f"{name} is " in told
    assert told.endswith("with init_from the network is that of the checkpoint")
    assert not (tmp_path / "b").exists()


def test_what_a_file_asks_of_a_trained_network_is_said_not_to_count(tmp_path, write, caplog):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train.yaml").write_text(layered_settings(configs=[Path("drawer")]).to_yaml())
    mine = write("model: {vision: {channels: [8, 8, 8, 8]}}\ntrain: {learning_rate: 1e-4}")
    warn_of_network(tmp_path / "run", None, [Path("drawer")])
    assert not caplog.messages
    warn_of_network(tmp_path / "run", "gpu", [Path("handoff"), mine])
    assert caplog.messages == [
        "model.vision.channels of config gpu does not count: init_from has its network",
        "auxiliary of config handoff does not count: init_from has its network",
        f"model.vision.channels of config {mine} does not count: init_from has its network",
    ]
