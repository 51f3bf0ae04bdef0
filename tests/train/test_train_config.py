import pytest
from tiny_training import TinyGan, trainer

from genstruct.configuration import leaves
from genstruct.errors import ConfigError
from genstruct.train.config import TrainConfig
from genstruct.train.method import Phase
from genstruct.train.optimizer_config import AdamSettings
from genstruct.train.updates import wants_bf16


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"images": 0}, "images: expected int above 0, got 0"),
        ({"batch": -2}, "batch: expected int above 0, got -2"),
        ({"ema_half_life_images": float("nan")}, "ema_half_life_images: expected float of at least 0, got nan"),
        ({"ema_ramp": 1.5}, "ema_ramp: expected float from 0 to 1, got 1.5"),
        ({"log_every_images": 500, "health_every_images": 400}, "must not be below log_every_images"),
    ],
)
def test_settings_that_cannot_be_used_are_named(setting, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**setting)


def test_every_setting_has_a_sentence_of_help():
    assert [leaf.key for leaf in leaves(TrainConfig()) if not leaf.help.endswith(".")] == []


def test_names_that_the_method_does_not_have_are_refused(tmp_path):
    method = TinyGan()
    method.averaged = ("encoder",)
    with pytest.raises(ConfigError, match="encoder: averaged, but networks are critic, generator"):
        trainer(tmp_path, method)
    method = TinyGan()
    method.phases = (Phase("all", ("generator", "encoder")),)
    with pytest.raises(ConfigError, match="encoder: trained by a phase"):
        trainer(tmp_path, method)
    method = TinyGan()
    method.optimizers = {"critic": AdamSettings()}
    with pytest.raises(ConfigError, match="no optimizer settings for generator"):
        trainer(tmp_path, method)
    with pytest.raises(ConfigError, match="compile names encoder"):
        trainer(tmp_path, compile=("encoder",))


def test_precision_is_as_asked():
    import torch

    cpu = torch.device("cpu")
    assert wants_bf16("bf16", cpu) and not wants_bf16("float32", cpu)
    assert wants_bf16("auto", cpu) == (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
