"""Receivers that post: `view` takes requests, `body` reads them in bounds, `receivers` knows who may post what."""
