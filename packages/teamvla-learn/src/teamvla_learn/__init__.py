"""Behavior cloning of small vision-language-action policies for teams of robot arms.

What lives where: ``data`` turns demonstrations into batches, ``encoders`` turn pictures, sentences and
proprioception into vectors, ``policies`` turn those into actions and are saved to and loaded from checkpoint
folders, ``train`` runs the training. Importing this package loads neither torch nor a physics engine.
"""
