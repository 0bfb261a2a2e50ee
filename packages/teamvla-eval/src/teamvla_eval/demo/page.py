"""Page of the demo: choices on the left, the moving image on the right, pushes and downloads below.

Values from visitors are checked here before they are used; the simulator checks the rest.
"""

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
from teamvla_envs.cli import one_line
from teamvla_envs.errors import UserError
from teamvla_envs.registration import get_task, registered_tasks

from teamvla_eval.demo.drawing import STYLE, busy_html, frame_html, refused_html
from teamvla_eval.demo.instructions import cleaned
from teamvla_eval.demo.protocol import Choice, Ended, Freeze, Push, Refused, Run, Stop
from teamvla_eval.demo.settings import AT_REST_S, MAX_IMPULSE, MAX_INSTRUCTION, MAX_SEED, DemoSettings
from teamvla_eval.demo.visitors import NoPlaceError, Visitor, Visitors

NO_POLICY = "none"
DIRECTIONS = {
    "← left": (-1.0, 0.0, 0.0),
    "right →": (1.0, 0.0, 0.0),
    "↑ away": (0.0, 1.0, 0.0),
    "↓ nearer": (0.0, -1.0, 0.0),
    "⤒ up": (0.0, 0.0, 1.0),
}
CSS = (
    STYLE
    + """
#run, #stop { flex: 1 1 0; }
footer { display: none !important; }
.gradio-container { max-width: 1280px !important; }
#stage { min-height: 420px; }
#instruction textarea { min-height: 82px; }
#message { min-height: 38px; margin-bottom: -14px; }
#message .html-container { padding: 0 12px; }
#suggestion::before { content: "did you mean: "; opacity: .65; white-space: pre; }
"""
)
NO_SUGGESTION: Any = gr.update(visible=False)


class Handlers:
    """Handlers of the page's buttons; invalid values are answered with a refusal.

    Args:
        settings: Settings of the operator.
        visitors: Connected visitors.
    """

    def __init__(self, settings: DemoSettings, visitors: Visitors):
        self._settings, self._visitors = settings, visitors

    def look(
        self, task: Any, policy: Any, second: Any, seed: Any, num_arms: Any, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """Show the scene; yields message, stage, suggestion, instruction, choices, objects, arms, counts."""
        kept = (gr.skip(),) * 7
        entered = self._enter(task, policy, second, seed, num_arms, request)
        if isinstance(entered, Refused):
            yield (refused_html(entered.reason), *kept)
            return
        found, visitor = entered
        yield (busy_html("preparing the scene", stale=True), *kept)
        scene = visitor.look(found)
        if isinstance(scene, Refused):
            yield (refused_html(scene.reason), *kept)
            return
        visitor.send(Freeze(()))
        pick = [(text, text) for texts in scene.instructions.values() for text in texts]
        yield (
            _message(visitor),
            frame_html(scene.frame),
            NO_SUGGESTION,
            gr.update(placeholder=scene.frame.instruction),  # typed text stays
            gr.update(choices=pick, value=None),
            gr.update(choices=list(scene.bodies), value=scene.bodies[0], visible=len(scene.bodies) > 1),
            gr.update(choices=[(f"arm_{k}", k) for k in range(found.num_arms)], value=[]),
            gr.update(choices=list(get_task(found.task).arm_counts), value=found.num_arms),
        )

    def run(
        self, task: Any, policy: Any, second: Any, seed: Any, num_arms: Any, instruction: Any, fine: Any,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        """Let the policies act; yields message, stage, suggestion and the three downloads."""
        nothing = (gr.update(value=None, interactive=False),) * 3
        entered = self._enter(task, policy, second, seed, num_arms, request)
        if isinstance(entered, Refused):
            yield (refused_html(entered.reason), gr.skip(), NO_SUGGESTION, *nothing)
            return
        found, visitor = entered
        yield (busy_html("preparing the episode", stale=True), gr.skip(), NO_SUGGESTION, *nothing)
        kept, began = (gr.skip(),) * 3, False
        for answer in visitor.run(Run(found, cleaned(str(instruction or "")), bool(fine))):
            if isinstance(answer, Refused):
                yield (refused_html(answer.reason), gr.skip(), _suggestion(answer.suggestion), *kept)
            elif isinstance(answer, Ended):
                files: list[Any] = [*answer.demonstrations, None, None][:2]
                updates = [
                    gr.update(value=file and str(file), interactive=file is not None) for file in (*files, answer.video)
                ]
                yield (_message(visitor), frame_html(answer.frame), gr.skip(), *updates)
            else:
                stage = frame_html(answer)
                # Without files again, because the previous run may have ended only now.
                yield (
                    (gr.skip(), stage, gr.skip(), *kept)
                    if began
                    else (busy_html("running"), stage, _suggestion(answer.suggestion), *nothing)
                )
                began = True

    def run_first(
        self, task: Any, policy: Any, second: Any, seed: Any, num_arms: Any, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """Run the instruction of the seed, unless the visitor has started a run; yields as :meth:`run`."""
        time.sleep(AT_REST_S)
        visitor = self._visitors.find(_session(request))
        if visitor is None or not visitor.has_run:
            yield from self.run(task, policy, second, seed, num_arms, "", False, request)

    def push(self, body: Any, strength: Any, direction: str, request: gr.Request) -> None:
        """Push the object."""
        visitor = self._visitors.find(_session(request))
        impulse = _number(strength, 0.0, MAX_IMPULSE)
        if visitor is not None and impulse is not None:
            x, y, z = (impulse * share for share in DIRECTIONS[direction])
            visitor.send(Push(str(body)[:60], (x, y, z)))

    def freeze(self, arms: Any, request: gr.Request) -> None:
        """Freeze exactly these arms."""
        visitor = self._visitors.find(_session(request))
        if visitor is not None and isinstance(arms, list):
            visitor.send(Freeze(tuple(arm for arm in arms if isinstance(arm, int))))

    def stop(self, request: gr.Request) -> None:
        """End the run."""
        visitor = self._visitors.find(_session(request))
        if visitor is not None:
            visitor.send(Stop())

    def leave(self, request: gr.Request) -> None:
        """Free the place of a visitor who closed the page."""
        self._visitors.leave(_session(request))

    def _enter(
        self, task: Any, policy: Any, second: Any, seed: Any, num_arms: Any, request: gr.Request
    ) -> tuple[Choice, Visitor] | Refused:
        """Check the choice and take a place."""
        found = self._choice(task, policy, second, seed, num_arms)
        if isinstance(found, Refused):
            return found
        try:
            return found, self._visitors.get(_session(request))
        except NoPlaceError:
            places = self._settings.max_visitors
            return Refused(
                f"All {places} places are taken at the moment. Try again in a minute: a place becomes free when "
                f"somebody leaves, or does nothing for {self._settings.idle_s:.0f} seconds."
            )
        except ConnectionError as error:
            return Refused(str(error))

    def _choice(self, task: Any, policy: Any, second: Any, seed: Any, num_arms: Any) -> Choice | Refused:
        if task not in registered_tasks():
            return Refused(f"The task is {str(task)[:60]!r}, expected one of {', '.join(registered_tasks())}.")
        number = _number(seed, 0, MAX_SEED)
        if number is None or number != int(number):
            given = "empty" if seed is None else str(seed)[:60]
            return Refused(f"The seed is {given}, expected a whole number from 0 to {MAX_SEED}.")
        allowed = get_task(task).arm_counts
        arms = num_arms if num_arms in allowed else allowed[0]
        specs = [policy, *([] if second in (None, "", NO_POLICY) else [second])]
        try:
            chosen = tuple(self._settings.allowed_policy(str(spec)) for spec in specs)
        except UserError as error:
            return Refused(one_line(error))
        return Choice(task, int(arms), int(number), chosen)


class _Page(gr.Blocks):
    """Blocks that refuse invalid values without a traceback in the operator's terminal."""

    async def preprocess_data(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Check the values of a request."""
        try:
            return await super().preprocess_data(*args, **kwargs)
        except Exception:
            raise gr.Error("This page has no such choice. Reload it.", print_exception=False) from None


def make_page(settings: DemoSettings, handlers: Handlers, first: Choice) -> gr.Blocks:
    """Make the page with the initial choice."""
    with _Page(title="TeamVLA", analytics_enabled=False) as page:
        gr.Markdown("## TeamVLA\nType what the arms should do. They share one scene and one instruction.")
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                instruction = gr.Textbox(
                    label="Instruction", info="empty: the seed's own instruction", max_length=MAX_INSTRUCTION,
                    elem_id="instruction", lines=1, max_lines=3,
                )  # fmt: skip
                pick = gr.Dropdown(label="Instructions of this scene", choices=[], value=None, elem_id="pick")
                suggestion = gr.Button("", visible=False, size="sm", elem_id="suggestion")
                with gr.Row():
                    run = gr.Button("Run", variant="primary", elem_id="run", min_width=80)
                    stop = gr.Button("Stop", elem_id="stop", min_width=80)
                task = gr.Dropdown(list(registered_tasks()), value=first.task, label="Task", elem_id="task")
                typed = bool(settings.checkpoint_folders)
                policy = gr.Dropdown(
                    list(settings.policies), value=first.policies[0], label="Policy", allow_custom_value=typed,
                    info="one of these, or the name of a checkpoint folder" if typed else None, elem_id="policy",
                )  # fmt: skip
                second = gr.Dropdown(
                    [NO_POLICY, *settings.policies], value=NO_POLICY, label="Second policy", allow_custom_value=typed,
                    elem_id="second",
                )  # fmt: skip
                with gr.Row():
                    # Without bounds, because Gradio would clip and round the value itself.
                    seed = gr.Number(value=first.seed, label="Seed", elem_id="seed", min_width=90)
                    arms = gr.Radio(
                        list(get_task(first.task).arm_counts), value=first.num_arms, label="Arms", min_width=150
                    )
                fine = gr.Checkbox(False, label="Larger images with shadows (slower)", elem_id="fine")
            with gr.Column(scale=3, min_width=480):
                message = gr.HTML("", elem_id="message", js_on_load=None)
                stage = gr.HTML("", elem_id="stage", js_on_load=None)
                with gr.Row(equal_height=True):
                    frozen = gr.CheckboxGroup([], label="Freeze", elem_id="freeze", min_width=160)
                    body = gr.Radio([], label="Object", visible=False, elem_id="body", min_width=160)
                    strength = gr.Slider(0.02, MAX_IMPULSE, 0.3, step=0.01, label="Push [N·s]", min_width=160)
                with gr.Row():
                    pushes = {name: gr.Button(name, size="sm", min_width=60) for name in DIRECTIONS}
                with gr.Row():
                    files = [
                        gr.DownloadButton("Demonstration (HDF5)", interactive=False, size="sm", elem_id="hdf5"),
                        gr.DownloadButton("… of the second policy", interactive=False, size="sm", elem_id="hdf5_2"),
                        gr.DownloadButton("Video (mp4)", interactive=False, size="sm", elem_id="mp4"),
                    ]
        chosen: list[Any] = [task, policy, second, seed, arms]
        shown: list[Any] = [message, stage, suggestion, instruction, pick, body, frozen, arms]
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        running: dict[str, Any] = {**hidden, "concurrency_limit": 2 * settings.max_visitors, "trigger_mode": "multiple"}
        looking: dict[str, Any] = running | {"trigger_mode": "always_last"}
        to_run: list[Any] = [*chosen, instruction, fine]
        played: list[Any] = [message, stage, suggestion, *files]
        page.load(handlers.look, chosen, shown, **looking).then(handlers.run_first, chosen, played, **running)
        for part in (task, policy, second, seed):
            part.change(handlers.look, chosen, shown, **looking)
        arms.input(handlers.look, chosen, shown, **looking)
        pick.input(lambda text: text or "", pick, instruction, queue=False, **hidden)
        suggestion.click(lambda text: text, suggestion, instruction, queue=False, **hidden).then(
            handlers.run, to_run, played, **running
        )
        gr.on([run.click, instruction.submit], handlers.run, to_run, played, **running)
        stop.click(handlers.stop, queue=False, **hidden)
        for name, button in pushes.items():
            button.click(_pusher(handlers, name), [body, strength], queue=False, trigger_mode="multiple", **hidden)
        frozen.input(handlers.freeze, frozen, queue=False, trigger_mode="multiple", **hidden)
        page.unload(handlers.leave)
    page.queue(default_concurrency_limit=2 * settings.max_visitors, max_size=16 * settings.max_visitors)
    return page


def _pusher(handlers: Handlers, direction: str) -> Any:
    def push(body: Any, strength: Any, request: gr.Request) -> None:
        handlers.push(body, strength, direction, request)

    return push


def _message(visitor: Visitor) -> str:
    """Message above the image after a request."""
    return busy_html("preparing", stale=True) if visitor.is_busy else ""


def _suggestion(instruction: str) -> Any:
    return gr.update(value=instruction, visible=True) if instruction else NO_SUGGESTION


def _session(request: gr.Request) -> str:
    return str(request.session_hash)


def _number(value: Any, low: float, high: float) -> float | None:
    """The value if it is a number in the range."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        return None
    return value
