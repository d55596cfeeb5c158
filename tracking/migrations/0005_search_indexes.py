"""Indexes of the search, whatever the case of the letters.

pg_trgm is a trusted extension: the owner of the database may create it.
"""

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0004_api_keys"),
    ]

    operations = [
        TrigramExtension(),
        migrations.RemoveIndex(
            model_name="aircraft",
            name="aircraft_callsign",
        ),
        migrations.RemoveIndex(
            model_name="aircraft",
            name="aircraft_registration",
        ),
        migrations.RemoveIndex(
            model_name="vessel",
            name="vessel_name",
        ),
        migrations.AddIndex(
            model_name="aircraft",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("callsign"), name="text_pattern_ops"
                ),
                name="aircraft_callsign_start",
            ),
        ),
        migrations.AddIndex(
            model_name="aircraft",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("registration"), name="text_pattern_ops"
                ),
                name="aircraft_registration_start",
            ),
        ),
        migrations.AddIndex(
            model_name="vessel",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                ),
                name="vessel_name_part",
            ),
        ),
        migrations.AddIndex(
            model_name="vessel",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("callsign"), name="text_pattern_ops"
                ),
                name="vessel_callsign_start",
            ),
        ),
        migrations.AddIndex(
            model_name="vessel",
            index=models.Index(fields=["imo"], name="vessel_imo"),
        ),
    ]
