"""Events, what they are looked for by, and who is told of them.

btree_gist is a trusted extension: the owner of the database may create it.
"""

import uuid

import django.contrib.postgres.constraints
import django.contrib.postgres.fields
import django.contrib.postgres.fields.ranges
import django.core.validators
import django.db.models.deletion
from django.contrib.postgres.operations import BtreeGistExtension
from django.db import migrations, models

import tracking.events.models.rules


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0011_static_changes"),
    ]

    operations = [
        BtreeGistExtension(),
        migrations.CreateModel(
            name="Geofence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="as it is told in events", max_length=64, unique=True)),
                (
                    "area",
                    models.JSONField(
                        help_text="GeoJSON Polygon or MultiPolygon, WGS 84; over the antimeridian as two polygons (RFC 7946)",
                        validators=[tracking.events.models.rules.check_polygon],
                    ),
                ),
                (
                    "whose",
                    models.CharField(
                        choices=[("both", "ships and aircraft"), ("vessel", "ships"), ("aircraft", "aircraft")],
                        default="vessel",
                        help_text="which targets count",
                        max_length=8,
                    ),
                ),
                (
                    "tells_entering",
                    models.BooleanField(default=True, help_text="an event when a target is first heard inside"),
                ),
                (
                    "tells_leaving",
                    models.BooleanField(default=False, help_text="an event when it is heard outside again"),
                ),
                (
                    "dwell_minutes",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="an event when it has stayed so long, minutes; empty: none",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(43200),
                        ],
                    ),
                ),
                (
                    "limit_knots",
                    models.FloatField(
                        blank=True,
                        help_text="an event when it is faster inside, knots over ground; empty: none",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(2000),
                        ],
                    ),
                ),
                ("enabled", models.BooleanField(default=True, help_text="whether it is looked at")),
                ("changed_at", models.DateTimeField(auto_now=True, help_text="when it was saved last, UTC")),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="NotificationTarget",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="who that is", max_length=64, unique=True)),
                (
                    "url",
                    models.CharField(
                        help_text="of apprise: mailto://…, tgram://…, jsons://…; holds secrets", max_length=1000
                    ),
                ),
                (
                    "kinds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("emergency", "emergency squawk"),
                                ("distress", "distress transmitter"),
                                ("entered", "entered a geofence"),
                                ("left", "left a geofence"),
                                ("dwells", "stays in a geofence"),
                                ("speed", "over the speed limit"),
                                ("sighted", "sighted, on a watch-list"),
                                ("dark", "gone dark"),
                                ("encounter", "close encounter"),
                                ("dispute", "two tracks under one identity"),
                                ("spoofed", "spoofed area"),
                            ],
                            max_length=16,
                        ),
                        help_text="which events are sent there",
                        size=None,
                    ),
                ),
                ("enabled", models.BooleanField(default=True, help_text="whether anything is sent")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="WatchList",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="as it is told in events", max_length=64, unique=True)),
                ("note", models.CharField(blank=True, default="", help_text="what it is for", max_length=200)),
                ("enabled", models.BooleanField(default=True, help_text="whether it is looked at")),
                ("changed_at", models.DateTimeField(auto_now=True, help_text="when it was saved last, UTC")),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("emergency", "emergency squawk"),
                            ("distress", "distress transmitter"),
                            ("entered", "entered a geofence"),
                            ("left", "left a geofence"),
                            ("dwells", "stays in a geofence"),
                            ("speed", "over the speed limit"),
                            ("sighted", "sighted, on a watch-list"),
                            ("dark", "gone dark"),
                            ("encounter", "close encounter"),
                            ("dispute", "two tracks under one identity"),
                            ("spoofed", "spoofed area"),
                        ],
                        help_text="what it is",
                        max_length=16,
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        choices=[("vessel", "ship"), ("aircraft", "aircraft"), ("area", "area")],
                        help_text="what `identity` names",
                        max_length=8,
                    ),
                ),
                (
                    "identity",
                    models.CharField(help_text="MMSI, ICAO address, or latitude:longitude of an area", max_length=16),
                ),
                (
                    "reference",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="what tells two of one target apart: number of the geofence or list, squawk, MMSI of the other ship",
                        max_length=16,
                    ),
                ),
                ("since", models.DateTimeField(help_text="when it began, by the reports, UTC")),
                (
                    "held_at",
                    models.DateTimeField(help_text="when it was last known to go on, UTC, exact to about a minute"),
                ),
                ("until", models.DateTimeField(help_text="when it was over, UTC; NULL: it goes on", null=True)),
                (
                    "repeats_after",
                    models.DateTimeField(
                        help_text="from when on it may be told anew, UTC; NULL: it goes on", null=True
                    ),
                ),
                ("latitude", models.FloatField(help_text="degrees north, WGS 84, at its beginning", null=True)),
                ("longitude", models.FloatField(help_text="degrees east, WGS 84, at its beginning", null=True)),
                ("values", models.JSONField(default=dict, help_text="what the kind has to tell beside")),
                (
                    "source",
                    models.CharField(
                        blank=True, default="", help_text="label of the feed that showed it", max_length=32
                    ),
                ),
                ("noted_at", models.DateTimeField(auto_now_add=True, help_text="when it was found, UTC")),
                (
                    "geofence",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="events",
                        to="tracking.geofence",
                    ),
                ),
                (
                    "watch_list",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="events",
                        to="tracking.watchlist",
                    ),
                ),
            ],
            options={
                "ordering": ["-since", "-id"],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("sending", "being sent"),
                            ("sent", "sent"),
                            ("unknown", "may have arrived"),
                            ("given_up", "given up"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("attempts", models.SmallIntegerField(default=0, help_text="how often it was tried")),
                (
                    "next_retry_at",
                    models.DateTimeField(help_text="when it is tried next, UTC; NULL: not by itself", null=True),
                ),
                ("began_at", models.DateTimeField(help_text="when the latest attempt began, UTC", null=True)),
                ("ended_at", models.DateTimeField(help_text="when it was sent or given up, UTC", null=True)),
                (
                    "problem",
                    models.CharField(blank=True, default="", help_text="what the latest attempt met", max_length=200),
                ),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="deliveries", to="tracking.event"
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="tracking.notificationtarget",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ["-id"],
                "default_permissions": ("view", "change"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")), fields=["next_retry_at"], name="delivery_due"
                    ),
                    models.Index(
                        condition=models.Q(("state", "sending")), fields=["began_at"], name="delivery_sending"
                    ),
                    models.Index(fields=["state", "-id"], name="delivery_state"),
                ],
                "constraints": [models.UniqueConstraint(fields=("event", "target"), name="delivery_once")],
            },
        ),
        migrations.CreateModel(
            name="WatchedTarget",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject",
                    models.CharField(
                        choices=[("vessel", "vessel"), ("aircraft", "aircraft")], default="vessel", max_length=8
                    ),
                ),
                ("identity", models.CharField(help_text="MMSI or ICAO address", max_length=9)),
                ("note", models.CharField(blank=True, default="", help_text="who that is", max_length=100)),
                (
                    "watch_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="targets", to="tracking.watchlist"
                    ),
                ),
            ],
            options={
                "ordering": ["subject", "identity"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("watch_list", "subject", "identity"), name="watchedtarget_once")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["-since", "-id"], name="event_latest"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["kind", "-since", "-id"], name="event_kind"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["identity", "-since"], name="event_identity"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(condition=models.Q(("until", None)), fields=["kind", "held_at"], name="event_open"),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[
                    ("kind", "="),
                    ("subject", "="),
                    ("identity", "="),
                    ("reference", "="),
                    (
                        models.Func(
                            models.F("since"),
                            models.F("repeats_after"),
                            function="tstzrange",
                            output_field=django.contrib.postgres.fields.ranges.DateTimeRangeField(),
                        ),
                        "&&",
                    ),
                ],
                name="event_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(("until", None), ("until__gte", models.F("since")), _connector="OR"),
                name="event_ends_after_it_began",
            ),
        ),
    ]
