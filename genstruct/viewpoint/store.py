"""What the stages of a view graph leave in files: tensors with a description, read back as they were.

A file is called by what it holds and by the digest of all that it was made from, so that it is found exactly where it
holds; what was made of other photos or settings is swept away once the new one is there.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from genstruct.data.source import Failure
from genstruct.files import write_bytes
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.em import Fit
from genstruct.viewpoint.fitting import pack_fit, unpack_fit
from genstruct.viewpoint.graph import Photos

FORMAT = 1
"""Raised where the content of a stage's file changes its meaning."""

T = TypeVar("T")
Parts = tuple[Mapping[str, Tensor], Mapping[str, Any]]
"""Tensors by name, and plain JSON values."""


@runtime_checkable
class Codec(Protocol[T]):
    """How a result becomes a file's parts and comes back."""

    def pack(self, result: T) -> Parts:
        """Parts of a result."""
        ...

    def unpack(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> T:
        """The result again."""
        ...


class Kept(Generic[T]):
    """The file of one stage.

    Args:
        folder: Where it lies.
        name: What it holds.
        made_from: All that decides it, plain JSON values.
        codec: Turns it to parts and back.
    """

    def __init__(self, folder: Path, name: str, made_from: object, codec: Codec[T]) -> None:
        self.key = digest(made_from)
        self.folder, self.name, self.codec = folder, name, codec
        self.path = folder / f"{name}-{self.key}.safetensors"

    def find(self) -> T | None:
        """The result if it is there; None also for a damaged file, which is then made again."""
        try:
            with safe_open(self.path, "pt") as opened:
                about = json.loads(opened.metadata()["about"])
                return self.codec.unpack({name: opened.get_tensor(name) for name in opened.keys()}, about)  # noqa: SIM118 - not a dictionary
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
            return None

    def keep(self, result: T) -> T:
        """Write it, and sweep what other photos or settings have left under this name.

        Returns:
            The result as a later session will find it, rounded as the file is.
        """
        tensors, about = self.codec.pack(result)
        parts = {name: tensor.contiguous() for name, tensor in tensors.items()}
        write_bytes(self.path, save(parts, {"about": json.dumps(about)}))
        for old in self.folder.glob(f"{self.name}-*.safetensors"):
            if old != self.path:
                old.unlink(missing_ok=True)
        return self.codec.unpack(parts, json.loads(json.dumps(about)))

    def made(self, make: Callable[..., T]) -> Callable[..., T]:
        """`make`, whose result is kept."""
        return lambda *given: self.keep(make(*given))


def digest(values: object) -> str:
    """A short digest of plain JSON values."""
    return hashlib.sha256(json.dumps([FORMAT, values], sort_keys=True).encode()).hexdigest()[:16]


class PhotosCodec:
    """Crops in 8 bits."""

    def pack(self, result: Photos) -> Parts:
        """See `Codec`."""
        crops = result.crops
        tensors = {
            "images": (crops.images * 255).round().byte(),
            "masks": (crops.masks * 255).round().byte(),
            "squares": crops.squares,
            "sizes": result.sizes,
        }
        failed = [[failure.name, failure.why] for failure in result.failed]
        return tensors, {"names": result.names, "failed": failed, "twins": dict(result.twins)}

    def unpack(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Photos:
        """See `Codec`."""
        crops = ObjectCrops(tensors["images"].float() / 255, tensors["masks"].float() / 255, tensors["squares"])
        failed = tuple(Failure(name, why) for name, why in about["failed"])
        return Photos(tuple(about["names"]), tensors["sizes"], crops, failed, about["twins"])


class FitCodec:
    """Shapes and posteriors."""

    def pack(self, result: Fit) -> Parts:
        """See `Codec`."""
        return pack_fit(result)

    def unpack(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Fit:
        """See `Codec`."""
        return unpack_fit(tensors, about)


class EdgesCodec:
    """Claims of interventions."""

    def pack(self, result: Edges) -> Parts:
        """See `Codec`."""
        return {field.name: getattr(result, field.name) for field in fields(result)}, {}

    def unpack(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Edges:
        """See `Codec`."""
        return Edges(**tensors)
