"""The container of glTF 2.0: JSON with buffers beside it, inside it or behind it (.glb), and what accessors say."""

import base64
import binascii
import json
import struct
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np

from genstruct.data.meshes.names import shown
from genstruct.data.meshes.reading import Reading
from genstruct.errors import DataError

_TYPES = {5120: "i1", 5121: "u1", 5122: "i2", 5123: "u2", 5125: "u4", 5126: "f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_ROWS = {"MAT2": 2, "MAT3": 3}
"""Of matrices whose columns begin at multiples of 4 bytes, so that small numbers leave gaps."""
_JSON, _BIN = 0x4E4F534A, 0x004E4942

READ = frozenset(
    {
        "KHR_mesh_quantization",
        "KHR_texture_transform",
        "KHR_materials_unlit",
        "KHR_materials_emissive_strength",
        "KHR_materials_pbrSpecularGlossiness",
        "KHR_materials_anisotropy",
        "KHR_materials_clearcoat",
        "KHR_materials_dispersion",
        "KHR_materials_diffuse_transmission",
        "KHR_materials_ior",
        "KHR_materials_iridescence",
        "KHR_materials_sheen",
        "KHR_materials_specular",
        "KHR_materials_transmission",
        "KHR_materials_variants",
        "KHR_materials_volume",
        "KHR_materials_volume_scatter",
        "KHR_lights_punctual",
        "EXT_lights_ies",
        "EXT_lights_image_based",
        "KHR_xmp",
        "KHR_xmp_json_ld",
        "KHR_animation_pointer",
        "KHR_node_visibility",
        "EXT_mesh_gpu_instancing",
        "EXT_texture_webp",
        "EXT_texture_avif",
        "EXT_mesh_features",
        "EXT_structural_metadata",
        "EXT_instance_features",
        "KHR_texture_basisu",
        "MSFT_texture_dds",
    }
)
"""Extensions without which nothing of shape is lost; of a picture that cannot be read it is told."""


class Document:
    """A glTF file: its JSON, and its accessors as arrays.

    Raises:
        DataError: Not glTF 2.0, cut, or with extensions that are required and not implemented.
    """

    def __init__(self, data: bytes, reading: Reading) -> None:
        self.reading = reading
        text, self._chunk = _split(data, reading) if data[:4] == b"glTF" else (data, None)
        try:
            self._tree = json.loads(_in_unicode(text))
        except (ValueError, RecursionError) as error:
            raise reading.broken(f"its JSON: {error}") from None
        if not isinstance(self._tree, dict):
            raise reading.broken("its JSON is no object")
        self._check_version()
        self._check_extensions()
        self._buffers: dict[int, bytes] = {}

    def _check_version(self) -> None:
        asset = self._tree.get("asset", {})
        for key in ("minVersion", "version"):
            version = str(asset.get(key, "2.0" if key == "minVersion" else "of no version"))
            if not version.startswith("2.") or (key == "minVersion" and version != "2.0"):
                raise DataError(f"{self.reading.path} is glTF {version}, only 2.0 is read; convert it")

    def _check_extensions(self) -> None:
        required = self._tree.get("extensionsRequired", [])
        if unknown := [name for name in required if name not in READ]:
            raise self.missing(", ".join(map(str, unknown)))
        for name in self._tree.get("extensionsUsed", []):
            if name not in READ and not str(name).endswith("_compression"):
                self.reading.note(f"the glTF extension {name} is not read")

    def missing(self, extension: str) -> DataError:
        """The error for an extension that the shape needs."""
        return DataError(
            f"{self.reading.path} requires the glTF extension {extension}, which is not implemented; "
            "export it without (no compression)"
        )

    def get(self, key: str, default: Any = None) -> Any:
        """A top-level entry."""
        return self._tree.get(key, default)

    def item(self, key: str, number: Any) -> Mapping[str, Any]:
        """An entry of a top-level list.

        Raises:
            DataError: It is not there.
        """
        entries = self._tree.get(key, [])
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(entries):
            raise self.reading.broken(f"it names {key}[{number}], but there are {len(entries)}")
        entry: Mapping[str, Any] = entries[number]
        return entry

    def view(self, number: int) -> tuple[memoryview, int]:
        """The bytes of a buffer view, and its stride (0: packed)."""
        entry = self.item("bufferViews", number)
        packed = [name for name in entry.get("extensions", {}) if name.endswith("_meshopt_compression")]
        if packed and self._is_empty(entry["buffer"]):
            raise self.missing(packed[0])
        for name in packed:
            self.reading.note(f"{name} is not implemented; its fallback is read")
        buffer = memoryview(self._buffer(entry["buffer"]))
        start, size = entry.get("byteOffset", 0), entry["byteLength"]
        if start < 0 or size < 0 or start + size > len(buffer):
            raise self.reading.broken(f"bufferViews[{number}] reaches beyond its buffer of {len(buffer)} bytes")
        return buffer[start : start + size], entry.get("byteStride", 0)

    def _is_empty(self, number: int) -> bool:
        """Whether a buffer only stands for what a decoder would make."""
        return "uri" not in self.item("buffers", number) and (number > 0 or self._chunk is None)

    def _buffer(self, number: int) -> bytes:
        if number not in self._buffers:
            entry = self.item("buffers", number)
            self._buffers[number] = self._contents(entry.get("uri"), number)
            if len(self._buffers[number]) < entry.get("byteLength", 0):
                raise self.reading.broken(
                    f"its buffer {self._name(entry)} has {len(self._buffers[number])} of {entry['byteLength']} bytes"
                )
        return self._buffers[number]

    def _name(self, entry: Mapping[str, Any]) -> str:
        uri = entry.get("uri", "")
        return repr(uri) if uri and not uri.startswith("data:") else "inside"

    def _contents(self, uri: str | None, number: int) -> bytes:
        if uri is None:
            if number or self._chunk is None:
                raise self.reading.broken(f"its buffer {number} is not in the file")
            return self._chunk
        if uri.startswith("data:"):
            return self.inline(uri)
        contents = self.reading.beside(uri)
        if contents is None:
            raise DataError(f"{self.reading.path} needs the file {shown(uri)}, which is not there; put it beside")
        return contents

    def inline(self, uri: str) -> bytes:
        """The bytes in a URI that begins with "data:"."""
        head, _, text = uri.partition(",")
        contents = unquote_to_bytes(text)
        try:
            return base64.b64decode(contents + b"=" * (-len(contents) % 4)) if head.endswith(";base64") else contents
        except binascii.Error as error:
            raise self.reading.broken(f"data inside its text: {error}") from None

    def array(self, number: int) -> np.ndarray:
        """An accessor's values, [count] for scalars, else [count, width]; normalized integers as shares of one."""
        entry = self.item("accessors", number)
        if entry["type"] not in _WIDTHS or entry["componentType"] not in _TYPES:
            kind = f"{entry['type']} of {entry['componentType']}"
            raise self.reading.broken(f"accessors[{number}] is a {kind}, which the format does not know")
        width = _WIDTHS[entry["type"]]
        values = self._values(entry, number, width)
        if "sparse" in entry:
            values = self._replaced(values, entry, width)
        if entry.get("normalized") and values.dtype.kind != "f":
            values = np.maximum(values / np.iinfo(values.dtype).max, -1.0)
        return values[:, 0] if width == 1 else values

    def _values(self, entry: Mapping[str, Any], number: int, width: int) -> np.ndarray:
        kind, count = np.dtype("<" + _TYPES[entry["componentType"]]), entry["count"]
        if not isinstance(count, int) or count < 0:
            raise self.reading.broken(f"accessors[{number}] has a count of {count}")
        if "bufferView" not in entry:
            if count * width * 8 > max(self.reading.most_bytes, 1_000_000):
                raise self.reading.broken(f"accessors[{number}] has {count} values, none of them in the file")
            return np.zeros((count, width), kind)
        data, stride = self.view(entry["bufferView"])
        return self._rows(data, stride, entry.get("byteOffset", 0), kind, count, entry["type"])

    def _rows(self, data: memoryview, stride: int, start: int, kind: np.dtype, count: int, shape: str) -> np.ndarray:
        """Rows of numbers, however far apart."""
        size, rows = kind.itemsize, _ROWS.get(shape, 1)
        across = _WIDTHS[shape] // rows
        column = -(-across * size // 4) * 4 if shape in _ROWS else across * size
        stride = stride or rows * column
        end = start + stride * (count - 1) + (rows - 1) * column + across * size
        if start < 0 or stride < 0 or (count and end > len(data)):
            raise self.reading.broken(f"an accessor reaches beyond its bufferView of {len(data)} bytes")
        if not count:
            return np.zeros((0, _WIDTHS[shape]), kind)
        found = np.ndarray((count, rows, across), kind, data, start, (stride, column, size))
        return found.reshape(count, -1)

    def _replaced(self, values: np.ndarray, entry: Mapping[str, Any], width: int) -> np.ndarray:
        """With the sparse values of an accessor in their places."""
        sparse = entry["sparse"]
        indices, given, count = sparse["indices"], sparse["values"], sparse["count"]
        kind = np.dtype("<" + _TYPES[indices["componentType"]])
        rows = self._rows(*self.view(indices["bufferView"]), indices.get("byteOffset", 0), kind, count, "SCALAR")[:, 0]
        if len(rows) and rows.max() >= len(values):
            raise self.reading.broken(f"an accessor of {len(values)} has a sparse value for {rows.max()}")
        data, stride = self.view(given["bufferView"])
        values = values.copy()
        values[rows] = self._rows(data, stride, given.get("byteOffset", 0), values.dtype, count, entry["type"])
        return values


def _in_unicode(text: bytes) -> bytes | str:
    """UTF-8, -16 or -32, which the decoder tells apart; a text that is none of these is of Western Europe."""
    try:
        text.decode(json.detect_encoding(text), "surrogatepass")
        return text
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _split(data: bytes, reading: Reading) -> tuple[bytes, bytes | None]:
    """The JSON and the binary chunk of a .glb."""
    if len(data) < 20:
        raise reading.broken(f"it is cut after {len(data)} bytes")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise DataError(f"{reading.path} is binary glTF {version}, only 2 is read; convert it")
    if length > len(data):
        raise reading.broken(f"it is cut after {len(data)} of {length} bytes")
    chunks: dict[int, bytes] = {}
    at, length = 12, length if length >= 20 else len(data)  # some writers leave it at 0
    while at + 8 <= length:
        size, kind = struct.unpack_from("<II", data, at)
        if at + 8 + size > len(data):
            raise reading.broken(f"a part of {size} bytes reaches beyond its end")
        chunks.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    if _JSON not in chunks:
        raise reading.broken("it has no JSON")
    return chunks[_JSON].rstrip(b"\0"), chunks.get(_BIN)
