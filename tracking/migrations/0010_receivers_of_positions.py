"""Have a position say which feeds reported it, where several did."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tracking", "0009_age_of_verdicts")]

    operations = [
        migrations.AddField(
            model_name=model,
            name="heard_by",
            field=ArrayField(
                models.CharField(max_length=32),
                null=True,
                blank=True,
                editable=False,
                help_text="labels of the feeds that reported it, sorted; NULL: only `source` did",
            ),
        )
        for model in ("vesselposition", "aircraftposition")
    ]
