"""Settings of the project, read once from the environment.

Every value has a working default: without any variable the project runs on embedded PostgreSQL and Redis
servers under DATA_DIR. A variable NAME may be given as a file, NAME_FILE, for secrets. Wrong values stop the
start with the name of the variable. The handbook lists them all.
"""

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from ingest.sources.common import addresses
from tracking import connections, embedded
from tracking.desk import colours
from tracking.web import networks

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data"))).resolve()

# --- security ---------------------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="").strip() or embedded.secret_key(DATA_DIR)
if not DEBUG and (len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5):
    # Sessions and the queue trust what is signed with it, so nothing starts with one that can be guessed.
    raise ImproperlyConfigured(
        "SECRET_KEY can be guessed: set 50 random characters (openssl rand -hex 32), or none: DATA_DIR has one."
    )
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # of before: sessions, `manage.py parked --return`
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# The name that the site has on the network, where TLS is: all that belongs to TLS is on with it.
SITE_ADDRESS = env.str("SITE_ADDRESS", default="").strip()
TLS = bool(SITE_ADDRESS)
if SITE_ADDRESS:
    ALLOWED_HOSTS = [*ALLOWED_HOSTS, SITE_ADDRESS]
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)  # whose X-Forwarded-For and -Proto are then believed
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=TLS)
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]  # probes and scrapers come without TLS
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=365 * 86_400 if TLS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = bool(SECURE_HSTS_SECONDS)
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # preload: the owner of a whole domain asks browsers for it, not one site
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=SECURE_SSL_REDIRECT)
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
STATUS_NETWORKS = env.list("STATUS_NETWORKS", default=[])  # CIDR: who may read /status and /metrics; none: everybody
networks.parsed("STATUS_NETWORKS", STATUS_NETWORKS)  # a wrong one stops the start
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# --- applications -----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the one that leaves the admin's site to us
    "tracking.apps.GuardedAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_q",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "tracking",
    "ingest",
    "resilience",
]
MIDDLEWARE = [
    "tracking.api.common.compression.CompressedApi",
    "django.middleware.security.SecurityMiddleware",
    "tracking.web.headers.describe_responses",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "tracking.web.attempts.AttemptLimits",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tracking.urls"
AUTHENTICATION_BACKENDS = ["tracking.web.attempts.LimitedBackend"]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
WSGI_APPLICATION = "tracking.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- PostgreSQL -------------------------------------------------------------------------------------------------------
# `default` may go through PgBouncer in transaction mode: no server-side cursors, no prepared statements, nothing in the
# start-up packet that a pooler refuses. `direct` reaches the server itself, for migrations and partitions.
EMBEDDED_POSTGRES = "DATABASE_URL" not in env.ENVIRON
_pooled = env.db_url("DATABASE_URL", default=embedded.postgres_url(DATA_DIR))
_direct = env.db_url("DATABASE_DIRECT_URL", default=env.str("DATABASE_URL", default=embedded.postgres_url(DATA_DIR)))
_timeouts = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
    # A statement is prepared only where the code asks for it (`tracking/postgresql/arrays.py`), and through a pooler
    # that cannot follow (PgBouncer before 1.21) not even there.
    "prepare_threshold": 10**9 if env.bool("DATABASE_PREPARE", default=EMBEDDED_POSTGRES) else None,
}
DATABASES = {
    "default": {
        **_pooled,
        "ENGINE": "tracking.postgresql",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {**_pooled.get("OPTIONS", {}), **_timeouts, "application_name": "tracking"},
    },
    "direct": {
        **_direct,
        "ENGINE": "tracking.postgresql",
        "CONN_MAX_AGE": 0,
        "OPTIONS": {**_direct.get("OPTIONS", {}), **_timeouts, "application_name": "tracking-direct"},
        "TEST": {"MIRROR": "default"},
    },
}

# --- Redis ------------------------------------------------------------------------------------------------------------
# `queue` holds accepted batches and breakers (append-only file, noeviction); `live` holds live state, derived and
# rebuilt at will, with RedisJSON. One pool a URL and process, no retries: a dead server answers in milliseconds.
_redis = env.str("REDIS_URL", default="")
QUEUE_REDIS_URL = env.str("QUEUE_REDIS_URL", default="") or _redis or embedded.redis_url(DATA_DIR, "queue")
LIVE_REDIS_URL = env.str("LIVE_REDIS_URL", default="") or _redis or embedded.redis_url(DATA_DIR, "live")


# Not pickle, django-redis's default: whoever can write to that Redis would run code here.
_JSON = "django_redis.serializers.json.JSONSerializer"


def _cache(url: str, prefix: str, answer_seconds: float, **options: object) -> dict[str, object]:
    """A django-redis cache on `url`; its raw connection is django_redis.get_redis_connection(alias)."""
    pool = connections.redis_pool_options(url, DATA_DIR, answer_seconds)
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": prefix,
        "OPTIONS": {"CONNECTION_POOL_KWARGS": pool, "SERIALIZER": _JSON, **options},
    }


# Nothing waits long for live state, which is derived: a frozen server holds each worker so long before it is let alone.
CACHES = {
    # Sessions and throttles: a cache that is away must not take the admin with it.
    "default": _cache(LIVE_REDIS_URL, "web", 2.0, IGNORE_EXCEPTIONS=True),
    "live": _cache(LIVE_REDIS_URL, "live", 2.0),
    "queue": _cache(QUEUE_REDIS_URL, "queue", 5.0),
    # Of this process: failed log-ins are counted while every server is away.
    "attempts": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "attempts",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
LIVE_TTL_SECONDS = env.int("LIVE_TTL_SECONDS", default=1800)
LIVE_PUBLIC = env.bool("LIVE_PUBLIC", default=False)
MAP_TILES = env.str("MAP_TILES", default="")  # a PMTiles file of vector tiles instead of the basemap that is here

# --- queue and workers ------------------------------------------------------------------------------------------------
Q_CLUSTER = {
    "name": "tracking",
    "broker_class": "resilience.queue.broker.StreamsBroker",
    "workers": env.int("WORKERS", default=2),
    "bulk": 10,
    "queue_limit": 8,
    "timeout": 60,
    "retry": 180,
    "save_limit": -1,
    "max_attempts": 0,
    "ack_failures": False,
    "recycle": 5000,
    "catch_up": False,
    "guard_cycle": 0.5,
    "poll": 0.2,
    "label": "Queue",
}
QUEUE_ALLOWED_TASKS = [
    "ingest.tasks.process_batch",
    "ingest.tasks.close_books",
    "resilience.tasks.retry_dead_letters",
    "resilience.tasks.retry_selection",
    "resilience.tasks.discard_selection",
    "resilience.tasks.expire_dead_letters",
    "tracking.tasks.keep_house",
    "tracking.tasks.judge_history",
    "tracking.tasks.look_for_events",
    "tracking.tasks.send_notifications",
]

# --- ingest and resilience --------------------------------------------------------------------------------------------
FEED_FILES_DIR = Path(env.str("FEED_FILES_DIR", default=str(DATA_DIR / "recordings"))).resolve()
FEED_ALLOW_NETWORKS = env.list("FEED_ALLOW_NETWORKS", default=[])  # CIDR: that feeds reach beside public ones
addresses.networks(FEED_ALLOW_NETWORKS)  # a wrong one stops the start
FEED_SILENT_SECONDS = env.int("FEED_SILENT_SECONDS", default=120)  # longer for a feed that is usually slow
ALERT_WEBHOOK_URL = env.str("ALERT_WEBHOOK_URL", default="")  # https://, told of silent and failing feeds
KEEP_HEARD_BY = env.bool("KEEP_HEARD_BY", default=True)  # the feeds of a position that several report
RELAY_STREAM_MB = env.int("RELAY_STREAM_MB", default=64)  # of live Redis, for what relays have yet to send
RECEIVER_RANGE_NM = env.float("RECEIVER_RANGE_NM", default=300.0)  # beyond it a Mode S position is not believed
INGEST_BATCH_SIZE = env.int("INGEST_BATCH_SIZE", default=1000)
BATCH_ATTEMPTS = env.int("BATCH_ATTEMPTS", default=5)  # of one that fails unexpectedly; then it is parked
BREAKER_FAILURES = env.int("BREAKER_FAILURES", default=5)
BREAKER_SUCCESSES = env.int("BREAKER_SUCCESSES", default=2)
BREAKER_RESET_SECONDS = env.float("BREAKER_RESET_SECONDS", default=30.0)
LIVE_BREAKER_RESET_SECONDS = env.float("LIVE_BREAKER_RESET_SECONDS", default=2.0)  # a probe of it costs nothing
DEAD_LETTER_RETRIES_PER_SECOND = env.float("DEAD_LETTER_RETRIES_PER_SECOND", default=50.0)  # of a job of the admin
DATABASE_DEADLINE_SECONDS = env.float("DATABASE_DEADLINE_SECONDS", default=20.0)
SPOOL_DIR = Path(env.str("SPOOL_DIR", default=str(DATA_DIR / "spool"))).resolve()  # local disk, one directory a host
SPOOL_MAX_BYTES = env.int("SPOOL_MAX_BYTES", default=2**30)  # full: TCP is not read, pushes get 503, UDP is dropped

# --- events -----------------------------------------------------------------------------------------------------------
ENCOUNTER_NM = env.float("ENCOUNTER_NM", default=0.3)  # closest approach that is an event; 0: nobody looks for any
ENCOUNTER_MINUTES = env.float("ENCOUNTER_MINUTES", default=10.0)  # how far ahead is looked
NOTIFY_ALLOW_NETWORKS = env.list(
    "NOTIFY_ALLOW_NETWORKS", default=[]
)  # CIDR: that notifications reach beside public ones
networks.parsed("NOTIFY_ALLOW_NETWORKS", NOTIFY_ALLOW_NETWORKS)  # a wrong one stops the start

# --- how long things are kept, in days; 0: for ever -------------------------------------------------------------------
KEEP_VESSEL_POSITIONS_DAYS = env.int("KEEP_VESSEL_POSITIONS_DAYS", default=0)
KEEP_AIRCRAFT_POSITIONS_DAYS = env.int("KEEP_AIRCRAFT_POSITIONS_DAYS", default=0)
KEEP_LEDGER_DAYS = env.int("KEEP_LEDGER_DAYS", default=7)  # then only the sums of a feed and day; outlives redeliveries
KEEP_DEAD_LETTERS_DAYS = env.int("KEEP_DEAD_LETTERS_DAYS", default=90)  # open ones expire, closed ones are deleted
KEEP_QUARANTINE_DAYS = env.int("KEEP_QUARANTINE_DAYS", default=30)  # the list of refused positions, not their rows
KEEP_EVENTS_DAYS = env.int("KEEP_EVENTS_DAYS", default=365)  # events that are over
KEEP_ARCHIVED_DAYS = env.int("KEEP_ARCHIVED_DAYS", default=0)

# --- archive ----------------------------------------------------------------------------------------------------------
ARCHIVE_AFTER_DAYS = env.int("ARCHIVE_AFTER_DAYS", default=0)  # older days leave PostgreSQL for Parquet; 0: none does
ARCHIVE_URL = env.str("ARCHIVE_URL", default="") or str(DATA_DIR / "archive")  # a directory, or s3://bucket/prefix
HISTORY_MEMORY_MB = env.int("HISTORY_MEMORY_MB", default=512)  # of a web process, for questions to the archive
HISTORY_THREADS = env.int("HISTORY_THREADS", default=2)  # of a web process, for the same

# --- web --------------------------------------------------------------------------------------------------------------
WEB_CONNECTIONS = env.int("WEB_CONNECTIONS", default=250)  # of a process; more make the longest waiting go
WEB_CONNECTIONS_PER_ADDRESS = env.int("WEB_CONNECTIONS_PER_ADDRESS", default=100)  # of a process, not behind a proxy
STREAM_CLIENTS = env.int("STREAM_CLIENTS", default=500)  # that follow /api/stream/ at once; more get 503
STREAM_CLIENTS_PER_ADDRESS = env.int("STREAM_CLIENTS_PER_ADDRESS", default=50)  # of these; 0: no share of an address
STREAM_PORT = env.int("STREAM_PORT", default=0)  # where web sends those who ask it for a stream; 0: a proxy leads them
# Nothing here takes files: what a form sends stays in memory, within limits, and nothing is written to disk.
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "tracking.web.static.ModuleStorage"},
}
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
DATETIME_FORMAT = "Y-m-d H:i:s"
API_KEY_DAYS = env.int("API_KEY_DAYS", default=365)  # longest life of a key; superusers may make some without end
REST_FRAMEWORK = {
    # The first one decides that nobody is a 401 (with `WWW-Authenticate: Token`), not a 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tracking.access.key_copies.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "tracking.api.common.documented.DocumentedErrors",
    "DEFAULT_FILTER_BACKENDS": ["tracking.api.filters.StrictFilters"],
    "DEFAULT_PARSER_CLASSES": [
        "tracking.api.common.parsers.StrictJSON",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_THROTTLE_CLASSES": [
        "tracking.api.common.throttles.AnonymousRate",
        "tracking.api.common.throttles.UserRate",
    ],
    "EXCEPTION_HANDLER": "tracking.api.common.errors.handle",
    "NUM_PROXIES": 1 if BEHIND_PROXY else 0,  # as `networks.client_address`
    "DEFAULT_THROTTLE_RATES": {
        "anon": env.str("API_RATE_ANONYMOUS", default="120/min"),
        "user": env.str("API_RATE_USER", default="1200/min"),
        "exports": env.str("API_RATE_EXPORTS", default="60/min"),  # of a user, or of an address without one
        "changes": env.str("API_RATE_CHANGES", default="600/min"),  # ten pages of one address, each every second
    },
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tracking",
    "DESCRIPTION": "Ships and aircraft that your receivers hear: live state, history and accounts.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],  # it is public: no key has to have a scope for it
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api",
    "ENUM_NAME_OVERRIDES": {
        "VesselKind": "tracking.positions.mmsi.MmsiForm",
        "StationKind": "tracking.models.Station.Kind",
        "EventKind": "tracking.events.models.event.EventKind",
        "LetterStatus": "resilience.models.DeadLetter.Status",
        "JobStatus": "resilience.models.LetterJob.Status",
        "NavigationStatus": "tracking.models.NavigationStatus",
    },
}
UNFOLD = {
    "SITE_TITLE": "Tracking",
    "SITE_HEADER": "Tracking",
    "SITE_ICON": lambda request: static("map/icon.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "href": lambda request: static("map/icon.svg"), "type": "image/svg+xml"}],
    "COLORS": {"base": colours.BASE, "primary": colours.PRIMARY},
    "SIDEBAR": {"show_search": True, "navigation": "tracking.theme.navigation"},
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "resilience.log_lines.OneLine",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django-q": {"level": "WARNING"},  # it says four lines a task
        "waitress": {"level": "WARNING"},  # a line for every client that hangs up
        "waitress.queue": {"level": "ERROR"},  # a line for every request that waits for a thread
    },
}
