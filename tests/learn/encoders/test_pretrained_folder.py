"""A model's folder from outside runs no code, on no path that loads a checkpoint."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from teamvla_envs.errors import UserError
from teamvla_envs.policies import make_policy
from teamvla_learn.encoders import pretrained
from teamvla_learn.encoders.pretrained_folder import check_folder
from teamvla_learn.encoders.vision import VisionConfig
from teamvla_learn.policies.checkpoint import load_checkpoint
from teamvla_learn.policies_command import policies

from tests.learn.policies.teams import make_team, save_team
from tests.learn.train.jobs import train

CODE = "from pathlib import Path\nPath(__file__).with_name('this_code_ran').touch()\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8
    )
    transformers.ViTModel(config).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def edit(folder: Path, **entries: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def with_code(folder: Path) -> None:
    (folder / "code.py").write_text(CODE)
    edit(folder, auto_map={"AutoConfig": "code.Config", "AutoModel": "code.Model"})


def with_nested_code(folder: Path) -> None:
    (folder / "code.py").write_text(CODE)
    edit(folder, model_type="clip", vision_config={"auto_map": {"AutoModel": "code.Model"}})


def with_pickled_index(folder: Path) -> None:
    index = {"weight_map": {"embeddings.cls_token": "../weights.bin"}}
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "code": (with_code, "has auto_map: external code and models are never loaded"),
    "nested code": (with_nested_code, "has auto_map"),
    "pickle": (lambda folder: (folder / "pytorch_model.bin").touch(), "has pytorch_model.bin, expected weights in"),
    "other pickle": (lambda folder: (folder / "weights.pt").touch(), "has weights.pt, expected weights in"),
    "pickle by index": (with_pickled_index, "names weights that are no safetensors files of the folder"),
    "another model": (lambda folder: (folder / "adapter_config.json").write_text("{}"), "has adapter_config.json"),
    "another library": (lambda folder: edit(folder, quantization_config={"quant_method": "x"}), "quantization_config"),
    "deep JSON": (lambda folder: (folder / "config.json").write_text("[" * 9000 + "]" * 9000), "nested deeper"),
    "unknown model": (lambda folder: edit(folder, model_type="x\n\x1b[2J" * 9), "whose model cannot be read"),
    "no size": (lambda folder: edit(folder, hidden_size="large"), "pretrained:"),
    "huge images": (lambda folder: edit(folder, image_size=10**9), "image_size is 1000000000, expected 1 to 4096"),
    "no model": (lambda folder: (folder / "config.json").unlink(), "holds no model"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_folder_is_refused_in_one_line(model: Path, kind: str):
    change, message = HOSTILE[kind]
    change(model)
    with pytest.raises(UserError, match=message) as error:
        pretrained.PretrainedPoints(str(model), 5)
    assert str(error.value).isprintable()
    assert not (model / "this_code_ran").exists()


def test_an_honest_folder_is_accepted(model: Path):
    check_folder(model)


def test_code_is_refused_wherever_a_checkpoint_is_loaded(model: Path, demos: Path, tmp_path: Path):
    folder = save_team(make_team(vision=VisionConfig(f"pretrained:{model}")), tmp_path / "team")
    with_code(model)
    pretrained._model.cache_clear()
    loads: list[Callable[[], object]] = [
        lambda: load_checkpoint(folder),
        lambda: make_policy(str(folder)),
        lambda: policies("info", str(folder)),
        lambda: policies("export", str(folder), tmp_path / "copy"),
        lambda: train(demos, tmp_path / "x", steps=1, policy="msg", init_from=folder),
    ]
    for load in loads:
        with pytest.raises(UserError, match="external code and models are never loaded"):
            load()
    assert not (model / "this_code_ran").exists()


@pytest.mark.parametrize("command", ["bench --tasks lift --episodes 1 --trust --policy", "policies info"])
def test_the_command_line_refuses_code_in_one_line_and_asks_nothing(model: Path, tmp_path: Path, command: str):
    folder = save_team(make_team(vision=VisionConfig(f"pretrained:{model}")), tmp_path / "team")
    with_code(model)
    main = "import sys; from teamvla_envs.cli import main; sys.exit(main(sys.argv[1:]))"
    program = [sys.executable, "-c", main, *command.split(), str(folder)]
    done = subprocess.run(program, input="y\n", capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "external code and models are never loaded" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (model / "this_code_ran").exists()
