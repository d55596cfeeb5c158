from django.db import migrations, models

COUNTS = {
    "dead": "positions waiting as dead letters",
    "discarded": "positions of discarded dead letters",
    "duplicate": "positions that changed nothing",
    "foreign": "lines of other protocols",
    "lines": "lines or frames read",
    "merged": "positions that changed an existing row",
    "messages": "messages accepted",
    "other": "messages of other types",
    "positions": "position reports that passed validation",
    "sentences": "lines that became part of a message",
    "static": "static and voyage reports",
    "stations": "reports of base stations and aids to navigation",
    "stored": "positions that made a new row",
}


def all_columns(type_name):
    """One statement, which writes the table anew once; an AlterField for each would do so for each."""
    return "ALTER TABLE ingest_batch " + ", ".join(f'ALTER COLUMN "{name}" TYPE {type_name}' for name in COUNTS)


class Migration(migrations.Migration):
    dependencies = [
        ("ingest", "0002_closed_days"),
    ]

    operations = [
        migrations.RunSQL(
            all_columns("bigint"),
            all_columns("integer"),
            state_operations=[
                migrations.AlterField("batch", name, models.BigIntegerField(default=0, help_text=help_text))
                for name, help_text in COUNTS.items()
            ],
        ),
    ]
