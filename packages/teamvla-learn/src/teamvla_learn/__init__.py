"""Imitation learning of small vision-language-action policies for teams of robot arms.

``data`` turns demonstrations into batches; ``encoders`` encode images, instructions and proprioception; ``policies``
contains the architectures and their checkpoints; ``train`` runs trainings, ``dagger`` improves a policy interactively,
and ``baselines`` are the shipped policies. Importing this package loads neither torch nor a physics engine.
"""
