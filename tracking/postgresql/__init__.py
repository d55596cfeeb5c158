"""The project's database ENGINE: Django's PostgreSQL backend with two changes, both in `base`."""
