"""Small mesh files made from nothing, and what is drawn of them."""

import io
import json
import struct
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from genstruct.data.meshes.read import MeshFile, read_mesh_file

SQUARE = [[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]]
TWO = [[0, 1, 2], [0, 2, 3]]
UV = [[0, 1], [1, 1], [1, 0], [0, 0]]  # v downwards
QUAD = "v 0 0 0\nv 2 0 0\nv 2 2 0\nv 0 2 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
FACE = "f 1/1 2/2 3/3 4/4\n"
RED, GREEN, BLUE, WHITE, GRAY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (180, 180, 180)
FOUR = [BLUE, WHITE, RED, GREEN]
"""Of the picture on the square: lower left, lower right, upper left, upper right."""

KINDS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


@dataclass
class Seen:
    """A file as it is read, in its own units."""

    file: MeshFile

    @property
    def area(self):
        corners = self.file.mesh.vertices[0][self.file.mesh.faces].double()
        normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return normals.norm(dim=1).sum().item() / 2

    @property
    def normal(self):
        """The mean of all, times twice the area: where triangles look."""
        corners = self.file.mesh.vertices[0][self.file.mesh.faces].double()
        return torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).sum(0).tolist()

    def span(self, axis=0):
        values = self.file.mesh.vertices[0, :, axis]
        return [round(values.min().item(), 4), round(values.max().item(), 4)]

    def color(self, x, y):
        """Of the triangle over a place of the plane z = 0, as bytes."""
        mesh = self.file.mesh
        corners = mesh.vertices[0][mesh.faces][:, :, :2].double()
        matrix = torch.cat([corners.mT, torch.ones(len(corners), 1, 3, dtype=torch.float64)], 1)
        flat = matrix.det().abs() < 1e-12
        matrix[flat] = torch.eye(3, dtype=torch.float64)
        weights = torch.linalg.solve(matrix, torch.tensor([x, y, 1.0], dtype=torch.float64).expand(len(matrix), 3))
        inside = (weights >= -1e-6).all(1) & ~flat
        face = int(inside.nonzero()[0])
        uv = weights[face].float() @ mesh.uv[mesh.uv_faces[face]]
        seen = F.grid_sample(mesh.texture, (uv * 2 - 1).view(1, 1, 1, 2), align_corners=False, padding_mode="border")
        return tuple((seen.flatten() * 255).round().int().tolist())

    def quarters(self):
        return [self.color(*place) for place in ((0.4, 0.4), (1.6, 0.4), (0.4, 1.6), (1.6, 1.6))]

    @property
    def remarks(self):
        return self.file.notes + self.file.problems


def read(path, **options):
    return Seen(read_mesh_file(path, fit=False, **options))


def near(got, wanted, by=2):
    return all(abs(a - b) <= by for a, b in zip(got, wanted, strict=True))


def quadrants(size=16):
    """Red, green / blue, white."""
    pixels = np.zeros((size, size, 3), np.uint8)
    half = size // 2
    pixels[:half, :half], pixels[:half, half:], pixels[half:, :half], pixels[half:, half:] = RED, GREEN, BLUE, WHITE
    return pixels


def coded(pixels, kind="PNG", **options):
    out = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(out, kind, **options)
    return out.getvalue()


def obj(folder, text, mtl=None, pictures=(), encoding="utf-8", lib="m.mtl", head=None):
    """mesh.obj with a material file and pictures beside it."""
    for name in pictures:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(coded(quadrants()))
    if mtl is not None:
        (folder / lib).write_bytes(mtl.encode(encoding))
    head = f"mtllib {lib}\n" if head is None and mtl is not None else head or ""
    (folder / "mesh.obj").write_bytes((head + text).encode(encoding))
    return folder / "mesh.obj"


class Gltf:
    """A glTF put together accessor by accessor."""

    def __init__(self):
        self.tree = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}]}
        self.tree |= {"meshes": [], "accessors": [], "bufferViews": []}
        self.data = b""

    def view(self, content, **more):
        self.data += b"\0" * (-len(self.data) % 4)
        entry = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        self.tree["bufferViews"].append(entry | more)
        self.data += content
        return len(self.tree["bufferViews"]) - 1

    def accessor(self, values, kind="f4", normalized=False, **more):
        values = np.ascontiguousarray(values, kind)
        shape = SHAPES[1 if values.ndim == 1 else values.shape[1]]
        entry = {"bufferView": self.view(values.tobytes()), "componentType": KINDS[kind]}
        entry |= {"count": len(values), "type": shape} | ({"normalized": True} if normalized else {})
        self.tree["accessors"].append(entry | more)
        return len(self.tree["accessors"]) - 1

    def spread(self, values, kind, gap, **more):
        """An accessor with `gap` bytes behind each row."""
        values = np.ascontiguousarray(values, kind)
        rows = b"".join(row.tobytes() + b"\xee" * gap for row in values)
        stride = values.shape[1] * values.itemsize + gap
        entry = {"bufferView": self.view(rows, byteStride=stride), "componentType": KINDS[kind]}
        self.tree["accessors"].append(entry | {"count": len(values), "type": SHAPES[values.shape[1]]} | more)
        return len(self.tree["accessors"]) - 1

    def texture(self, pixels=None, sampler=None, data=None, mime="image/png"):
        content = coded(quadrants() if pixels is None else pixels) if data is None else data
        self.tree.setdefault("images", []).append({"bufferView": self.view(content), "mimeType": mime})
        self.tree.setdefault("textures", []).append({"source": len(self.tree["images"]) - 1})
        if sampler is not None:
            self.tree.setdefault("samplers", []).append(sampler)
            self.tree["textures"][-1]["sampler"] = len(self.tree["samplers"]) - 1
        return len(self.tree["textures"]) - 1

    def material(self, base=None, **more):
        self.tree.setdefault("materials", []).append(({"pbrMetallicRoughness": base} if base else {}) | more)
        return len(self.tree["materials"]) - 1

    def mesh(self, places=SQUARE, faces=TWO, uv=None, material=None, mode=None, **attributes):
        """A primitive of a new mesh; numbers among the attributes are accessors."""
        part = {"attributes": {"POSITION": places if isinstance(places, int) else self.accessor(places)}}
        if faces is not None:
            part["indices"] = faces if isinstance(faces, int) else self.accessor(np.asarray(faces).reshape(-1), "u2")
        if uv is not None:
            part["attributes"]["TEXCOORD_0"] = uv if isinstance(uv, int) else self.accessor(uv)
        for name, values in attributes.items():
            part["attributes"][name] = values if isinstance(values, int) else self.accessor(values)
        part |= {} if material is None else {"material": material}
        part |= {} if mode is None else {"mode": mode}
        self.tree["meshes"].append({"primitives": [part]})
        return part

    def textured(self, uv=UV, sampler=None, info=None, **more):
        base = {"baseColorTexture": {"index": self.texture(sampler=sampler)} | (info or {})}
        return self.mesh(uv=uv, material=self.material(base), **more)

    def uses(self, *names, required=True):
        self.tree["extensionsUsed"] = list(names)
        if required:
            self.tree["extensionsRequired"] = list(names)

    def glb(self, folder, name="mesh.glb", chunks=()):
        data = self.data + b"\0" * (-len(self.data) % 4)
        self.tree.setdefault("buffers", [{"byteLength": len(self.data)}])
        head = json.dumps(self.tree).encode()
        head += b" " * (-len(head) % 4)
        body = struct.pack("<I4s", len(head), b"JSON") + head + struct.pack("<I4s", len(data), b"BIN\0") + data
        body += b"".join(struct.pack("<I4s", len(one), kind) + one for kind, one in chunks)
        (folder / name).write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)
        return folder / name

    def gltf(self, folder, uri=None, encoding="utf-8"):
        """As text, the buffer in a file beside it."""
        if uri is not None:
            self.tree["buffers"] = [{"byteLength": len(self.data), "uri": uri}]
        (folder / "mesh.gltf").write_bytes(json.dumps(self.tree, ensure_ascii=False).encode(encoding))
        return folder / "mesh.gltf"
