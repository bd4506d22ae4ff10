"""A key for the address, filled in batches; not atomic, so that each batch is a transaction of its own."""

from django.db import migrations, models

BATCH = 60


def fill(apps, schema_editor):
    """Fill the key, 60 rows at a time."""
    customers = apps.get_model("shop", "Customer").objects
    while waiting := list(
        customers.filter(email_key=None).order_by("id").values_list("id", flat=True)[:BATCH]
    ):
        customers.filter(id__in=waiting).update(email_key=models.functions.Lower("email"))


class Migration(migrations.Migration):
    """Adds and fills."""

    atomic = False
    dependencies = [("shop", "0002_amount_in_bigint")]
    operations = [
        migrations.AddField(model_name="customer", name="email_key", field=models.TextField(null=True)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
