"""The tables of events: `event` what happened, `rules` what is looked for, `notices` who is told.

They import nothing of the project but `tracking/truth/models.py`, so `tracking/models.py` may import them.
"""
