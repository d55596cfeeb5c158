"""The rule for live state: which reports may move a document, in the order in which they arrive.

    rule     START HERE: the pure rule, a report and the tracks that are known of its target
    steady   the same for many targets at once: which reports simply continue one
    filter   both, asked of the live Redis for a batch

The budgets are those of history (`tracking/truth/budget.py`); what is hidden here may turn out to be true there.
"""
