"""The tables of an environment's page, read off the environment itself when the documentation is built.

A page includes ``_generated/TASK_NAME.md`` files: the tables cannot drift from the code.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module

import numpy as np
from markdown import arguments, prose, table
from teamvla_envs.control import actions
from teamvla_envs.env.arguments import EnvConfig
from teamvla_envs.env.parallel import TeamParallelEnv
from teamvla_envs.env.vector import TeamVectorEnv
from teamvla_envs.randomization import LEVELS
from teamvla_envs.registration import environment_id
from teamvla_envs.tasks.base import Task
from teamvla_envs.tasks.instructions import Paraphrases
from teamvla_envs.tasks.parts import ARM_PARTS
from wording import ACTION_PARTS, GOALS, PEERS, PHASES, REWARD_TERMS, STATE_ARRAYS

EXAMPLE_SEEDS = range(2_000_000, 2_000_008)


def environment_sections(name: str) -> dict[str, str]:
    """All generated sections of one task's page, section name to Markdown."""
    env = TeamVectorEnv(name, len(EXAMPLE_SEEDS), num_threads=1)
    env.reset(seed=EXAMPLE_SEEDS.start)
    try:
        return {
            "summary": _summary(env),
            "description": prose(env.task.description) + "\n",
            "agents": _agents(name),
            "actions": "\n".join(_actions(name, mode) for mode in actions.ACTION_MODES),
            "observations": _observations(env),
            "cameras": _cameras(env),
            "rewards": _rewards(env),
            "phases": _named(env.phases, PHASES[name], ("index", "phase", "meaning")),
            "start": _start(env.task),
            "goals": _named(env.goals, GOALS[name], ("index", "goal", "meaning")),
            "sentences": _sentences(env.task),
            "examples": _examples(env),
            "state": _state(env),
            "arguments": _arguments(),
        }
    finally:
        env.close()


def _summary(env: TeamVectorEnv) -> str:
    single = env.single_observation_space
    hold = sorted({int(steps) for steps in np.atleast_1d(env.task.hold_steps({"goal": np.arange(len(env.goals))}))})
    rows = [
        ("id", f"`{environment_id(env.task_name)}` in Gymnasium (`make`, `make_vec`) and PettingZoo (`parallel`)"),
        ("arms", ", ".join(str(count) for count in env.task.arm_counts)),
        (
            "action space",
            f"`Box(-1, 1, ({env.num_arms * env.action_size},), float32)`, {env.action_size} entries an arm",
        ),
        ("observation space", f'`Box(-inf, inf, {single.shape}, float32)` with `obs_mode="state"`; see below'),
        ("goal variants", f"{len(env.goals)}, distinguished by the instruction alone"),
        ("control step", f"{env.control_dt:g} s, {round(1 / env.control_dt)} Hz"),
        ("horizon", f"{env.task.horizon} control steps, {env.task.horizon * env.control_dt:g} s"),
        ("success is held for", " or ".join(f"{steps} steps ({steps * env.control_dt:g} s)" for steps in hold)),
    ]
    return table(("", ""), [(f"**{left}**", right) for left, right in rows])


def _agents(name: str) -> str:
    env = TeamParallelEnv(name)
    own = sum(length for _, length in env.vector.agent_pos_parts)
    peers = 4 * (env.vector.num_arms - 1)
    scene = env.observation_space("arm_0").shape[0] - own - peers
    env.close()
    rows = [
        ("own proprioception", own, "`agent_pos` of this arm, as in the table of observations"),
        ("peers", peers, PEERS),
        ("scene", scene, "the task's own parts of `environment_state`"),
    ]
    return table(("part", "length", "meaning"), [*rows, ("**together**", own + peers + scene, "")])


def _actions(name: str, mode: str) -> str:
    env = TeamVectorEnv(name, action_mode=mode, num_threads=1)
    constants = {key: getattr(actions, key) for key in ("JOINT_STEP", "TOOL_STEP", "TOOL_TURN")}
    constants["opening"] = env.task.scene(("panda",) * env.num_arms).robots[0].gripper_range[1]
    rows, start = [], 0
    for part, length in env.action_parts:
        unit, meaning = ACTION_PARTS[part]
        rows.append(
            (
                *(_span(arm * env.action_size + start, length) for arm in range(env.num_arms)),
                f"`{part}`",
                unit.format(**constants),
                meaning.format(length=length),
            )
        )
        start += length
    header = (*(f"`arm_{arm}`" for arm in range(env.num_arms)), "part", "unit of 1.0", "meaning")
    env.close()
    return f'`action_mode="{mode}"`\n\n{table(header, rows)}'


def _observations(env: TeamVectorEnv) -> str:
    rows, start = [], 0
    parts = {part.name: part for part in (*ARM_PARTS, *env.task.parts)}
    for part, length in env.environment_state_parts:
        known = parts[part.rpartition("/")[2]]
        hidden = " (contains the goal)" if known.goal else ""
        rows.append((_span(start, length), f"`{part}`", length, known.unit, known.frame, known.description + hidden))
        start += length
    return table(("index", "part", "length", "unit", "frame", "meaning"), rows)


def _cameras(env: TeamVectorEnv) -> str:
    scene = env.task.scene(("panda",) * env.num_arms)
    rows = []
    for camera in scene.cameras:
        place = f"hand of `{camera.body.split('/')[0]}`" if camera.body else "world"
        shown = "yes" if camera.name in env.cameras else ""
        rows.append((f"`{camera.name}`", place, f"{camera.fovy:g}°", shown))
    return table(("camera", "fixed to", "vertical field of view", "in `pixels` by default"), rows)


def _rewards(env: TeamVectorEnv) -> str:
    task, worlds = env.task, env.num_envs
    nominal = task.initial_state(np.full((worlds, task.draws.count), 0.5))
    signals = task.signals(env.world, nominal.facts, task.initial_memory(worlds))
    terms = task.reward_terms(signals)
    words = REWARD_TERMS[task.name]
    _check_names(terms, words)
    rows = [(f"`{term}`", f"{weight:g}", words[term]) for term, (weight, _) in terms.items()]
    total = sum(weight for weight, _ in terms.values())
    return table(("term", "weight", "value, from 0 to 1"), [*rows, ("**together**", f"{total:g}", "")])


def _start(task: Task) -> str:
    rows = []
    for name, draw in task.draws.ranges.items():
        spans = (_range(np.array(draw.span(level))) for level in LEVELS.values())
        rows.append((f"`{name}`", draw.meaning, *spans, draw.unit))
    postures = (level.posture for level in LEVELS.values())
    rows.append(("", "every joint, from home", *(_range(np.array([-angle, angle])) for angle in postures), "rad"))
    return table(("name", "quantity", *(f'`"{level}"`' for level in LEVELS), "unit"), rows)


def _sentences(task: Task) -> str:
    module = import_module(f"{type(task).__module__}_sentences")
    families = {name: value for name, value in vars(module).items() if isinstance(value, Paraphrases)}
    blocks = []
    for name, family in families.items():
        rows = [("training", sentence) for sentence in family.train] + [("held out", s) for s in family.unseen]
        blocks.append(f"`{name}`\n\n" + table(("split", "template"), rows))
    return "\n".join(blocks)


def _examples(env: TeamVectorEnv) -> str:
    rows = zip(EXAMPLE_SEEDS, env.goal_names, env.instructions, strict=True)
    return table(("seed", "goal", "instruction"), [(seed, f"`{goal}`", sentence) for seed, goal, sentence in rows])


def _state(env: TeamVectorEnv) -> str:
    rows = []
    for key, values in env.get_state().items():
        kind, _, name = key.partition(".")
        meaning = STATE_ARRAYS[kind].format(name=name)
        shape = ", ".join(["N", *map(str, values.shape[1:])]) + ("," if values.ndim == 1 else "")
        rows.append((f"`{key}`", f"({shape})", values.dtype.name, meaning))
    return table(("name", "shape", "type", "content"), rows)


def _arguments() -> str:
    rows = [
        (f"`{argument.name}`", f"`{argument.default}`" if argument.default else "", argument.meaning)
        for argument in arguments(EnvConfig)
        if argument.name not in ("task", "num_envs", "autoreset_mode", "num_threads")
    ]
    return table(("argument", "default", "meaning"), rows)


def _named(names: Sequence[str], words: dict[str, str], header: tuple[str, str, str]) -> str:
    _check_names(names, words)
    return table(header, [(index, f"`{name}`", words[name]) for index, name in enumerate(names)])


def _check_names(names: Iterable[str], words: dict[str, str]) -> None:
    if set(names) != set(words):
        raise ValueError(f"docs/_ext/wording.py and the code differ in {sorted(set(names) ^ set(words))}")


def _span(start: int, length: int) -> str:
    return str(start) if length == 1 else f"{start}–{start + length - 1}"


def _range(values: np.ndarray) -> str:
    low, high = (f"{round(value, 6):.4g}".replace("-", "−") for value in (values.min() + 0.0, values.max() + 0.0))
    return low if low == high else f"{low} to {high}"
