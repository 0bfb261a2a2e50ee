"""``teamvla view``: an episode as a scene in three dimensions, in the browser or as a file for other programs."""
