"""The groups of the roles. Groups of an operator's own that have their names keep their rights under another name.

What the roles may do is set after every migrate (`tracking/access/roles.py`), because permissions exist only then.
"""

from django.db import migrations

ROLES = ("viewer", "operator", "admin")
KEPT = "{} (before roles)"


def make(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects
    for role in ROLES:
        groups.filter(name=role).update(name=KEPT.format(role))
        groups.create(name=role)


def remove(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects
    for role in ROLES:
        groups.filter(name=role).delete()
        groups.filter(name=KEPT.format(role)).update(name=role)


class Migration(migrations.Migration):
    dependencies = [
        ("tracking", "0012_events"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [migrations.RunPython(make, remove)]
