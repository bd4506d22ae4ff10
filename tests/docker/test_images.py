"""The images behave like the ones that users have."""

from __future__ import annotations

from docker_engine import Engine
from docker_images import Images


def test_the_images_are_there_by_id(engine: Engine, images: Images) -> None:
    """An image of these tests is not in the engine under its tag and id."""
    for tag, identity in images.tags.items():
        assert engine.docker("image", "inspect", "--format={{.Id}}", tag) == identity
