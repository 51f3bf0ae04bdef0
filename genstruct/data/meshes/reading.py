"""What goes along while a mesh file is read: its place, limits, the files beside it, and remarks for the user."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from genstruct.data.meshes.names import find_beside, shown
from genstruct.data.read import read_picture
from genstruct.errors import DataError, ImageError

MOST_WHOLE = 64
"""Pictures of the largest size that are held at once, some 800 MB."""


@dataclass
class Reading:
    """One file on its way to a mesh.

    Args:
        path: The file.
        largest: Pictures shrink to at most this many pixels squared.
        most_faces, most_bytes: Limits.
        notes: Harmless remarks. `note` adds one.
        problems: What of the file was lost. `lost` adds one.
    """

    path: Path
    largest: int = 2048
    most_faces: int = 2_000_000
    most_bytes: int = 512_000_000
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _pictures: dict[Path, UInt8[np.ndarray, "height width 3"] | None] = field(default_factory=dict)

    def note(self, remark: str) -> None:
        line = f"{self.path}: {remark}"
        if line not in self.notes:
            self.notes.append(line)

    def lost(self, remark: str) -> None:
        line = f"{self.path}: {remark}"
        if line not in self.problems:
            self.problems.append(line)

    def broken(self, reason: str) -> DataError:
        """The error for a file that cannot be read on."""
        return DataError(f"{self.path} cannot be read as a mesh ({reason}); it may be damaged, export it again")

    def expect(self, pictures: int) -> None:
        """Make pictures smaller where so many would not fit the memory; they share one texture in the end."""
        if pictures > MOST_WHOLE:
            self.largest = max(round(self.largest * (MOST_WHOLE / pictures) ** 0.5), 1)

    def check_faces(self, faces: int) -> None:
        """Raises `DataError` for more triangles than are read."""
        if faces > self.most_faces:
            raise DataError(
                f"{self.path} has {faces} triangles, at most {self.most_faces} are read; "
                "simplify the mesh or allow more"
            )

    def check_finite(self, places: np.ndarray) -> None:
        """Raises `DataError` where a corner of a face is no place."""
        if not np.isfinite(places).all():
            raise DataError(f"{self.path} has vertices that are NaN or infinite; repair it, or export it again")

    def corners(self, given: np.ndarray, points: int, what: str) -> Int[np.ndarray, " _"]:
        """Numbers of points, from 0, that a face or the like names.

        Raises:
            DataError: One is no whole number, or of a point that is not there.
        """
        fits = (given >= 0) & (given < points)
        if given.dtype.kind == "f":
            fits &= given == np.rint(given)
        if not fits.all():
            raise self.broken(f"a {what} names vertex {given[~fits][0]:.10g} of {points}, counted from 0")
        return given.astype(np.int64)

    def beside(self, name: str) -> bytes | None:
        """The contents of a file that the mesh names, or None without it."""
        place = find_beside(self.path.parent, name)
        if place is None:
            return None
        try:
            if (size := place.stat().st_size) > self.most_bytes:
                raise DataError(
                    f"{place} has {size / 1e6:.1f} MB, at most {self.most_bytes / 1e6:.1f} MB are read; allow more"
                )
            return place.read_bytes()
        except OSError:
            return None

    def has_beside(self, name: str) -> bool:
        return find_beside(self.path.parent, name) is not None

    def picture_beside(self, name: str, by: str) -> UInt8[np.ndarray, "height width 3"] | None:
        """The pixels of a picture that `by` names, or None and a line of what was lost."""
        place = find_beside(self.path.parent, name)
        if place is None:
            self.lost(f"the picture {shown(name)} that {by} names is not there; drawn without it")
            return None
        if place not in self._pictures:
            self._pictures[place] = self.picture(place, name)
        return self._pictures[place]

    def picture(self, data: bytes | Path, name: str) -> UInt8[np.ndarray, "height width 3"] | None:
        """The pixels of a picture, shrunk to what is drawn, or None and a line of what was lost."""
        try:
            pixels = read_picture(data, name, transparent="ignored").pixels
        except ImageError as error:
            reason = str(error).removeprefix(f"{name}: ").split(";")[0]
            self.lost(f"the picture {name!r} is lost: {reason}; drawn without it")
            return None
        factor = self.largest / (pixels.shape[0] * pixels.shape[1]) ** 0.5
        if factor >= 1:
            return pixels
        size = (max(round(pixels.shape[1] * factor), 1), max(round(pixels.shape[0] * factor), 1))
        return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
