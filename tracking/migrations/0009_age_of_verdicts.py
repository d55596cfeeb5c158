"""Have what the judge keeps beside the rows say when it was entered, so that it can go with age."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations, models
from django.db.models.functions.datetime import Now

MODELS = ("dispute", "jump", "refusedposition")


class Migration(migrations.Migration):
    dependencies = [("tracking", "0008_archived_days")]

    operations = [
        *(
            migrations.AddField(
                model_name=model,
                name="entered_at",
                field=models.DateTimeField(db_default=Now(), editable=False, help_text="when it was entered, UTC"),
            )
            for model in MODELS
        ),
        *(
            migrations.AddIndex(model_name=model, index=BrinIndex(fields=["entered_at"], name=f"{model}_entered"))
            for model in MODELS
        ),
    ]
