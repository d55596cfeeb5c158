"""How positions get in: sources, framing, assembly, decoders, validation, fusion, persistence, the ledger.

Start with `pipeline.py`: it shows the whole flow of a batch.
"""
