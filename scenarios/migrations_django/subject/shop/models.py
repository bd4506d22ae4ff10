"""The shop's two models, as they are after all migrations."""

from django.db import models


class Customer(models.Model):
    """Who buys."""

    email = models.TextField()
    name = models.TextField()
    email_key = models.TextField(null=True)


class Purchase(models.Model):
    """What was bought."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    amount_cents = models.BigIntegerField()
    status = models.TextField()
