"""Nodes of glTF 2.0: what the scene shows, and where it stands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from genstruct.data.meshes.gltf_file import Document

Matrix = Float[np.ndarray, "4 4"]


@dataclass(frozen=True)
class Standing:
    """A mesh of the scene.

    Args:
        mesh: Its number.
        places: From its own axes to the scene's, one or, for instances, several.
        weights: Of morph targets, where the node has its own.
        skin: Its number.
    """

    mesh: int
    places: list[Matrix]
    weights: list[float] | None = None
    skin: int | None = None


class Nodes:
    """The nodes of a file and their places."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._nodes: list[Mapping[str, Any]] = document.get("nodes", [])
        self._parent: dict[int, int] = {}
        for number, node in enumerate(self._nodes):
            for child in node.get("children", []):
                self._parent.setdefault(child, number)
        self._places: dict[int, Matrix] = {}

    def place(self, number: int) -> Matrix:
        """From the axes of a node to the scene's."""
        chain = [number]
        while chain[-1] not in self._places and chain[-1] in self._parent:
            if len(chain) > len(self._nodes):
                raise self._document.reading.broken("its nodes go round in a circle")
            chain.append(self._parent[chain[-1]])
        for one in reversed(chain):
            if one not in self._places:
                local = _local(self._document.item("nodes", one))
                parent = self._parent.get(one)
                self._places[one] = local if parent is None else self._places[parent] @ local
        return self._places[number]

    def standing(self) -> list[Standing]:
        """Every mesh of the scene; without a scene those of all nodes, and without nodes all meshes."""
        found = list(self._of(self._roots()))
        shown = {one.mesh for one in found}
        meshes = self._document.get("meshes", [])
        if not self._nodes:
            if meshes:
                self._document.reading.note("it has no nodes; its meshes are drawn as they are")
            return [Standing(number, [np.eye(4)]) for number in range(len(meshes))]
        if meshes and not found:
            self._document.reading.lost(f"none of its {len(meshes)} meshes is in the scene")
        elif left := len(meshes) - len(shown):
            self._document.reading.note(f"{left} of its {len(meshes)} meshes are not in the scene; left out")
        return found

    def _roots(self) -> list[int]:
        scenes, note = self._document.get("scenes", []), self._document.reading.note
        if not scenes:
            if self._nodes:
                note("it has no scene; all its nodes are drawn")
            return [number for number in range(len(self._nodes)) if number not in self._parent]
        chosen = self._document.get("scene")
        if len(scenes) > 1:
            which = "the first is drawn, as none is chosen" if chosen is None else f"scenes[{chosen}] is drawn"
            note(f"it has {len(scenes)} scenes; {which}")
        roots: list[int] = self._document.item("scenes", 0 if chosen is None else chosen).get("nodes", [])
        return roots

    def _of(self, roots: list[int]) -> Iterator[Standing]:
        waiting, seen = list(reversed(roots)), set()
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            node = self._document.item("nodes", number)
            if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True) is False:
                self._document.reading.note("nodes that the file hides are left out")
                continue
            waiting += reversed(node.get("children", []))
            if "mesh" in node:
                yield Standing(node["mesh"], self._instances(number, node), node.get("weights"), node.get("skin"))

    def _instances(self, number: int, node: Mapping[str, Any]) -> list[Matrix]:
        place = self.place(number)
        several = node.get("extensions", {}).get("EXT_mesh_gpu_instancing")
        if several is None:
            return [place]
        given = {key: self._document.array(accessor) for key, accessor in several["attributes"].items()}
        count = max(map(len, given.values()), default=0)
        if any(len(values) != count for values in given.values()):
            raise self._document.reading.broken(f"the instances of nodes[{number}] have attributes of several lengths")
        shapes = {"TRANSLATION": "translation", "ROTATION": "rotation", "SCALE": "scale"}
        return [
            place @ _local({name: given[key][row] for key, name in shapes.items() if key in given})
            for row in range(count)
        ]


def _local(node: Mapping[str, Any]) -> Matrix:
    """From the axes of a node to those of its parent."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64)
    length = np.sqrt(x * x + y * y + z * z + w * w)
    x, y, z, w = (value / length for value in (x, y, z, w)) if length > 0 else (0.0, 0.0, 0.0, 1.0)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    found = np.eye(4)
    found[:3, :3] = turn * np.array(node.get("scale", (1, 1, 1)), np.float64)
    found[:3, 3] = node.get("translation", (0, 0, 0))
    return found
