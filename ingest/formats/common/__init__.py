"""What several formats share.

Bytes: `framing` cuts lines, `document_framing` JSON documents. Assemblies: `contract` states what each promises;
`lines`, `documents`, and `counting`, which keeps their account. Decoders: `context` (what they are told of their
batch), `json_values`, `aircraft`, and `ranges`, which refuses what cannot be true.
"""
