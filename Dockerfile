# The project without embedded servers and development tools: every service has a URL here (see docker-compose.yml).
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

RUN useradd --system --uid 10001 --create-home --shell /usr/sbin/nologin tracking
WORKDIR /srv/tracking

# The runtime's packages alone, each by its hash.
COPY .locks/runtime.txt .
RUN pip install --no-cache-dir --require-hashes --requirement runtime.txt

COPY manage.py ./
COPY tracking tracking
COPY ingest ingest
COPY resilience resilience

# Static files are made once, here: no volume may cover them, it would keep those of an older image.
ENV DATA_DIR=/data
RUN SECRET_KEY=$(python -c 'import secrets; print(secrets.token_hex(32))') python manage.py collectstatic --no-input --verbosity 0 \
    && mkdir -m 0700 /data/spool \
    && chown -R tracking:tracking /data
USER tracking
EXPOSE 8000

# One main process and no shell: django-q2 hangs when SIGTERM reaches its children too.
STOPSIGNAL SIGTERM
CMD ["python", "manage.py", "web", "--host=0.0.0.0", "--port=8000"]
