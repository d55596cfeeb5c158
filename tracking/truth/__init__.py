"""Which of the stored and reported positions are true: verdicts that hide and never delete.

    budget       how far a target of each class can get in a time
    rule         START HERE: the pure rule, a fold over the positions of one identity
    terms        what the rule is given, and what it says: positions, codes of refusal, measures
    steady       the same rule for many identities at once: which of them need the fold
    fleets       places to which many identities jump: spoofed or jammed satellite navigation
    notes        what batches touched          judge, reading, verdicts    history: read, decided, written
    forgetting   what is too old to be listed

Rooms of their own: `live`, the rule in the order of arrival; `quarantine`, refused positions and who decides on them.

History is judged from the set of its rows, so neither order nor cut into batches is seen in a verdict.
"""
