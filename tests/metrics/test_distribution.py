"""KID: agreement with the definition, zero for equal distributions, an error bar that means something."""

import numpy as np
import pytest
import torch

from genstruct.errors import CheckpointError, ConfigError, ShapeError
from genstruct.metrics.distribution import kernel_distance, unbiased_mmd
from genstruct.metrics.features import extract, feature_network, whitened


def normal(seed, count=200, size=8, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1, (count, size))


def test_mmd_agrees_with_a_plain_double_loop():
    left, right = normal(0, 7, 3), normal(1, 5, 3)

    def kernel(a, b):
        return (sum(x * y for x, y in zip(a, b, strict=True)) / 3 + 1) ** 3

    own = sum(kernel(a, b) for i, a in enumerate(left) for j, b in enumerate(left) if i != j) / (7 * 6)
    other = sum(kernel(a, b) for i, a in enumerate(right) for j, b in enumerate(right) if i != j) / (5 * 4)
    between = sum(kernel(a, b) for a in left for b in right) / 35
    assert unbiased_mmd(left, right) == pytest.approx(own + other - 2 * between)


def test_equal_distributions_score_zero_on_average_and_shifted_ones_do_not():
    same = [kernel_distance(normal(2 * seed), normal(2 * seed + 1), subsets=10) for seed in range(40)]
    values = np.array([result.value for result in same])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(40)
    assert (values < 0).any()  # unbiased: not clipped at zero
    shifted = kernel_distance(normal(0), normal(1, mean=0.5))
    assert shifted.value > 4 * shifted.standard_error > 0


def test_the_standard_error_is_that_of_repeating_the_experiment():
    results = [kernel_distance(normal(2 * seed), normal(2 * seed + 1, mean=0.5), subsets=60) for seed in range(40)]
    repeated = np.std([result.value for result in results], ddof=1)
    stated = np.mean([result.standard_error for result in results])
    # 40 repetitions know the deviation to 11 %, and 60 subsets each error bar to about as much.
    assert stated == pytest.approx(repeated, rel=0.35)


def test_too_few_images_and_unequal_features_are_refused():
    with pytest.raises(ShapeError, match="at least 4"):
        kernel_distance(normal(0, 3), normal(1))
    with pytest.raises(ShapeError, match="8 and 4"):
        kernel_distance(normal(0), normal(1, size=4))


def test_random_filters_are_the_same_everywhere_and_see_a_change_of_color():
    first, second = feature_network("random-conv"), feature_network("random-conv")
    images = torch.rand(40, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features = extract(first, [images[:25], images[25:]])
    np.testing.assert_array_equal(features, extract(second, [images[:25], images[25:]]))
    assert features.shape == (40, 1344)
    near = kernel_distance(*whitened(features[:20], features[20:]), subsets=20)
    far = kernel_distance(*whitened(extract(first, [images[:20] * 0.6]), features[20:]), subsets=20)
    assert far.value > near.value + 5 * far.standard_error


def test_random_filters_are_pinned():
    # Our own value with torch 2.11: scores of different releases are comparable only while this holds.
    images = torch.linspace(0, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
    assert extract(feature_network("random-conv"), [images]).mean() == pytest.approx(0.140764, rel=1e-4)


def test_whitened_features_of_the_real_set_are_uncorrelated_and_of_unit_variance():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(100, 3)) @ rng.normal(size=(3, 6)) * 7 + 2
    real[:, 5] = 1  # does not vary: left out
    samples, scaled = whitened(real[:10], real)
    assert scaled.shape == (100, 3)
    np.testing.assert_allclose(scaled.T @ scaled / 100, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(samples, scaled[:10])


def test_a_local_file_of_torchvision_weights_is_recognised(tmp_path):
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    network = feature_network(f"file:{tmp_path / 'weights.pt'}")
    assert network.name.startswith("resnet18@")
    assert extract(network, [torch.rand(2, 3, 64, 64)]).shape == (2, 512)
    state = model.state_dict()
    del state["layer3.0.conv1.weight"]
    torch.save(state, tmp_path / "incomplete.pt")
    with pytest.raises(CheckpointError, match=r"layer3\.0\.conv1"):
        feature_network(f"file:{tmp_path / 'incomplete.pt'}")


def test_files_that_are_no_weights_are_refused_in_one_line(tmp_path):
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 not really")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    for name, message in (("broken.pt", "cannot be read"), ("other.pt", "neither"), ("none.pt", "does not exist")):
        with pytest.raises(CheckpointError, match=message) as caught:
            feature_network(f"file:{tmp_path / name}")
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="random-conv"):
        feature_network("inception")
