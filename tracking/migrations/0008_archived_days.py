"""Which days of positions lie in the archive."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0007_tracks_and_verdicts"),
    ]

    operations = [
        migrations.CreateModel(
            name="ArchivedDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("vessel", "vessels"), ("aircraft", "aircraft")],
                        help_text="whose positions",
                        max_length=8,
                    ),
                ),
                ("day", models.DateField(help_text="day of the positions, UTC")),
                ("rows", models.BigIntegerField(help_text="number of positions")),
                ("bytes", models.BigIntegerField(help_text="size of the file, bytes")),
                (
                    "hash",
                    models.CharField(help_text="sum of the hashes of all rows, whatever their order", max_length=32),
                ),
                ("at", models.DateTimeField(help_text="time of archiving, UTC")),
                (
                    "restored_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="time of the day's return to PostgreSQL for a while, UTC; NULL: it is not there",
                        null=True,
                    ),
                ),
            ],
            options={
                "ordering": ["-day", "kind"],
                "constraints": [models.UniqueConstraint(fields=("kind", "day"), name="archivedday_once")],
            },
        ),
    ]
