"""Weights that the system does not hand over are not called broken: the file may be good."""

import errno
import os

import pytest
from PIL import Image

from genstruct.data.read import decode_image
from genstruct.errors import CheckpointError, ImageError
from genstruct.run import weights
from genstruct.run.weights import read_weights
from genstruct.train import checkpoint


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EACCES])
def test_a_file_that_the_system_does_not_hand_over_is_not_called_broken(tmp_path, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    file = tmp_path / "model.safetensors"
    file.write_bytes(b"good")
    monkeypatch.setattr(weights, "safe_open", refuse)
    monkeypatch.setattr("torch.load", refuse)
    monkeypatch.setattr(Image, "open", refuse)
    for error, read in (
        (CheckpointError, lambda: read_weights(file, "any")),
        (CheckpointError, lambda: checkpoint.load(file)),
        (ImageError, lambda: decode_image(file)),
    ):
        with pytest.raises(error) as caught:
            read()
        told = str(caught.value)
        assert str(file) in told
        assert not [word for word in ("delete", "remove", "fetch", "truncated", "damaged") if word in told]
