import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest
from teamvla_envs.interrupts import check_interrupt, deferred_interrupts, handled_interrupts, interrupt_noted


def test_a_deferred_interrupt_is_raised_between_two_steps_with_what_is_kept():
    steps = 0

    def loop() -> None:
        nonlocal steps
        with deferred_interrupts():
            while True:
                check_interrupt("two steps are kept")
                steps += 1
                if steps == 2:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.001)
                    assert interrupt_noted()

    with pytest.raises(KeyboardInterrupt, match="two steps are kept"):
        loop()
    assert steps == 2
    assert not interrupt_noted()
    check_interrupt()


def test_an_interrupt_that_nobody_asks_for_is_raised_at_the_end_of_the_block():
    finished = False

    def work() -> None:
        nonlocal finished
        with deferred_interrupts(), deferred_interrupts():
            signal.raise_signal(signal.SIGTERM)
            finished = True

    with handled_interrupts(), pytest.raises(KeyboardInterrupt):
        work()
    assert finished


def test_a_second_interrupt_is_raised_at_once():
    def work() -> None:
        with deferred_interrupts():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not interrupt_noted()


def test_an_interrupt_that_was_swallowed_before_the_loop_is_raised_by_the_loop():
    def work() -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with deferred_interrupts():
            assert interrupt_noted()
            check_interrupt("nothing was begun")

    with handled_interrupts(), pytest.raises(KeyboardInterrupt, match="nothing was begun"):
        work()
    assert not interrupt_noted()


def test_the_handlers_before_are_put_back_and_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with handled_interrupts(), deferred_interrupts():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


MODULE = """
import os, signal, weakref
class Thing: pass
def stop(_): os.kill(os.getpid(), signal.SIGINT); [None for _ in range(10)]
if {importing}:
    try:
        os.kill(os.getpid(), signal.{number}); [None for _ in range(10)]
    except BaseException:
        raise ImportError("a part of this module is missing")
def work() -> None:
    "Do some work."
    from teamvla_envs.interrupts import check_interrupt, deferred_interrupts
    with deferred_interrupts():
        thing = Thing()
        gone = weakref.ref(thing, stop)
        del thing
        check_interrupt("nothing is lost")
        print("not reached")
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("importing", "message"), [(True, ""), (False, "interrupted: nothing is lost\n")])
def test_the_program_ends_quietly_during_imports_and_in_callbacks_that_swallow_exceptions(
    tmp_path: Path, number: str, importing: bool, message: str
):
    (tmp_path / "interrupted.py").write_text(MODULE.format(importing=importing, number=number))
    program = """
        import sys
        from importlib.metadata import EntryPoint
        from teamvla_envs import cli
        cli.find_commands = lambda: {"work": EntryPoint("work", "interrupted:work", cli.COMMAND_GROUP)}
        sys.exit(cli.main(["work"]))
    """
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", message)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_ends_quietly_before_anything_is_imported(tmp_path: Path, number: signal.Signals):
    for name in ("teamvla_envs", "gymnasium"):  # stand in for imports that take long
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("import time; print('importing', flush=True); time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-c", "import teamvla_start; teamvla_start.main()"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(number)
    _, messages = process.communicate(timeout=10)
    assert (process.returncode, messages) == (130, "")


def test_a_signal_while_the_interpreter_shuts_down_changes_nothing():
    program = """
        import os, signal, teamvla_start
        class Last:
            def __del__(self, kill=os.kill, me=os.getpid(), number=signal.SIGINT):
                kill(me, number)
        last = Last()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
