"""Dead letters and their jobs; the permissions of breakers and parked entries, which have no tables."""

import uuid

import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("resilience", "0001_dead_letters"),
        ("resilience", "0002_jobs_groups_and_expiry_of_dead_letters"),
        ("resilience", "0003_parked_entries"),
    ]

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Switchboard",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
            options={
                "verbose_name": "circuit breaker",
                "verbose_name_plural": "circuit breakers",
                "permissions": [
                    ("view_breaker", "Can see circuit breakers"),
                    ("operate_breaker", "Can trip and reset circuit breakers"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(help_text="which registered handler replays it", max_length=32)),
                ("batch_id", models.UUIDField(help_text="the batch it came in")),
                ("ordinal", models.IntegerField(help_text="its place in that batch, from 0; -1: the batch itself")),
                ("source", models.CharField(help_text="label of the feed", max_length=32)),
                ("received_at", models.DateTimeField(help_text="when the receiver heard it, UTC")),
                ("raw", models.BinaryField(help_text="the message as it was received")),
                (
                    "context",
                    models.JSONField(blank=True, default=dict, help_text="what the handler needs to replay it"),
                ),
                ("stage", models.CharField(help_text="the stage that failed", max_length=16)),
                ("reason", models.CharField(help_text="stable code of the reason", max_length=64)),
                ("sqlstate", models.CharField(blank=True, help_text="PostgreSQL's error code", max_length=5)),
                ("message", models.CharField(blank=True, help_text="the error's text", max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("exhausted", "exhausted: no automatic retry is left"),
                            ("resolved", "resolved"),
                            ("discarded", "discarded"),
                            ("expired", "expired: nobody resolved it in time"),
                        ],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("attempts", models.SmallIntegerField(default=0, help_text="retries so far")),
                ("failed_at", models.DateTimeField(help_text="time of the latest failure, UTC")),
                (
                    "next_retry_at",
                    models.DateTimeField(
                        blank=True, help_text="when the schedule retries it; NULL: not by itself", null=True
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "closed_at",
                    models.DateTimeField(blank=True, help_text="when it was resolved or discarded", null=True),
                ),
                ("closed_by", models.CharField(blank=True, help_text="who resolved or discarded it", max_length=150)),
                ("note", models.TextField(blank=True, help_text="why it was discarded, or what the retry did")),
                (
                    "edited",
                    models.BinaryField(
                        help_text="what is replayed instead of `raw`; NULL: nobody edited it", null=True
                    ),
                ),
                ("edited_at", models.DateTimeField(blank=True, help_text="when it was edited last, UTC", null=True)),
                ("edited_by", models.CharField(blank=True, help_text="who edited it last", max_length=150)),
                (
                    "fingerprint",
                    models.CharField(
                        default="ungrouped", help_text="the same for letters that failed in the same way", max_length=16
                    ),
                ),
                (
                    "history",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="the latest 20 things done with it: at, by, action, result, detail",
                    ),
                ),
                ("traceback", models.TextField(blank=True, help_text="where in the code, the last 8,000 characters")),
            ],
            options={
                "ordering": ["-failed_at"],
                "permissions": [
                    ("retry_deadletter", "Can retry dead letters"),
                    ("discard_deadletter", "Can discard dead letters"),
                    ("edit_deadletter", "Can edit dead letters before a retry"),
                    ("export_deadletter", "Can export dead letters"),
                    ("view_traceback", "Can see the tracebacks of dead letters"),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "pending")), fields=["next_retry_at"], name="deadletter_due"
                    ),
                    models.Index(fields=["status", "-failed_at"], name="deadletter_status"),
                    models.Index(fields=["reason", "-failed_at"], name="deadletter_reason"),
                    models.Index(fields=["source", "-failed_at"], name="deadletter_source"),
                    models.Index(fields=["stage", "-failed_at"], name="deadletter_stage"),
                    models.Index(fields=["fingerprint", "-failed_at"], name="deadletter_fingerprint"),
                    models.Index(fields=["-failed_at"], name="deadletter_latest"),
                    models.Index(fields=["created_at"], name="deadletter_age"),
                    models.Index(
                        condition=models.Q(("status__in", ("pending", "exhausted"))),
                        fields=["fingerprint", "created_at"],
                        name="deadletter_open_groups",
                    ),
                    models.Index(
                        condition=models.Q(("status__in", ("resolved", "discarded"))),
                        fields=["closed_at"],
                        name="deadletter_closed",
                    ),
                ],
                "constraints": [models.UniqueConstraint(fields=("batch_id", "ordinal"), name="deadletter_once")],
            },
        ),
        migrations.CreateModel(
            name="LetterJob",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("action", models.CharField(choices=[("retry", "retry"), ("discard", "discard")], max_length=8)),
                ("selection", models.JSONField(blank=True, default=dict, help_text="the filter; empty: all letters")),
                ("frozen_at", models.DateTimeField(help_text="letters that died or failed later are not meant, UTC")),
                ("reason", models.CharField(blank=True, help_text="why the letters are discarded", max_length=300)),
                ("created_by", models.CharField(help_text="who asked for it", max_length=150)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("running", "running"),
                            ("done", "done"),
                            ("cancelled", "cancelled"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                (
                    "total",
                    models.IntegerField(blank=True, help_text="letters at the beginning; NULL: not begun", null=True),
                ),
                ("done", models.IntegerField(default=0, help_text="letters dealt with = resolved + failed + skipped")),
                ("resolved", models.IntegerField(default=0, help_text="letters that were resolved, or discarded")),
                ("failed", models.IntegerField(default=0, help_text="letters that failed again")),
                (
                    "skipped",
                    models.IntegerField(
                        default=0, help_text="letters in other hands, or that stopped their worker 3 times"
                    ),
                ),
                (
                    "progressed_at",
                    models.DateTimeField(blank=True, help_text="when a worker last had it, UTC", null=True),
                ),
                (
                    "finished_at",
                    models.DateTimeField(blank=True, help_text="when it was done or cancelled, UTC", null=True),
                ),
                (
                    "cursor",
                    models.UUIDField(
                        editable=False, help_text="the last letter dealt with, in the order of ids", null=True
                    ),
                ),
                (
                    "tries",
                    models.SmallIntegerField(
                        default=0, editable=False, help_text="times the letter after it was begun"
                    ),
                ),
                (
                    "runner",
                    models.UUIDField(
                        editable=False, help_text="the slice that has the job; an older one stops", null=True
                    ),
                ),
            ],
            options={
                "verbose_name": "dead-letter job",
                "ordering": ["-created_at"],
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["-created_at"], name="letterjob_latest"),
                    models.Index(
                        condition=models.Q(("status__in", ("queued", "running"))),
                        fields=["created_at"],
                        name="letterjob_active",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "done",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("resolved"), "+", models.F("failed")
                                    ),
                                    "+",
                                    models.F("skipped"),
                                ),
                            )
                        ),
                        name="letterjob_adds_up",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ParkedEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
            options={
                "verbose_name": "parked entry",
                "verbose_name_plural": "parked entries",
                "permissions": [
                    ("view_parked", "Can see parked entries of the queue"),
                    ("operate_parked", "Can return and discard parked entries of the queue"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
    ]
