"""Dead letters in the admin.

    list_filters   the filters of the list, which are those of `resilience.letters.selection`
    shown          columns of the list and fields of a letter's page
    letter_actions retry, edit and discard: a letter from its page, ticked ones from the list
    everything     retry, discard and export everything that the filter shows; the page of groups
    jobs           the jobs that this makes: progress, cancel

`resilience/admin.py` puts them together.
"""
