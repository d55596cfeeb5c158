"""Calls to PostgreSQL: `deadline` bounds them in time, `sqlstate` tells what an error means."""
