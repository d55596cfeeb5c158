"""Refused positions as operators meet them: the list, what lies around one, and what they decide.

admin       the list and the page of one, disputes beside them
around      the positions around a refused one, for its map
decisions   accept or refuse by hand; it stays so when the identity is judged anew
"""
