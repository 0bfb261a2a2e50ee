"""Reproducible evaluation of policies for teams of robot arms.

- ``rollouts``: a policy over exactly the seeds that were asked for; ``records``: what each episode came to
- ``metrics``: success rates with intervals; ``results``: the schema of ``results.json`` and how it is written
- ``evaluate``: one policy on one task; ``bench``: the command that compares several
- ``trajectories``, ``videos``, ``plots``, ``report``: one HTML file that shows it all
- ``quickstart``: demonstrations, training, evaluation and report in one command
"""
