"""Scorecards: what each feed brought on a day, beside the others, and how far it hears in each direction.

`making` writes them once a day from the ledger and from the rows; `admin` shows them on a feed's page, and `reach`
tells the map the latest outline.
"""
