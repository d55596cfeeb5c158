"""Make room for scorecards, and let a feed stand in for another."""

import django.db.models.deletion
from django.db import migrations, models

_SECTORS = (
    "by bearing, 10 degrees each from north: furthest position and 95 of 100, nautical miles; "
    "NULL: the place of the antenna is not known"
)


class Migration(migrations.Migration):
    dependencies = [("ingest", "0007_relays")]

    operations = [
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
                (
                    "delay_ms",
                    models.IntegerField(help_text="median from the report to its reception, ms", null=True),
                ),
                ("sectors", models.JSONField(help_text=_SECTORS, null=True)),
            ],
            options={
                "ordering": ["-day", "source"],
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("source", "day"), name="scorecard_once")],
            },
        ),
        migrations.AddField(
            model_name="feed",
            name="stands_in_for",
            field=models.ForeignKey(
                blank=True,
                help_text="run only while that feed is silent or failing",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="stand_ins",
                to="ingest.feed",
            ),
        ),
    ]
