"""DAgger: the learner drives, the expert shows what to do in the states that it gets into, and it learns again.

Ross, Gordon, Bagnell, "A reduction of imitation learning and structured prediction to no-regret online learning"
(AISTATS 2011); with interventions: Kelly et al., "HG-DAgger" (ICRA 2019).
"""
