"""Make room for samples of the messages that are refused before they are rows."""

from django.db import migrations, models
from django.db.models.functions.datetime import Now


class Migration(migrations.Migration):
    dependencies = [("ingest", "0004_formats_of_the_field")]

    operations = [
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
                    models.DateTimeField(db_default=Now(), editable=False, help_text="when it was entered, UTC"),
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
    ]
