"""Feeds, the ledger of their batches with its sums by day, scorecards, and relays."""

import uuid

import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("ingest", "0001_feeds_and_batches"),
        ("ingest", "0002_closed_days"),
        ("ingest", "0003_counts_of_batches_as_wide_as_those_of_days"),
        ("ingest", "0004_formats_of_the_field"),
        ("ingest", "0005_samples_of_refused_messages"),
        ("ingest", "0006_more_formats_and_streams"),
        ("ingest", "0007_relays"),
        ("ingest", "0008_scorecards_and_stand_ins"),
        ("ingest", "0009_tracks_of_gpx"),
    ]

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
                (
                    "origin",
                    models.CharField(
                        blank=True, help_text="where the bytes came from, without credentials", max_length=200
                    ),
                ),
                ("format", models.CharField(help_text="what the messages are", max_length=16)),
                ("accepted_at", models.DateTimeField(help_text="when the collector accepted it, UTC")),
                ("booked_at", models.DateTimeField(help_text="when it was booked, UTC")),
                ("lines", models.BigIntegerField(default=0, help_text="lines or frames read")),
                ("foreign", models.BigIntegerField(default=0, help_text="lines of other protocols")),
                (
                    "malformed",
                    models.JSONField(blank=True, default=dict, help_text="lines refused, counts by reason code"),
                ),
                ("sentences", models.BigIntegerField(default=0, help_text="lines that became part of a message")),
                (
                    "remarks",
                    models.JSONField(blank=True, default=dict, help_text="oddities that cost no line, counts by code"),
                ),
                ("messages", models.BigIntegerField(default=0, help_text="messages accepted")),
                ("positions", models.BigIntegerField(default=0, help_text="position reports that passed validation")),
                ("static", models.BigIntegerField(default=0, help_text="static and voyage reports")),
                (
                    "stations",
                    models.BigIntegerField(default=0, help_text="reports of base stations and aids to navigation"),
                ),
                ("other", models.BigIntegerField(default=0, help_text="messages of other types")),
                (
                    "rejected",
                    models.JSONField(blank=True, default=dict, help_text="messages refused, counts by reason code"),
                ),
                ("stored", models.BigIntegerField(default=0, help_text="positions that made a new row")),
                ("merged", models.BigIntegerField(default=0, help_text="positions that changed an existing row")),
                ("duplicate", models.BigIntegerField(default=0, help_text="positions that changed nothing")),
                ("dead", models.BigIntegerField(default=0, help_text="positions waiting as dead letters")),
                ("discarded", models.BigIntegerField(default=0, help_text="positions of discarded dead letters")),
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
                    models.Index(
                        condition=models.Q(("index__isnull", False), ("offset__isnull", False)),
                        fields=["source", "origin", "-accepted_at", "-offset"],
                        name="batch_resume",
                    ),
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
                        help_text="tcp://host:port, tcp-listen://address:port, udp://address:port, http(s)://host/path, stream+http(s)://host/path, aisstream://key@, push://, sim://?ships=60, or file:///path",
                        max_length=500,
                    ),
                ),
                (
                    "format",
                    models.CharField(
                        choices=[
                            ("nmea", "AIS: NMEA 0183 sentences (AIVDM, AIVDO)"),
                            ("aisstream", "AIS: JSON of aisstream.io, one message a line"),
                            ("ais-csv", "AIS: CSV of authorities and services, or with columns that are named"),
                            ("ais-json", "AIS: JSON of BarentsWatch, Digitraffic, AISHub, gpsd, or GeoJSON points"),
                            ("ais-xml", "AIS: XML of AISHub"),
                            ("sbs", "aircraft: SBS-1 / BaseStation lines"),
                            ("beast", "aircraft: Mode S frames, Beast binary"),
                            ("avr", "aircraft: Mode S frames, AVR text"),
                            (
                                "readsb",
                                "aircraft: aircraft.json of readsb, dump1090 or ADSBx v2, lists and single objects",
                            ),
                            ("virtual-radar", "aircraft: AircraftList.json of Virtual Radar Server"),
                            ("readsb-trace", "aircraft: trace_full of readsb"),
                            ("opensky", "aircraft: OpenSky state vectors"),
                            ("opensky-csv", "aircraft: OpenSky state vectors as CSV"),
                            ("uat", "aircraft: UAT (978 MHz) as JSON lines of dump978-fa"),
                            ("tracks", "aircraft: track points, one JSON object a line"),
                            ("gpx", "tracks of GPX, each named for its vessel or aircraft"),
                        ],
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
                (
                    "poll_seconds",
                    models.FloatField(
                        default=5,
                        help_text="seconds between two requests of an http(s):// feed, 1 to 3600",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                (
                    "options",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='http(s): {"headers": {…}, "oauth": {"token_url": "…", "client_id": "…", "client_secret": "…"}}; udp: {"senders": ["192.168.1.0/24"], "datagrams_per_second": 2000}; CSV: {"columns": "timestamp=t,mmsi=id,lat=y,lon=x"}; SBS recordings: {"zone": "Europe/Paris"}',
                    ),
                ),
                (
                    "receiver_latitude",
                    models.FloatField(
                        blank=True,
                        help_text="antenna, degrees north; Mode S needs it for aircraft on the ground",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(-90),
                            django.core.validators.MaxValueValidator(90),
                        ],
                    ),
                ),
                (
                    "receiver_longitude",
                    models.FloatField(
                        blank=True,
                        help_text="antenna, degrees east",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(-180),
                            django.core.validators.MaxValueValidator(180),
                        ],
                    ),
                ),
                (
                    "key_hash",
                    models.CharField(
                        blank=True,
                        editable=False,
                        help_text="SHA-256 of the key that receivers push with, hexadecimal",
                        max_length=64,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "stands_in_for",
                    models.ForeignKey(
                        blank=True,
                        help_text="run only while that feed is silent or failing",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="stand_ins",
                        to="ingest.feed",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("score__range", (1, 100))), name="feed_score"),
                    models.CheckConstraint(
                        condition=models.Q(("poll_seconds__range", (1, 3600))), name="feed_poll_seconds"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("receiver_latitude__isnull", True), ("receiver_longitude__isnull", True)),
                            models.Q(
                                ("receiver_latitude__range", (-90, 90)), ("receiver_longitude__range", (-180, 180))
                            ),
                            _connector="OR",
                        ),
                        name="feed_receiver",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DayAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(help_text="label of the feed", max_length=32)),
                ("day", models.DateField(help_text="day on which the batches were booked, UTC")),
                ("batches", models.BigIntegerField(default=0, help_text="lines of the ledger that are summed up here")),
                ("lines", models.BigIntegerField(default=0, help_text="lines or frames read")),
                ("foreign", models.BigIntegerField(default=0, help_text="lines of other protocols")),
                (
                    "malformed",
                    models.JSONField(blank=True, default=dict, help_text="lines refused, counts by reason code"),
                ),
                ("sentences", models.BigIntegerField(default=0, help_text="lines that became part of a message")),
                (
                    "remarks",
                    models.JSONField(blank=True, default=dict, help_text="oddities that cost no line, counts by code"),
                ),
                ("messages", models.BigIntegerField(default=0, help_text="messages accepted")),
                ("positions", models.BigIntegerField(default=0, help_text="position reports that passed validation")),
                ("static", models.BigIntegerField(default=0, help_text="static and voyage reports")),
                (
                    "stations",
                    models.BigIntegerField(default=0, help_text="reports of base stations and aids to navigation"),
                ),
                ("other", models.BigIntegerField(default=0, help_text="messages of other types")),
                (
                    "rejected",
                    models.JSONField(blank=True, default=dict, help_text="messages refused, counts by reason code"),
                ),
                ("stored", models.BigIntegerField(default=0, help_text="positions that made a new row")),
                ("merged", models.BigIntegerField(default=0, help_text="positions that changed an existing row")),
                ("duplicate", models.BigIntegerField(default=0, help_text="positions that changed nothing")),
                ("dead", models.BigIntegerField(default=0, help_text="positions waiting as dead letters")),
                ("discarded", models.BigIntegerField(default=0, help_text="positions of discarded dead letters")),
            ],
            options={
                "ordering": ["-day", "source"],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "day"), name="dayaccount_once"),
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
                        name="dayaccount_positions_add_up",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RefusedMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(help_text="label of the feed", max_length=32)),
                ("format", models.CharField(help_text="what the message is", max_length=16)),
                ("reason", models.CharField(help_text="code of the reason, as the accounts have it", max_length=64)),
                (
                    "slot",
                    models.SmallIntegerField(help_text="a number: a later sample takes the place of an earlier one"),
                ),
                ("received_at", models.DateTimeField(help_text="when it was heard, UTC")),
                ("raw", models.BinaryField(help_text="as it was received, cut off where it is very long")),
                (
                    "entered_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        help_text="when it was entered, UTC",
                    ),
                ),
            ],
            options={
                "ordering": ["-entered_at"],
                "default_permissions": ("view",),
                "indexes": [models.Index(fields=["-entered_at"], name="refusedmessage_entered")],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "reason", "slot"), name="refusedmessage_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Relay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="what the operator calls it", max_length=64, unique=True)),
                (
                    "url",
                    models.CharField(
                        help_text="udp://host:port (NMEA and Signal K), tcp://host:port to connect to, or tcp-listen://address:port to be connected to",
                        max_length=300,
                    ),
                ),
                (
                    "format",
                    models.CharField(
                        choices=[
                            ("nmea", "AIS: NMEA 0183 sentences"),
                            ("beast", "aircraft: Mode S frames, Beast binary"),
                            ("sbs", "aircraft: SBS-1 / BaseStation lines"),
                            ("signalk", "AIS: deltas of Signal K, one JSON object a line"),
                        ],
                        default="nmea",
                        help_text="what it speaks",
                        max_length=8,
                    ),
                ),
                ("enabled", models.BooleanField(default=True, help_text="whether `manage.py relay` runs it")),
                (
                    "feeds",
                    models.CharField(
                        blank=True,
                        help_text="labels of the feeds it passes on, comma separated; empty: all that are not simulated",
                        max_length=500,
                    ),
                ),
                ("positions", models.BooleanField(default=True, help_text="passes position reports on")),
                ("static", models.BooleanField(default=True, help_text="passes static and voyage data on")),
                (
                    "stations",
                    models.BooleanField(default=True, help_text="passes base stations and aids to navigation on"),
                ),
                (
                    "other",
                    models.BooleanField(
                        default=True, help_text="passes messages of other types on, where they came in raw"
                    ),
                ),
                (
                    "messages_per_second",
                    models.FloatField(
                        default=0,
                        help_text="messages a second at most, the rest is dropped; 0: no limit",
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100000),
                        ],
                    ),
                ),
                (
                    "max_age_seconds",
                    models.PositiveIntegerField(
                        default=60,
                        help_text="seconds after its acceptance for which a message is worth sending, 1 to 86400",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(86400),
                        ],
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("messages_per_second__range", (0, 100000))), name="relay_rate"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_age_seconds__range", (1, 86400))), name="relay_max_age"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Scorecard",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(help_text="label of the feed", max_length=32)),
                ("day", models.DateField(help_text="UTC")),
                ("heard", models.BigIntegerField(help_text="position reports of it")),
                ("first", models.BigIntegerField(help_text="of them, those that made a new row")),
                ("alone", models.BigIntegerField(help_text="positions that no other feed reported, about")),
                ("refused", models.BigIntegerField(help_text="messages refused")),
                ("delay_ms", models.IntegerField(help_text="median from the report to its reception, ms", null=True)),
                (
                    "sectors",
                    models.JSONField(
                        help_text="by bearing, 10 degrees each from north: furthest position and 95 of 100, nautical miles; NULL: the place of the antenna is not known",
                        null=True,
                    ),
                ),
            ],
            options={
                "ordering": ["-day", "source"],
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("source", "day"), name="scorecard_once")],
            },
        ),
    ]
