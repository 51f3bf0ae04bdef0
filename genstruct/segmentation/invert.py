"""Masks for photos by inversion: find each photo's code, and take the mask that the generator makes of it.

The published way (Bielski & Favaro 2019); `genstruct.segmentation.segmenter` is the default, and better on photos that
the generator cannot make. Same use as a `Segmenter`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.configuration import build, plain
from genstruct.pixels import resized
from genstruct.run.weights import encode_weights, fingerprint_of, fitting, read_weights, weights_file
from genstruct.segmentation.config import GeneratorConfig
from genstruct.segmentation.inversion import StyleEncoder, refine_codes, style_encoder
from genstruct.segmentation.layered import LayeredGenerator, Scene
from genstruct.segmentation.learning_config import InvertConfig
from genstruct.segmentation.segmenter import Image, Mask, checked_images
from genstruct.train.distributed import pick_device

KIND = "genstruct inverter"
RUN_FILE = "inverter.safetensors"


class Inverter:
    """An encoder and the frozen generator it was trained against.

    Args:
        encoder: Picture to code, averaged weights.
        generator: Averaged weights.
        settings: Of the generator, to build it again.
        config: Of the encoder; its `steps` and `prior` hold for refinement.
        card: What a person should know of the weights. Plain JSON values.
        fingerprint: Of the weights; made from them if left out.
    """

    def __init__(
        self,
        encoder: StyleEncoder,
        generator: LayeredGenerator,
        settings: GeneratorConfig,
        config: InvertConfig,
        card: Mapping[str, Any] | None = None,
        fingerprint: str = "",
    ) -> None:
        self.encoder = encoder.eval().requires_grad_(False)
        self.generator = generator.eval().requires_grad_(False)
        self.settings, self.config, self.card = settings, config, dict(card or {})
        self.fingerprint = fingerprint or fingerprint_of(self._networks)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return next(self.encoder.parameters()).device

    @staticmethod
    def load(path: str | Path, device: str = "auto") -> "Inverter":
        """Load weights from a file, or from the folder of a run that trained an inverter (`invert.images` above 0).

        Args:
            path: A .safetensors file, or the `--out` of `genstruct train`.
            device: "auto" takes a GPU if there is one.

        Raises:
            CheckpointError: No such file, truncated, of another kind, or of a newer format.
        """
        file = weights_file(Path(path), RUN_FILE, "is its training finished, and was invert.images above 0?")
        weights, about = read_weights(file, KIND)
        with fitting(file):
            settings, config = build(GeneratorConfig, about["generator"]), build(InvertConfig, about["config"])
            generator = LayeredGenerator(settings)
            inverter = Inverter(
                style_encoder(settings.size, config.widths, generator),
                generator,
                settings,
                config,
                about["card"],
                about["fingerprint"],
            )
            inverter._networks.load_state_dict(weights)
        inverter._networks.to(pick_device(device))
        return inverter

    def encode(self, half: bool = False) -> bytes:
        """The contents of a weights file (safetensors).

        Args:
            half: Store float16, for publication.
        """
        about = {
            "kind": KIND,
            "generator": plain(self.settings),
            "config": plain(self.config),
            "card": self.card,
            "fingerprint": self.fingerprint,
        }
        return encode_weights(self._networks, about, half)

    def predict(
        self, images: Sequence[Image] | Float[Tensor, "batch 3 height width"], refine: bool = False
    ) -> list[Mask]:
        """Soft masks in [0, 1], each of its image's own size; above 0.5 = object.

        Args:
            images: sRGB in [0, 1], of any sizes; each is squeezed into the square that the generator makes.
            refine: Improve each photo's code by `config.steps` gradient steps on its reconstruction.

        Raises:
            ShapeError: An image that is not [3, height, width] with at least one pixel and float values in [0, 1].
        """
        checked = checked_images(images, self.device)
        if not checked:
            return []
        size = self.encoder.size
        squares = torch.cat([resized(image[None], (size, size)) for image in checked])
        masks = self.scenes(squares, refine).mask
        return [
            resized(mask[None], image.shape[-2:])[0].clamp(0, 1) for mask, image in zip(masks, checked, strict=True)
        ]

    @torch.no_grad()
    def scenes(self, squares: Float[Tensor, "batch 3 size size"], refine: bool = False) -> Scene:
        """What the generator makes of the codes of pictures of its own size.

        Args:
            squares: sRGB in [0, 1].
            refine: See `predict`.
        """
        codes = self.encoder(squares)
        if refine:
            codes = refine_codes(self.encoder, self.generator, squares, codes, self.config.steps, self.config.prior)
        return self.encoder.decode(codes, self.generator)

    @property
    def _networks(self) -> nn.ModuleDict:
        return nn.ModuleDict({"encoder": self.encoder, "generator": self.generator})
