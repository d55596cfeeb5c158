"""A table of what vessels and aircraft said of themselves before."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0010_receivers_of_positions"),
    ]

    operations = [
        migrations.CreateModel(
            name="AircraftChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("field", models.CharField(help_text="which value, by its name in the identity", max_length=16)),
                ("value", models.CharField(help_text="what it is from then on, in the identity's unit", max_length=20)),
                (
                    "source",
                    models.CharField(blank=True, help_text="label of the feed that said it first", max_length=32),
                ),
                ("since", models.DateTimeField(help_text="time of the report that said it first, UTC")),
                (
                    "aircraft",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="which",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="changes",
                        to="tracking.aircraft",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "aircraft changes",
                "ordering": ["-since", "-id"],
                "default_permissions": ("view",),
                "indexes": [models.Index(fields=["aircraft", "-since", "-id"], name="aircraftchange_history")],
            },
        ),
        migrations.CreateModel(
            name="VesselChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("field", models.CharField(help_text="which value, by its name in the identity", max_length=16)),
                ("value", models.CharField(help_text="what it is from then on, in the identity's unit", max_length=20)),
                (
                    "source",
                    models.CharField(blank=True, help_text="label of the feed that said it first", max_length=32),
                ),
                ("since", models.DateTimeField(help_text="time of the report that said it first, UTC")),
                (
                    "vessel",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="who",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="changes",
                        to="tracking.vessel",
                    ),
                ),
            ],
            options={
                "ordering": ["-since", "-id"],
                "default_permissions": ("view",),
                "indexes": [models.Index(fields=["vessel", "-since", "-id"], name="vesselchange_history")],
            },
        ),
    ]
