"""What a file is by its name and its first bytes, and what to say of files that are no images."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from genstruct.data.metadata import FILE_NAME
from genstruct.errors import ImageError

_JPEG = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"}
_OTHERS = {".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".jp2", ".avif", ".tga"}
EXTENSIONS = _JPEG | _OTHERS | {".ppm", ".pgm", ".pbm", ".pnm"}

_ARCHIVES = {".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tzst", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst"}
_OTHER_PICTURES = {
    *(".heic", ".heif", ".jxl", ".svg", ".psd", ".exr", ".hdr", ".eps", ".pdf", ".ai", ".xcf", ".jxr", ".ktx2"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".raw", ".srw", ".pef"),
}
_LABELS = {".json", ".xml", ".txt", ".csv", ".npy", ".npz", ".mat", ".parquet", ".jsonl", ".yaml", ".yml"}
_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp", ".bak", ".old", "~")
_LABEL_WORDS = (b'"annotations"', b'"segmentation"', b'"categories"', b'"shapes"', b'"regions"', b'"bbox"')
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")
_MARKS = {b"WEBP": 8, b"ftypavif": 4}
_PLAIN = (
    _LABELS
    | _ARCHIVES
    | {
        *(
            ".md",
            ".rst",
            ".html",
            ".htm",
            ".py",
            ".sh",
            ".log",
            ".db",
            ".ini",
            ".pickle",
            ".pkl",
            ".pt",
            ".pth",
            ".bin",
        ),
        *(
            ".mp4",
            ".mov",
            ".avi",
            ".mkv",
            ".mp3",
            ".wav",
            ".aae",
            ".xmp",
            ".obj",
            ".mtl",
            ".ply",
            ".glb",
            ".gltf",
            ".stl",
        ),
        *(".lnk", ".url", ".exe", ".dll", ".so", ".idx", ".cls", ".tsv", ".safetensors", ".h5", ".hdf5", ".tfrecord"),
    }
)


def is_image(path: str) -> bool:
    """Whether the name ends like an image's."""
    return PurePosixPath(path).suffix.lower() in EXTENSIONS


def says_nothing(path: str) -> bool:
    """Whether the name ends like nothing that is known: no extension, `.jpg_large`, `.1`."""
    suffix = PurePosixPath(path).suffix.lower()
    return suffix not in _PLAIN | _OTHER_PICTURES and not path.lower().endswith(_UNFINISHED)


def has_image_bytes(start: bytes) -> bool:
    """Whether a file begins like an image."""
    return start.startswith(_MAGIC) or any(start[place:].startswith(mark) for mark, place in _MARKS.items())


def left_out(paths: list[str], images: list[str], peek: Callable[[str], bytes]) -> Iterator[str]:
    """Notes of files that are no images.

    Args:
        paths: Theirs.
        images: Paths of the images beside them.
        peek: Gives the first bytes of a path; raises `ImageError`.
    """
    archives, pictures, labels, other = [], [], [], Counter()
    stems = {PurePosixPath(path).stem for path in images}
    for path in paths:
        file = PurePosixPath(path)
        suffix = file.suffix.lower()
        if file.name == FILE_NAME:
            continue
        if suffix in _ARCHIVES:
            archives.append(path)
        elif suffix in _OTHER_PICTURES:
            pictures.append(path)
        elif suffix in _LABELS and (file.stem in stems or _names_labels(path, suffix, peek)):
            labels.append(path)
        else:
            other[suffix or "no extension"] += 1
    if archives:
        yield f"it holds {len(archives)} archives such as {archives[0]}: give those instead, or unpack them"
    if pictures:
        yield f"{len(pictures)} pictures of kinds that are not read, such as {pictures[0]}: save them as JPEG or PNG"
    if labels:
        yield (
            f"{len(labels)} files look like labels of another format, which is not read, such as {labels[0]}: save "
            "masks as pictures, and name them in a metadata.jsonl (file_name, mask_file_name)"
        )
    if kinds := ", ".join(f"{count} {suffix}" for suffix, count in sorted(other.items())):
        yield f"files that are not images by their name are left out: {kinds}"


def _names_labels(path: str, suffix: str, peek: Callable[[str], bytes]) -> bool:
    """Whether a file of text is about labels of many images: COCO's JSON, metadata.csv and the like."""
    name = PurePosixPath(path).stem.lower()
    if name == "metadata" or any(word in name for word in ("coco", "annotation", "instances", "label", "mask")):
        return True
    if suffix != ".json":
        return False
    try:
        start = peek(path)
    except ImageError:
        return False
    return any(word in start for word in _LABEL_WORDS) or (b'"images"' in start and b'"file_name"' in start)
