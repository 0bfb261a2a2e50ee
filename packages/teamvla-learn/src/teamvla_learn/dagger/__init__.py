"""DAgger: rollouts of a trained policy with expert corrections, and training on both.

Ross, Gordon, Bagnell, "A reduction of imitation learning and structured prediction to no-regret online learning"
(AISTATS 2011); with interventions: Kelly et al., "HG-DAgger" (ICRA 2019).
"""
