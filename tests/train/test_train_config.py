import pytest
from jsonargparse import ArgumentParser, set_parsing_settings
from tiny_training import TinyGan, trainer

from genstruct.errors import ConfigError
from genstruct.train.config import TrainConfig
from genstruct.train.method import AdamSettings, Phase
from genstruct.train.updates import wants_bf16


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"images": 0}, "images must be at least 1, got 0"),
        ({"batch": -2}, "batch must be at least 1, got -2"),
        ({"ema_half_life_images": float("nan")}, "ema_half_life_images must be at least 0, got nan"),
        ({"ema_ramp": 1.5}, "ema_ramp is a fraction"),
        ({"log_every_images": 500, "health_every_images": 400}, "must not be below log_every_images"),
    ],
)
def test_settings_that_cannot_be_used_are_named(setting, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**setting)


def test_the_command_line_is_built_from_the_settings_with_their_units():
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(TrainConfig, "train")
    assert parser.instantiate(parser.parse_args(["--train.images=80", "--train.compile=[a]"])).train == TrainConfig(
        images=80, compile=("a",)
    )
    text = " ".join(parser.format_help().split())
    assert "Images to see in the whole training, over all ranks." in text


def test_every_setting_has_a_sentence_of_help():
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser()
    parser.add_class_arguments(TrainConfig, "train")
    undocumented = [a.dest for a in parser._actions if a.dest.startswith("train.") and not a.help]
    assert undocumented == []


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
