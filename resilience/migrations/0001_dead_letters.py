import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
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
                ("note", models.TextField(blank=True, help_text="why it was discarded")),
            ],
            options={
                "ordering": ["-failed_at"],
                "permissions": [
                    ("retry_deadletter", "Can retry dead letters"),
                    ("discard_deadletter", "Can discard dead letters"),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "pending")), fields=["next_retry_at"], name="deadletter_due"
                    ),
                    models.Index(fields=["status", "-failed_at"], name="deadletter_status"),
                    models.Index(fields=["reason", "-failed_at"], name="deadletter_reason"),
                ],
                "constraints": [models.UniqueConstraint(fields=("batch_id", "ordinal"), name="deadletter_once")],
            },
        ),
    ]
