"""The WSGI application for `manage.py web`, and for other servers."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracking.settings")
application = get_wsgi_application()
