"""Model fields that a reset may change in a compiled model, and the constants that MuJoCo derives from them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

# Fields that only cameras read.
SEEN_ONLY = ("geom_rgba", "tint", "light", "camera_shift", "camera_turn", "camera_fovy")
# Arrays of a MuJoCo model that :func:`write_fields` may change.
VARIED = (
    "body_pos", "body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "dof_invweight0",
    "tendon_invweight0", "geom_size", "geom_aabb", "geom_rbound", "geom_friction", "actuator_gainprm",
    "actuator_biasprm", "actuator_acc0",
)  # fmt: skip


def write_fields(
    model: Any, data: Any, template: Any, joint_ctrl: np.ndarray, fields: Mapping[tuple[str, str], Any]
) -> None:
    """Write one world's fields into its model and bring MuJoCo's derived constants up to date.

    Args:
        model: The ``mujoco.MjModel`` to change.
        data: A ``mujoco.MjData`` to compute in.
        template: The nominal model; ``gain`` and ``friction`` are factors of its values.
        joint_ctrl: Indices of the controls of the arm joints, shape ``(A, J)``.
        fields: (field, element name) to the value of this world; ``gain`` has shape ``(A, J)``.
    """
    import mujoco

    for (field, name), value in fields.items():
        if field in SEEN_ONLY:
            continue
        if field == "gain":
            for part, column in (("actuator_gainprm", 0), ("actuator_biasprm", 1)):
                nominal = getattr(template, part)[joint_ctrl, column]
                getattr(model, part)[joint_ctrl, column] = nominal * value
            continue
        if field == "friction":
            model.geom_friction[:, 0] = template.geom_friction[:, 0] * value
            continue
        element = getattr(model, field.split("_")[0])(name).id
        getattr(model, field)[element] = value
        if field == "geom_size":
            _set_bounds(model, element)
    if any(field.startswith("body_") for field, _ in fields):
        mujoco.mj_setConst(model, data)


def _set_bounds(model: Any, geom: int) -> None:
    """Recompute the bounding sphere and box of a box geom."""
    size = model.geom_size[geom]
    model.geom_rbound[geom] = np.sqrt((size * size).sum())
    model.geom_aabb[geom, 3:] = size
