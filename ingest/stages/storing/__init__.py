"""Storing a batch: one transaction, however often it is tried.

store    START HERE: the stage
booking  the line of the ledger, which makes the rest happen once
known    which targets were written lately, so that what says nothing new costs no statement
halving  rows that PostgreSQL refuses, found among the others
samples  a few of the messages that were refused before
"""
