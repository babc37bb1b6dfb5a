"""How much more speech of whom would heal what was found: a learning curve over the bottom cohort, continued.

Where to look: ``thinning`` takes a part of the bottom cohort out of training, ``curve`` continues what trainings with
a quarter, half and all of it reached, ``forecast`` ties both to the files of a run, ``wording`` says it.
"""
