"""Have positions carry the number of their track, and make room for what the judge keeps."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0006_bounds_of_stored_values"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Unjudged",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(choices=[("vessel", "vessel"), ("aircraft", "aircraft")], max_length=8)),
                ("touched", models.BinaryField(help_text="msgpack: [identities], [first ms], [last ms] since 1970")),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="aircraftposition",
            name="track",
            field=models.SmallIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="0: the main track; 1 to 8: another under the same identity at the same time; 9: accepted by hand; below 0: refused (-1 outlier, -2 repeat, -3 spoofed, -4 coarse, -5 null island, -6 by hand)",
            ),
        ),
        migrations.AddField(
            model_name="vesselposition",
            name="track",
            field=models.SmallIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="0: the main track; 1 to 8: another under the same identity at the same time; 9: accepted by hand; below 0: refused (-1 outlier, -2 repeat, -3 spoofed, -4 coarse, -5 null island, -6 by hand)",
            ),
        ),
        migrations.CreateModel(
            name="Dispute",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(choices=[("vessel", "vessel"), ("aircraft", "aircraft")], max_length=8)),
                ("identity", models.CharField(help_text="MMSI or ICAO address", max_length=9)),
                ("since", models.DateTimeField(help_text="time of the first position that nothing confirms, UTC")),
                (
                    "until",
                    models.DateTimeField(
                        help_text="when one track was left and had gone on, UTC; NULL: open", null=True
                    ),
                ),
                (
                    "judged_until",
                    models.DateTimeField(help_text="time of the last position that `state` knows of, UTC"),
                ),
                ("state", models.JSONField(help_text="the open tracks, as the rule goes on with them", null=True)),
            ],
            options={
                "ordering": ["-since"],
                "default_permissions": ("view",),
                "indexes": [models.Index(fields=["-since"], name="dispute_since")],
                "constraints": [models.UniqueConstraint(fields=("subject", "identity", "since"), name="dispute_once")],
            },
        ),
        migrations.CreateModel(
            name="Jump",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(choices=[("vessel", "vessel"), ("aircraft", "aircraft")], max_length=8)),
                ("identity", models.CharField(help_text="MMSI or ICAO address", max_length=9)),
                ("at", models.DateTimeField(help_text="time of its first position, UTC")),
                ("latitude", models.FloatField(help_text="degrees north, WGS 84")),
                ("longitude", models.FloatField(help_text="degrees east, WGS 84")),
                ("from_latitude", models.FloatField(help_text="of the track that it left, degrees north")),
                ("from_longitude", models.FloatField(help_text="of the track that it left, degrees east")),
                ("number", models.SmallIntegerField(help_text="of the track, within its dispute")),
                ("fleet", models.BooleanField(default=False, help_text="one of many that jumped to one place")),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["at"], name="jump_at")],
                "constraints": [models.UniqueConstraint(fields=("subject", "identity", "at"), name="jump_once")],
            },
        ),
        migrations.CreateModel(
            name="RefusedPosition",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(choices=[("vessel", "vessel"), ("aircraft", "aircraft")], max_length=8)),
                ("identity", models.CharField(help_text="MMSI or ICAO address", max_length=9)),
                ("timestamp", models.DateTimeField(help_text="time of the position, UTC")),
                ("latitude", models.FloatField(help_text="degrees north, WGS 84")),
                ("longitude", models.FloatField(help_text="degrees east, WGS 84")),
                ("source", models.CharField(help_text="label of the feed", max_length=32)),
                (
                    "reason",
                    models.SmallIntegerField(
                        choices=[
                            (-1, "outlier"),
                            (-2, "repeat"),
                            (-3, "spoofed"),
                            (-4, "coarse"),
                            (-5, "null island"),
                            (-6, "by hand"),
                        ],
                        help_text="why it belongs to no track",
                    ),
                ),
                (
                    "distance_m",
                    models.FloatField(help_text="metres from the nearest track; NULL: there was none", null=True),
                ),
                ("seconds", models.FloatField(help_text="since that track's last position", null=True)),
                ("budget_m", models.FloatField(help_text="metres that were possible in that time", null=True)),
                (
                    "decision",
                    models.SmallIntegerField(
                        choices=[(-1, "refused by hand"), (0, "as judged"), (1, "accepted by hand")],
                        default=0,
                        help_text="of an operator",
                    ),
                ),
                (
                    "note",
                    models.CharField(blank=True, default="", help_text="why, in the operator's words", max_length=200),
                ),
                ("decided_at", models.DateTimeField(help_text="when, UTC", null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        help_text="which operator",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-timestamp"],
                "default_permissions": ("view", "change"),
                "indexes": [
                    models.Index(fields=["-timestamp"], name="refusedposition_time"),
                    models.Index(fields=["reason", "-timestamp"], name="refusedposition_reason"),
                    models.Index(
                        condition=models.Q(("decision", 0), _negated=True),
                        fields=["subject"],
                        name="refusedposition_decided",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("subject", "identity", "timestamp"), name="refusedposition_once")
                ],
            },
        ),
    ]
