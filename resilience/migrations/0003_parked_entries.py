"""The permissions of parked entries in the admin; there is no table."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("resilience", "0002_jobs_groups_and_expiry_of_dead_letters")]

    operations = [
        migrations.CreateModel(
            name="ParkedEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
            options={
                "verbose_name": "parked entry",
                "verbose_name_plural": "parked entries",
                "permissions": [
                    ("view_parked", "Can see parked entries of the queue"),
                    ("operate_parked", "Can return and discard parked entries of the queue"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
    ]
