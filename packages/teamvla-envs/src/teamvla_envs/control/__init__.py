"""From actions to joint targets: kinematics, action modes, phases."""
