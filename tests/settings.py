"""The project's settings with a data directory of the tests' own (pytest-django reads settings before any conftest)."""

import os
from pathlib import Path

data_dir = Path(os.environ.setdefault("DATA_DIR", str(Path(__file__).resolve().parent.parent / ".data" / "test")))
worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if worker and data_dir.name != worker:
    os.environ["DATA_DIR"] = str(data_dir / worker)  # servers of its own: tests empty them

from tracking.settings import *  # noqa: E402, F403

# No promise of the project: a test may be kept waiting for a core while it connects.
for database in DATABASES.values():  # noqa: F405
    database["OPTIONS"]["connect_timeout"] = 30
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
# The live server of the browser tests finds static files itself; the real server is tested by test_up.py.
MIDDLEWARE.remove("whitenoise.middleware.WhiteNoiseMiddleware")  # noqa: F405
