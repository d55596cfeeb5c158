"""Positions over time: `partitions` makes and drops days, `retention` says which, `tracks` thins them for reading."""
