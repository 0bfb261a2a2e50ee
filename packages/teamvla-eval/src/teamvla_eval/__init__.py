"""Reproducible evaluation of policies for teams of robot arms.

- ``rollouts``: a policy over exactly the seeds that were asked for; ``records``: what each episode came to
- ``measuring``, ``trajectory_metrics``: what happened inside an episode; ``metrics``: success rates with intervals;
  ``comparison``: two policies on the same episodes; ``failures``: why episodes failed
- ``ablations``, ``swapping``, ``one_by_one``, ``decentralized``, ``sb3_policy``: policies and goals in other conditions
- ``evaluate``: one policy on one task; ``benchmark``, ``bench``: several, and the command; ``spread``: on a Ray cluster
- ``protocol``, ``results``, ``results_schema``, ``tables``, ``provenance``: what a result is, and where it comes from
- ``reproduce``, ``history``, ``leaderboard``, ``submissions``: results again, over time, and of others
- ``trajectories``, ``videos``, ``plots``, ``page``, ``report``, ``bench_report``: HTML files that show it all
- ``quickstart``: demonstrations, training, evaluation and report in one command
"""
