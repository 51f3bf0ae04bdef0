"""Files of weights: safetensors that describe themselves, read only if whole, of the right kind and not too new."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from genstruct.errors import CheckpointError, ConfigError

FORMAT = 1
ASSETS = (Path("assets"), Path(__file__).parents[2] / "assets")
"""Where published weights are looked for by their name: here, and in a checkout of the project."""


@runtime_checkable
class Model(Protocol):
    """What predicts on photos, as every capability's does: loaded by `load(path, device)`, kept in a weights file."""

    @property
    def card(self) -> Mapping[str, Any]:
        """What a person should know of the weights, plain JSON values; also what calibrates predictions."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of the weights."""
        ...

    def encode(self, half: bool = False) -> bytes:
        """The contents of a weights file; float16 for publication if `half`."""
        ...


def encode_weights(network: nn.Module, about: Mapping[str, Any], half: bool = False) -> bytes:
    """The contents of a weights file.

    Args:
        network: Whose state is stored.
        about: What is needed to build it again; plain JSON values, among them its `kind`.
        half: Store float16, for publication.
    """
    dtype = torch.float16 if half else torch.float32
    weights = {name: t.to("cpu", dtype).contiguous() for name, t in network.state_dict().items()}
    return save(weights, {"genstruct": json.dumps({"format": FORMAT, **about})})


def fingerprint_of(network: nn.Module) -> str:
    """A short digest of all weights."""
    digest = hashlib.blake2b(digest_size=12)
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def weights_file(path: Path, name: str, hint: str = "is its training finished?") -> Path:
    """`path` itself, the file called `name` in the folder of a run, or published weights of which `path` is the name.

    Raises:
        CheckpointError: None of them is there.
    """
    if not path.exists() and (known := published(str(path))) is not None:
        return known
    file = path / name if path.is_dir() else path
    if not file.is_file():
        names = [place.stem for folder in ASSETS for place in sorted(folder.glob("*.safetensors"))]
        known_names = (
            f"; by name there are {', '.join(dict.fromkeys(names))}" if names and path == Path(path.stem) else ""
        )
        raise CheckpointError(f"{file}: no such file" + (f"; {hint}" if path.is_dir() else known_names))
    return file


def published(name: str) -> Path | None:
    """The file of weights that are called by name alone (`cars`), where it is known."""
    if Path(name).name != name or Path(name).suffix:
        return None
    files = [folder / f"{name}.safetensors" for folder in ASSETS]
    return next((file for file in files if file.is_file()), None)


def read_weights(file: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (float32) and description of a weights file of ours.

    Raises:
        CheckpointError: Truncated, of another kind, or of a newer format.
    """
    try:
        with safe_open(file, "pt") as opened:
            about = json.loads((opened.metadata() or {}).get("genstruct", "{}"))
            about = about if isinstance(about, dict) else {}
            weights = {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118 - not a dictionary
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read ({error.strerror or error}); check its permissions") from error
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{file}: not a readable safetensors file (truncated?): {error}; fetch or write it again"
        ) from error
    if about.get("kind") != kind:
        found = f"a {about['kind']}" if about.get("kind") else "weights of another program"
        raise CheckpointError(f"{file}: holds {found}, but this needs a {kind}; give another file or another method")
    version = about.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise CheckpointError(f"{file}: has format {version}, this version reads up to {FORMAT}; update genstruct")
    if version != FORMAT or not all(weight.isfinite().all() for weight in weights.values()):
        raise damaged(file, "its format is not known or its weights are not finite")
    return weights, about


@contextmanager
def fitting(file: Path) -> Iterator[None]:
    """Building a model from what a file holds: whatever does not fit together is a `CheckpointError` that names it."""
    try:
        yield
    except ConfigError as error:
        raise damaged(file, f"holds wrong settings ({error})") from error
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise damaged(file) from error


def damaged(file: Path, why: str = "its weights do not fit its description") -> CheckpointError:
    """The error for a file that can be read, but whose contents make no sense."""
    return CheckpointError(f"{file}: {why}; it is damaged, fetch or write it again")
