"""`make fuzz LINES=n SEED=s`: mutated input of every format through framing, assembly and decoder.

__main__   the command and its judgement     mutations  what is changed, checksums made right again
examples   sound input of each format        feeding    one format's run, and what it measured
"""
