"""Keys of the API, hashed. Those that Django REST framework kept in the clear go on, with all scopes, for a year.

The way back makes that table again, empty: what is hashed cannot be read, so its keys have to be made anew.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

OLD = "authtoken_token"
CARRY_OVER = f"""
INSERT INTO tracking_apikey (user_id, name, prefix, key_hash, scopes, created_at, expires_at)
SELECT user_id, 'Token', left(key, 6), encode(sha256(convert_to(key, 'UTF8')), 'hex'),
       '{{live,history,operate}}', created, now() + interval '365 days'
FROM {OLD}
"""
MAKE_OLD = f"""
CREATE TABLE {OLD} (
    key varchar(40) PRIMARY KEY,
    created timestamptz NOT NULL,
    user_id integer NOT NULL UNIQUE REFERENCES auth_user DEFERRABLE INITIALLY DEFERRED
)
"""


def carry_over(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if OLD in schema_editor.connection.introspection.table_names(cursor):
            cursor.execute(CARRY_OVER)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing may be pending where a table is dropped
            cursor.execute(f"DROP TABLE {OLD}")
    # Nothing answers to these permissions any more, and forms would go on offering them.
    apps.get_model("auth", "Permission").objects.filter(content_type__app_label="authtoken").delete()


def make_old(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT FROM django_migrations WHERE app = 'authtoken'")
        if cursor.rowcount:  # else the older version makes it by itself
            cursor.execute(MAKE_OLD)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("tracking", "0002_positions"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="what it is for", max_length=64)),
                (
                    "prefix",
                    models.CharField(editable=False, help_text="how the key begins, to tell keys apart", max_length=16),
                ),
                (
                    "key_hash",
                    models.CharField(
                        editable=False, help_text="SHA-256 of the key, hexadecimal", max_length=64, unique=True
                    ),
                ),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("live", "read live state"),
                                ("history", "read history, feeds and dead letters"),
                                ("operate", "retry, edit and discard dead letters"),
                            ],
                            max_length=16,
                        ),
                        help_text="what it may be used for",
                        size=None,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField(blank=True, help_text="when it ends, UTC; NULL: never", null=True)),
                (
                    "last_used_at",
                    models.DateTimeField(
                        blank=True, editable=False, help_text="latest use, UTC, exact to about a minute", null=True
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "ordering": ["-created_at"],
                "default_permissions": ("add", "view", "delete"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("scopes__contained_by", ["live", "history", "operate"])),
                        name="apikey_scopes",
                    )
                ],
            },
        ),
        migrations.RunPython(carry_over, make_old),
    ]
