"""A segmenter's encoder as the feature network of a comparison of image sets."""

import json

import numpy as np
import torch

from genstruct.cli.main import main
from genstruct.export.images import write_png
from genstruct.nn.unet import UNet
from genstruct.segmentation.features import EncoderFeatures
from genstruct.segmentation.segmenter import Segmenter


def network():
    torch.manual_seed(0)
    return UNet(3, 1, (8, 16))


def test_features_are_mean_and_deviation_of_each_map_of_the_contracting_half():
    net, images = network(), torch.rand(2, 3, 16, 16)
    seen = []
    for block in net.down:
        block.register_forward_hook(lambda block, inputs, output: seen.append(output))
    net(images)
    features = EncoderFeatures(net)(images)
    assert features.shape == (2, 2 * (8 + 16))
    expected = torch.cat([seen[0].mean((2, 3)), seen[0].std((2, 3), correction=0), seen[1].mean((2, 3))], 1)
    torch.testing.assert_close(features[:, :32], expected)


def test_the_command_takes_a_weights_file_and_names_it_in_the_result(tmp_path, capsys):
    segmenter = Segmenter(network(), 16)
    (tmp_path / "net.safetensors").write_bytes(segmenter.encode())
    rng = np.random.default_rng(0)
    for number in range(36):
        pixels = rng.integers(60 * (number % 3 == 2), 190, (16, 16, 3), np.uint8)
        write_png(tmp_path / ("real", "like", "bright")[number % 3] / f"{number}.png", pixels)
    found = {}
    for samples in ("like", "bright"):
        command = ["evaluate", "samples", "--samples", tmp_path / samples, "--real", tmp_path / "real", "--json", "-"]
        assert main([*map(str, command), "--features", f"segmenter:{tmp_path / 'net.safetensors'}"]) == 0
        found[samples] = json.loads(capsys.readouterr().out)
    assert found["like"]["features"] == f"segmenter@{segmenter.fingerprint[:12]}"
    assert found["bright"]["kid"]["value"] > found["like"]["kid"]["value"] + 1
    assert main([*map(str, command), "--features", f"segmenter:{tmp_path / 'lost'}"]) == 2
    assert "no such file" in capsys.readouterr().err
