import django.core.validators
import django.db.models.expressions
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Batch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        help_text="made before acceptance",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("run", models.UUIDField(help_text="the run of a collector that accepted it")),
                ("source", models.CharField(help_text="label of the feed", max_length=32)),
                ("format", models.CharField(help_text="what the messages are", max_length=16)),
                ("accepted_at", models.DateTimeField(help_text="when the collector accepted it, UTC")),
                ("booked_at", models.DateTimeField(help_text="when it was booked, UTC")),
                ("lines", models.IntegerField(default=0, help_text="lines or frames read")),
                ("foreign", models.IntegerField(default=0, help_text="lines of other protocols")),
                (
                    "malformed",
                    models.JSONField(blank=True, default=dict, help_text="lines refused, counts by reason code"),
                ),
                ("sentences", models.IntegerField(default=0, help_text="lines that became part of a message")),
                (
                    "remarks",
                    models.JSONField(blank=True, default=dict, help_text="oddities that cost no line, counts by code"),
                ),
                ("messages", models.IntegerField(default=0, help_text="messages accepted")),
                ("positions", models.IntegerField(default=0, help_text="position reports that passed validation")),
                ("static", models.IntegerField(default=0, help_text="static and voyage reports")),
                (
                    "stations",
                    models.IntegerField(default=0, help_text="reports of base stations and aids to navigation"),
                ),
                ("other", models.IntegerField(default=0, help_text="messages of other types")),
                (
                    "rejected",
                    models.JSONField(blank=True, default=dict, help_text="messages refused, counts by reason code"),
                ),
                ("stored", models.IntegerField(default=0, help_text="positions that made a new row")),
                ("merged", models.IntegerField(default=0, help_text="positions that changed an existing row")),
                ("duplicate", models.IntegerField(default=0, help_text="positions that changed nothing")),
                ("dead", models.IntegerField(default=0, help_text="positions waiting as dead letters")),
                ("discarded", models.IntegerField(default=0, help_text="positions of discarded dead letters")),
                (
                    "offset",
                    models.BigIntegerField(
                        blank=True, help_text="where a recording goes on after this batch, bytes", null=True
                    ),
                ),
                (
                    "index",
                    models.BigIntegerField(blank=True, help_text="number of the message at that offset", null=True),
                ),
            ],
            options={
                "verbose_name_plural": "batches",
                "ordering": ["-booked_at"],
                "indexes": [
                    models.Index(fields=["run"], name="batch_run"),
                    models.Index(fields=["source", "-booked_at"], name="batch_source"),
                    models.Index(fields=["-booked_at"], name="batch_booked"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "positions",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            django.db.models.expressions.CombinedExpression(
                                                models.F("stored"), "+", models.F("merged")
                                            ),
                                            "+",
                                            models.F("duplicate"),
                                        ),
                                        "+",
                                        models.F("dead"),
                                    ),
                                    "+",
                                    models.F("discarded"),
                                ),
                            )
                        ),
                        name="batch_positions_add_up",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Feed",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="what the operator calls it", max_length=64, unique=True)),
                (
                    "url",
                    models.CharField(
                        help_text="tcp://host:port, tcp-listen://address:port, udp://address:port, sim://?ships=60, or file:///path",
                        max_length=500,
                    ),
                ),
                (
                    "format",
                    models.CharField(
                        choices=[("nmea", "AIS: NMEA 0183 sentences (AIVDM, AIVDO)")],
                        default="nmea",
                        help_text="what its bytes are",
                        max_length=16,
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        help_text="the label its positions carry, at most 32 characters",
                        max_length=32,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9._-]+$", "Letters, digits, dots, dashes and underscores."
                            )
                        ],
                    ),
                ),
                (
                    "score",
                    models.SmallIntegerField(
                        default=80,
                        help_text="trust, 1 to 100: the greater wins where two feeds report the same moment",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                ("enabled", models.BooleanField(default=True, help_text="whether `manage.py ingest` runs it")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("score__range", (1, 100))), name="feed_score")
                ],
            },
        ),
    ]
