"""``teamvla view``: an episode as a 3D scene, in the browser or as a file for other programs."""
