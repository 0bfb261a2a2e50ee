"""Colors that instructions name: four for surfaces, and four others for objects."""

SURFACE_COLORS: dict[str, tuple[float, float, float, float]] = {
    "green": (0.10, 0.55, 0.20, 1.0),
    "pink": (0.95, 0.40, 0.62, 1.0),
    "white": (0.93, 0.93, 0.93, 1.0),
    "black": (0.08, 0.08, 0.09, 1.0),
}
OBJECT_COLORS: dict[str, tuple[float, float, float, float]] = {
    "yellow": (0.95, 0.78, 0.12, 1.0),
    "orange": (0.92, 0.45, 0.10, 1.0),
    "cyan": (0.15, 0.75, 0.85, 1.0),
    "brown": (0.42, 0.26, 0.13, 1.0),
}
