"""One module a format: a self-contained message to what it says. Values that are "not available" become None here."""
