"""glTF 2.0 (.gltf, .glb): the meshes of the scene, in the file's default pose."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from genstruct.data.meshes.gltf_file import Document
from genstruct.data.meshes.gltf_materials import BARE, Material, Materials, Placed
from genstruct.data.meshes.gltf_nodes import Nodes, Standing
from genstruct.data.meshes.parts import PLAIN, Part
from genstruct.data.meshes.reading import Reading

_WIDTHS = {"POSITION": (3,), "TEXCOORD": (2,), "COLOR": (3, 4), "JOINTS": (4,), "WEIGHTS": (4,)}
"""Numbers that an attribute may have at each corner."""
_LINES = {0: "points", 1: "lines", 2: "lines", 3: "lines"}


def read_gltf(data: bytes, reading: Reading) -> list[Part]:
    """The surfaces of the scene.

    Raises:
        DataError: Another version, a part that is not there, or an extension that is required and not implemented.
    """
    document = Document(data, reading)
    scene = _Scene(document)
    return [part for standing in scene.nodes.standing() for part in scene.parts(standing)]


class _Scene:
    """Meshes as triangles, where they stand."""

    def __init__(self, document: Document) -> None:
        self._document, self._reading = document, document.reading
        self.nodes = Nodes(document)
        self._materials = Materials(document)
        self._faces = 0

    def parts(self, standing: Standing) -> list[Part]:
        """A mesh in all its places."""
        mesh = self._document.item("meshes", standing.mesh)
        weights = standing.weights or mesh.get("weights") or []
        found = []
        for number, primitive in enumerate(mesh["primitives"]):
            name = f"primitive {number} of meshes[{standing.mesh}]"
            mode = primitive.get("mode", 4)
            if mode in _LINES:
                self._reading.note(f"{_LINES[mode]} are not drawn")
                continue
            if "POSITION" not in primitive.get("attributes", {}):
                self._reading.lost(f"{name} has no positions; left out")
                continue
            self._check_compressed(primitive)
            found += self._placed(primitive, weights, standing, name)
        return found

    def _check_compressed(self, primitive: Mapping[str, Any]) -> None:
        """A primitive may hold its shape twice, compressed and plain; or compressed only."""
        for name in primitive.get("extensions", {}):
            if not name.endswith("_mesh_compression"):
                continue
            accessor = self._document.item("accessors", primitive["attributes"]["POSITION"])
            if "bufferView" not in accessor and "sparse" not in accessor:
                raise self._document.missing(name)
            self._reading.note(f"{name} is not implemented; its fallback is read")

    def _placed(self, primitive: Mapping[str, Any], weights: list[float], standing: Standing, name: str) -> list[Part]:
        points = self._morphed(primitive, "POSITION", weights)
        faces = self._triangles(primitive, len(points), len(standing.places), name)
        if not len(faces):
            return []
        self._reading.check_finite(points[np.unique(faces)])
        wear = self._worn(primitive, weights, faces, name)
        if standing.skin is not None and "JOINTS_0" in primitive["attributes"]:
            points, mirrored = self._skinned(primitive, points, standing.skin)
            return [_turned(points, faces, mirrored[faces[:, 0]], wear)]
        found = []
        for place in standing.places:
            if not np.isfinite(place).all():
                raise self._reading.broken("a node stands at no finite place")
            mirrored = np.full(len(faces), np.linalg.det(place[:3, :3]) < 0)
            found.append(_turned(points @ place[:3, :3].T + place[:3, 3], faces, mirrored, wear))
        return found

    def _morphed(self, primitive: Mapping[str, Any], key: str, weights: list[float]) -> Float[np.ndarray, "_ _"]:
        """An attribute with the weighted targets added."""
        values = self._attribute(primitive, key).astype(np.float64)
        for weight, target in zip(weights, primitive.get("targets", []), strict=False):
            if not weight or key not in target:
                continue
            added = self._document.array(target[key])
            if added.shape != values.shape:
                raise self._reading.broken(
                    f"a morph target has {len(added)} {key} for {len(values)}, or of another type"
                )
            values = values + weight * added
        return values

    def _attribute(self, primitive: Mapping[str, Any], key: str) -> np.ndarray:
        """As many values as there are positions."""
        values = self._document.array(primitive["attributes"][key])
        count = self._document.item("accessors", primitive["attributes"]["POSITION"])["count"]
        if len(values) != count:
            raise self._reading.broken(f"a primitive has {len(values)} {key} for {count} positions")
        width = 1 if values.ndim == 1 else values.shape[1]
        if width not in _WIDTHS[key.partition("_")[0]]:
            raise self._reading.broken(f"a primitive has a {key} of {width} numbers a corner")
        return values

    def _triangles(self, primitive: Mapping[str, Any], points: int, copies: int, name: str) -> Int[np.ndarray, "_ 3"]:
        mode = primitive.get("mode", 4)
        count = self._document.item("accessors", primitive["indices"])["count"] if "indices" in primitive else points
        self._faces += copies * (count // 3 if mode == 4 else max(count - 2, 0))
        self._reading.check_faces(self._faces)
        if "indices" in primitive:
            corners = self._document.array(primitive["indices"]).astype(np.int64)
        else:
            corners = np.arange(points)
        if len(corners) and (corners.min() < 0 or corners.max() >= points):
            raise self._reading.broken(f"{name} names vertex {corners.max()} of {points}, counted from 0")
        if mode == 4:
            if len(corners) % 3:
                self._reading.lost(f"the last {len(corners) % 3} corners of {name} are no triangle; left out")
            return corners[: len(corners) // 3 * 3].reshape(-1, 3)
        if mode not in (5, 6):
            raise self._reading.broken(f"{name} has the mode {mode}")
        first = np.arange(max(len(corners) - 2, 0))
        if mode == 6:
            return corners[np.stack([first + 1, first + 2, np.zeros_like(first)], 1)]
        return corners[np.stack([first, first + 1 + first % 2, first + 2 - first % 2], 1)]

    def _worn(
        self, primitive: Mapping[str, Any], weights: list[float], faces: Int[np.ndarray, "_ 3"], name: str
    ) -> dict[str, Any]:
        """What the triangles wear, as fields of `Part`."""
        attributes = primitive["attributes"]
        colors = None
        if "COLOR_0" in attributes:
            colors = self._colors(self._morphed(primitive, "COLOR_0", weights), attributes["COLOR_0"])[faces]
        if "material" not in primitive:
            return {"colors": colors, "wears": [PLAIN if colors is None else BARE]}
        material: Material = self._materials[primitive["material"]]
        uv = None if material.wear.picture is None else self._uv(primitive, material.base, weights, name)
        glow_uv = None if material.wear.glow_picture is None else self._uv(primitive, material.glow, weights, name)
        return {
            "uv": None if uv is None else uv[faces],
            "glow_uv": None if glow_uv is None else glow_uv[faces],
            "colors": colors,
            "wears": [material.wear],
        }

    def _colors(self, values: Float[np.ndarray, "_ _"], accessor: int) -> Float[np.ndarray, "_ 3"]:
        """Linear light in [0, 1]; whole numbers are shares of their type's largest, whether the file says so or not."""
        entry = self._document.item("accessors", accessor)
        if not entry.get("normalized") and entry["componentType"] in (5121, 5123):
            values = values / (255 if entry["componentType"] == 5121 else 65535)
        return values[:, :3].clip(0, 1)

    def _uv(
        self, primitive: Mapping[str, Any], placed: Placed, weights: list[float], name: str
    ) -> Float[np.ndarray, "_ 2"] | None:
        key = f"TEXCOORD_{placed.set}"
        if key not in primitive["attributes"]:
            self._reading.lost(f"{name} has no {key} for the picture of its material; drawn without it")
            return None
        return placed.moved(self._morphed(primitive, key, weights))

    def _skinned(
        self, primitive: Mapping[str, Any], points: Float[np.ndarray, "_ 3"], number: int
    ) -> tuple[Float[np.ndarray, "_ 3"], Bool[np.ndarray, " _"]]:
        """Points moved by their joints, whose places alone count; and where that mirrors."""
        skin = self._document.item("skins", number)
        places = np.stack([self.nodes.place(joint) for joint in skin["joints"]])
        if "inverseBindMatrices" in skin:
            bind = np.asarray(self._document.array(skin["inverseBindMatrices"]), np.float64)
            places = places @ bind[: len(places)].reshape(-1, 4, 4).transpose(0, 2, 1)
        matrices = np.zeros((len(points), 4, 4))
        total = np.zeros(len(points))
        for key in sorted(name for name in primitive["attributes"] if name.startswith("JOINTS_")):
            joints = self._attribute(primitive, key).astype(np.int64)
            shares = self._attribute(primitive, key.replace("JOINTS", "WEIGHTS")).astype(np.float64)
            if len(joints) and joints[shares > 0].max(initial=0) >= len(places):
                raise self._reading.broken(f"its skin has {len(places)} joints, a vertex names {joints.max()}")
            for column in range(joints.shape[1]):
                share = shares[:, column]
                matrices += share[:, None, None] * places[np.where(share > 0, joints[:, column], 0)]
                total += share
        matrices /= np.where(total > 0, total, 1)[:, None, None]
        matrices[total <= 0] = np.eye(4)
        moved = np.einsum("nij,nj->ni", matrices[:, :3, :3], points) + matrices[:, :3, 3]
        self._reading.check_finite(moved)
        return moved, np.linalg.det(matrices[:, :3, :3]) < 0


def _turned(
    points: Float[np.ndarray, "_ 3"],
    faces: Int[np.ndarray, "_ 3"],
    mirrored: Bool[np.ndarray, " _"],
    wear: dict[str, Any],
) -> Part:
    """A part; a mirror turns its triangles round."""
    if not mirrored.any():
        return Part(points, faces, **wear)
    order = np.where(mirrored[:, None], [2, 1, 0], [0, 1, 2])
    turned: dict[str, Any] = {
        key: np.take_along_axis(value, order[..., None], 1) if isinstance(value, np.ndarray) else value
        for key, value in wear.items()
    }
    return Part(points, np.take_along_axis(faces, order, 1), **turned)
