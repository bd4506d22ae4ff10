"""One command up, one command down: a Docker engine of the tests' own, with its images, to try things by hand.

    python tests/docker/docker_command.py base            installs what is missing, makes the images' base
    python tests/docker/docker_command.py up FOLDER       starts an engine below FOLDER; prints address and ids
    python tests/docker/docker_command.py down FOLDER     ends it and removes FOLDER

Needs root. `base` runs with any Python 3.11, `up` with the one that the project is installed in.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docker_engine import Engine, EngineFailed, EngineMissing, install, started
from docker_images import base_tar, load_images


def main(words: list[str]) -> int:
    """Do what the first word says."""
    match words:
        case ["base"]:
            install()
            print(base_tar())
        case ["up", folder]:
            engine = started(Path(folder))
            images = load_images(engine)
            print(f"DOCKER_HOST={engine.address}")
            for tag, identity in sorted(images.tags.items()):
                print(f"{tag} {identity}")
        case ["down", folder]:
            Engine(folder=Path(folder)).remove()
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (EngineMissing, EngineFailed) as wrong:
        sys.exit(str(wrong))
