"""The site's settings; the database's address comes from the environment in production."""

import os

SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "only for commands that sign nothing")
INSTALLED_APPS = ["shop"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ.get("SHOP_DB", "shop")}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
