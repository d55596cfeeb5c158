"""What bytes mean: a room a format, with its framing, its assembly and its decoder.

`registry` lists the formats: adding one is adding its folder and one line there. An assembly runs beside the source and
turns bytes into messages, with whatever needs memory over several of them; a decoder is a pure function that runs where
the batch is stored and turns messages into reports. `common` holds what several formats share.
"""
