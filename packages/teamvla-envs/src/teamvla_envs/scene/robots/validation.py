"""Check of a robot's specification against its MJCF file."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from teamvla_envs.errors import UserError
from teamvla_envs.scene.robots.spec import RobotSpec


@lru_cache
def check_robot(robot: RobotSpec) -> None:
    """Check that a robot's MJCF file has what its specification names.

    Args:
        robot: The specification.

    Raises:
        UserError: The file cannot be read, a name is missing (the message lists those there are), or an element is not
            of the required kind.
    """
    import mujoco

    where = f"robot {robot.name!r}"
    try:
        model = mujoco.MjModel.from_xml_path(str(robot.mjcf))
    except (ValueError, mujoco.FatalError) as error:
        raise UserError(f"{where}: {robot.mjcf} is not a valid MJCF file: {' '.join(str(error).split())}") from None
    bodies = (robot.base_body, robot.upper_arm_body, robot.hand_body)
    carriers = (camera.body for camera in robot.cameras if camera.body is not None)
    _check_names(where, "body", (*bodies, *robot.mounted_bodies, *carriers), model.body, model.nbody)
    _check_names(where, "joint", (*robot.joints, *robot.finger_joints), model.joint, model.njnt)
    _check_names(where, "tendon", (robot.gripper_tendon,), model.tendon, model.ntendon)
    _check_names(where, "site", (robot.tool_site,), model.site, model.nsite)
    if robot.tint_material is not None:
        _check_names(where, "material", (robot.tint_material,), model.material, model.nmat)
    for kind, count, get in (("body", model.nbody, model.body), ("joint", model.njnt, model.joint)):
        if not all(get(i).name for i in range(count)):
            raise UserError(f"{where}: a {kind} has no name, every {kind} needs one")
    for names, kind, word in (
        (robot.joints, mujoco.mjtJoint.mjJNT_HINGE, "hinge"),
        (robot.finger_joints, mujoco.mjtJoint.mjJNT_SLIDE, "slide"),
    ):
        for name in names:
            if int(model.joint(name).type[0]) != int(kind):
                raise UserError(f"{where}: joint {name!r} is not a {word} joint")
    others = {model.joint(i).name for i in range(model.njnt)} - {*robot.joints, *robot.finger_joints}
    if others:
        raise UserError(f"{where}: joints {sorted(others)} are in neither joints nor finger_joints")
    driven = [model.joint(int(j)).name for j, kind in _targets(model) if kind == int(mujoco.mjtTrn.mjTRN_JOINT)]
    if sorted(driven) != sorted(robot.joints):
        raise UserError(f"{where}: position actuators drive the joints {driven}, expected {list(robot.joints)}")
    pulled = [model.tendon(int(t)).name for t, kind in _targets(model) if kind == int(mujoco.mjtTrn.mjTRN_TENDON)]
    if pulled != [robot.gripper_tendon] or model.nu != len(robot.joints) + 1:
        raise UserError(f"{where}: besides the joints an actuator drives {pulled}, expected {[robot.gripper_tendon]}")
    for name, angle in zip(robot.joints, robot.home, strict=True):
        low, high = model.joint(name).range
        if not low < angle < high:
            raise UserError(f"{where}: home puts joint {name!r} at {angle}, outside of its range {low} to {high}")


def _targets(model: Any) -> list[tuple[int, int]]:
    """Element and kind of transmission of every actuator."""
    return [(int(model.actuator_trnid[i, 0]), int(model.actuator_trntype[i])) for i in range(model.nu)]


def _check_names(where: str, kind: str, names: Iterable[str], get: Any, count: int) -> None:
    known = [get(i).name for i in range(count) if get(i).name not in ("", "world")]
    for name in names:
        if name not in known:
            raise UserError(f"{where}: its MJCF file has no {kind} {name!r}, it has {', '.join(known) or 'none'}")
