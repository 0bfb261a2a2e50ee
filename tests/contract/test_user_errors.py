import pytest
from teamvla_envs.cli import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("collect nope", "'nope'"),
        ("collect lift --num-arms 9", "num_arms"),
        ("collect lift --cameras back", "'back'"),
        ("warmup lift --robot robby", "'robby'"),
        ("view lift --looks marble", "'marble'"),
    ],
)
def test_what_an_environment_refuses_is_the_users_mistake(
    arguments: str, message: str, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert message in told
    assert len(told.splitlines()) == 1
