"""The Django project, and what we know: identities, positions, live state, their API and admin."""
