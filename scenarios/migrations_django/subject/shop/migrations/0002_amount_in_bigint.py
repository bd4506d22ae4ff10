"""Amounts above 21 million: ALTER COLUMN TYPE, for which PostgreSQL writes the whole table anew."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """In one transaction, Django's default."""

    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AlterField(model_name="purchase", name="amount_cents", field=models.BigIntegerField()),
    ]
