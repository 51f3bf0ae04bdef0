from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveInt

from genstruct.configuration import build, leaves, plain, split_override
from genstruct.errors import ConfigError
from genstruct.settings import Choice, Share, settings
from genstruct.strict_yaml import parse_yaml, read_yaml


@settings
class Stage:
    side: PositiveInt = 16
    """Side of the pictures, pixels."""


@settings
class Data:
    """Images."""

    root: str
    """Folder or archive."""
    size: int = 64
    """Side of the crop,
    pixels."""
    crop: Literal["center", "random"] = "center"
    limit: int | None = None
    note: str | None = None
    folder: Path = Path("a/b")

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"size must be at least 1, got {self.size}")


@settings
class Train:
    images: int = 1000
    """Images to see."""
    lr: float = 1e-3
    betas: tuple[float, float] = (0.0, 0.99)
    lengths: tuple[int, ...] = ()
    stages: tuple[Stage, ...] = ()
    warm: Stage | None = None
    weights: dict[str, int] = field(default_factory=dict)
    flip: bool = True
    keep: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    share: Share = 1.0


@settings
class Whole:
    data: Data
    train: Train = field(default_factory=lambda: Train(images=77))
    seed: int = 0


def whole(values=None, *overrides):
    return build(Whole, {"data": {"root": "photos"}} | (values or {}), overrides)


def fails(values=None, *overrides):
    with pytest.raises(ConfigError) as caught:
        whole(values, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_is_not_given_keeps_the_default_of_the_class_that_holds_it():
    config = whole({"train": {"lr": 0.5}})
    assert config.train == Train(images=77, lr=0.5)  # 77 is the default of Whole, not of Train
    assert config.data == Data("photos")


@pytest.mark.parametrize(
    ("values", "overrides", "message"),
    [
        ({"data": {"root": "a", "siez": 3}}, [], "data: unknown key 'siez'; did you mean 'size'?"),
        ({"dta": {}}, [], "unknown key 'dta'; did you mean 'data'?"),
        ({"lr": 0.1}, [], "unknown key 'lr'; did you mean 'train.lr'?"),
        ({"zzz": 1}, [], "unknown key 'zzz'; the keys here are data, train, seed"),
        ({}, ["data.siez=3"], "data: unknown key 'siez'; did you mean 'size'?"),
        ({}, ["train.warm.sied=3"], "train.warm: unknown key 'sied'; did you mean 'side'?"),
        ({"train": {"stages": [{}, {"size": 2}]}}, [], "train.stages.1: unknown key 'size'; did you mean 'side'?"),
        ({"data": {"root": "a", "size": "big"}}, [], "data.size: expected int, got 'big'"),
        ({"data": {"root": "a", "size": 2.5}}, [], "data.size: expected int, got 2.5"),
        ({"data": {"root": 5}}, [], "data.root: expected text, got 5"),
        ({"data": {"root": "a", "limit": "x"}}, [], "data.limit: expected int or null, got 'x'"),
        ({}, ["data.crop=centr"], "data.crop: expected one of center, random, got 'centr'; did you mean 'center'?"),
        ({"train": {"betas": [0, 1, 2]}}, [], "train.betas: expected list of 2 (float, float), got [0, 1, 2]"),
        ({"train": {"flip": 1}}, [], "train.flip: expected true or false, got 1"),
        ({"seed": True}, [], "seed: expected int, got True"),
        ({"train": {"keep": 0.5}}, [], "train.keep: expected float above 0 and below 0.5, got 0.5"),
        ({}, ["train.share=1.5"], "train.share: expected float from 0 to 1, got 1.5"),
        ({}, ["train.lr=.nan"], "train.lr: expected float, got nan"),
        ({"train": {"stages": [{"side": 0}]}}, [], "train.stages.0.side: expected int above 0, got 0"),
        ({"train": {"stages": 3}}, [], "train.stages: expected list of {side}, got 3"),
        ({"train": {"lr": "1"}}, [], "train.lr: expected float, got '1'"),
        ({"data": {"root": "a", "size": 0}}, ["train.lr=x"], "data: size must be at least 1, got 0"),
        ({"train": 3}, [], "train: expected keys and values, got 3; set its keys, as in train.key=value"),
        ({"data": {}}, [], "data.root: needs a value; add data.root=..."),
        ({"data": {"root": "a", "size": 0}}, [], "data: size must be at least 1, got 0"),
        ({}, ["train.lr"], "expected key=value (for example data.size=64), got 'train.lr'"),
        ({}, ["train.lr=fast"], "train.lr: expected float, got 'fast'"),
        ({}, ["seed.sub=3"], "seed: expected int, got {'sub': 3}"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_key_its_value_and_what_was_expected(values, overrides, message):
    assert fails(values, *overrides) == message


def test_overrides_win_over_the_file_and_later_ones_over_earlier_ones():
    config = whole({"train": {"lr": 0.5, "images": 5}}, "--train.lr=1e-4", "train.lr=2", "data.crop=random")
    assert (config.train.lr, config.train.images, config.data.crop) == (2.0, 5, "random")


def test_round_numbers_may_be_written_as_floats_where_whole_numbers_are_wanted():
    config = whole({"train": {"images": 2e6}}, "train.lengths=[1e3, 2.5e4]", "data.limit=1e2", "train.weights.a=3.0")
    values = (config.train.images, *config.train.lengths, config.data.limit, config.train.weights["a"])
    assert values == (2_000_000, 1000, 25_000, 100, 3)
    assert all(type(value) is int for value in values)


def test_the_text_of_an_override_is_what_its_field_wants():
    config = whole({}, "data.root=0123", "data.note=null", "data.folder=/x y/#1", "train.flip=false", "train.lr=3")
    assert (config.data.root, config.data.note, config.data.folder) == ("0123", None, Path("/x y/#1"))
    assert config.train.flip is False
    assert type(config.train.lr) is float


def test_sections_can_be_set_whole_inside_lists_and_where_the_default_is_none():
    config = whole({"train": {"stages": [{"side": 8}]}}, "train.warm.side=4", "data={size: 32}")
    assert config.train.stages == (Stage(8),)
    assert config.train.warm == Stage(4)
    assert config.data == Data("photos", size=32)
    assert whole({"train": {"warm": {"side": 4}}}, "train.warm=null").train.warm is None


def test_one_item_of_a_list_can_be_changed_in_the_file_and_in_the_defaults():
    assert whole({"train": {"stages": [{"side": 1}, {}]}}, "train.stages.0.side=9").train.stages == (Stage(9), Stage())

    @settings
    class Rounds:
        rounds: tuple[Stage, ...] = (Stage(1), Stage(2))

    assert build(Rounds, {}, ["rounds.1.side=5"]).rounds == (Stage(1), Stage(5))
    assert build(Rounds, {}, ["rounds=[{side: 3}]"]).rounds == (Stage(3),)
    assert [leaf.key for leaf in leaves(Rounds())] == ["rounds.0.side", "rounds.1.side"]
    for values in ({}, {"rounds": [{}, {}]}):
        with pytest.raises(ConfigError, match=r"rounds: no item '2': it has 2 items, numbered from 0"):
            build(Rounds, values, ["rounds.2.side=5"])


def test_a_resolved_configuration_builds_itself_again():
    config = whole({}, "train.betas=[0.5, 0.9]", "train.stages=[{side: 2}]", "train.weights={a: 1}", "data.note=x")
    values = plain(config)
    assert build(Whole, values) == config
    assert values["train"]["betas"] == [0.5, 0.9]
    assert values["data"]["folder"] == "a/b"


def test_every_leaf_has_its_type_value_and_documentation():
    found = {leaf.key: leaf for leaf in leaves(whole({}, "train.warm.side=3"))}
    assert found["data.size"].help == "Side of the crop, pixels."
    assert found["train.warm.side"].help == "Side of the pictures, pixels."
    assert (found["train.images"].kind, found["train.images"].value) == ("int", 77)
    assert found["data.crop"].kind == "one of center, random"
    assert (found["train.images"].default, found["train.lr"].default, found["data.root"].default) == (77, 0.001, None)
    assert found["train.keep"].kind == "float above 0 and below 0.5"


def test_python_code_is_checked_as_files_are_with_the_same_words():
    assert Stage(32.0) == Stage(32) and Train(stages=[{"side": 3}]).stages == (Stage(3),)
    for make, message in (
        (lambda: Stage(0), "side: expected int above 0, got 0"),
        (lambda: Stage(side="a"), "side: expected int above 0, got 'a'"),
        (lambda: Stage(sied=3), "unknown key 'sied'; did you mean 'side'?"),
        (lambda: replace(Data("a"), size=0), "size must be at least 1, got 0"),
        (lambda: replace(Train(), keep=0.7), "keep: expected float above 0 and below 0.5, got 0.7"),
        (lambda: Stage(3, 4), "1: unexpected positional argument"),
        (lambda: Stage(3, side=4), "side: got multiple values for argument"),
        (lambda: Data(), "root: needs a value; add root=..."),
    ):
        with pytest.raises(ConfigError) as caught:
            make()
        assert str(caught.value) == message
    with pytest.raises(AttributeError):
        Stage().side = 3


@settings
class Moco:
    name: Literal["moco"] = "moco"
    queue: PositiveInt = 4096
    """Negatives to keep, images."""


@settings
class SimClr:
    name: Literal["simclr"] = "simclr"
    temperature: Share = 0.5


@settings
class Features:
    method: Annotated[
        object,
        Choice({"moco": f"{__name__}:Moco", "simclr": f"{__name__}:SimClr", "absent": "no.such.module:Method"}),
    ] = field(default_factory=lambda: Moco(queue=8))


def features(values, *overrides):
    return build(Features, values, overrides).method


def test_a_class_is_chosen_by_its_name_and_only_its_module_is_imported():
    assert features({"method": {"name": "simclr"}}) == SimClr()
    assert features({"method": {"name": "moco", "queue": 1e3}}) == Moco(queue=1000)
    assert Features(SimClr(temperature=0.1)).method == features({}, "method={name: simclr, temperature: 0.1}")
    for method in (Moco(queue=3), SimClr(temperature=0.25)):
        assert build(Features, plain(Features(method))).method == method
    with pytest.raises(ModuleNotFoundError):
        features({"method": {"name": "absent"}})


def test_a_choice_without_a_name_goes_on_with_its_default_and_one_with_a_name_begins_anew():
    assert features({}) == features({"method": {}}) == Moco(queue=8)
    assert features({"method": {"name": "moco"}}) == Moco(queue=4096)
    file = {"method": {"name": "moco", "queue": 32}}
    assert features(file, "method.queue=64") == features(file, "method.name=moco", "method.queue=64") == Moco(queue=64)
    changes = ["method.name=simclr", "method.temperature=0.1"]
    assert features(file, *changes) == features(file, *reversed(changes)) == SimClr(temperature=0.1)


@pytest.mark.parametrize(
    ("values", "overrides", "message"),
    [
        ({"method": {"name": "moko"}}, [], "method: unknown name 'moko'; did you mean 'moco'?"),
        ({"method": {"name": 3}}, [], "method: unknown name 3; names are moco, simclr, absent"),
        ({"method": 3}, [], "method: expected keys and values with a name, got 3; names are moco, simclr, absent"),
        ({}, ["method={name: simclr, queue: 5}"], "method: unknown key 'queue'; the keys here are name, temperature"),
        ({}, ["method.queue=0"], "method.queue: expected int above 0, got 0"),
        ({"method": {"name": "simclr", "temperature": 2}}, [], "method.temperature: expected float from 0 to 1, got 2"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_choice_is_named(values, overrides, message):
    with pytest.raises(ConfigError) as caught:
        features(values, *overrides)
    assert str(caught.value) == message


def test_a_choice_that_has_no_default_lists_its_names_in_error_and_help():
    @settings
    class Needed:
        method: Annotated[object, Choice({"moco": f"{__name__}:Moco", "simclr": f"{__name__}:SimClr"})]

    with pytest.raises(ConfigError, match=r"^method: needs a name; names are moco, simclr$"):
        build(Needed, {"method": {"queue": 3}})
    with pytest.raises(ConfigError, match=r"^method: needs a value; add method=...$"):
        build(Needed, {})
    leaf, queue = leaves(Needed(Moco()))
    assert (leaf.key, leaf.kind, leaf.value) == ("method.name", "one of moco, simclr", "moco")
    assert (queue.key, queue.help) == ("method.queue", "Negatives to keep, images.")


def test_what_is_no_mapping_is_not_taken_for_one_without_keys():
    for values in (3, None, "data", []):
        with pytest.raises(ConfigError, match=r"^expected keys and values, got "):
            build(Stage, values)


def test_a_plain_dataclass_is_no_section():
    @dataclass(frozen=True)
    class Lax:
        side: int = 3

    with pytest.raises(TypeError, match="Lax is no class of settings"):
        build(Lax, {"sied": 3})
    with pytest.raises(TypeError, match="Lax is no class of settings"):

        @settings
        class Outer:
            inner: tuple[Lax, ...] = ()


def test_the_key_name_is_kept_for_choices():
    with pytest.raises(TypeError, match=r"Person\.name"):

        @settings
        class Person:
            name: str = ""


def test_dashes_in_an_override_are_those_of_its_key():
    assert split_override("--train.ema-ramp=a=b") == ("train.ema_ramp", "a=b")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e6", 2e6),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("400_000", 400_000),
        ("no", "no"),
        ("1:30", "1:30"),
        ("010", 10),
        ("true", True),
        ("~", None),
        ("", None),
        ("-3", -3),
        ("1.2.3", "1.2.3"),
        ("2026-11-24", "2026-11-24"),
        ("e5", "e5"),
    ],
)
def test_scalars_are_what_they_look_like(text, value):
    assert parse_yaml(text) == value
    assert type(parse_yaml(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a: 1\na: 2\n", "line 2: key 'a' occurs twice"),
        (b"3: 1\n", "line 1: key 3 is not a word"),
        (b"a: [1\n", "line 2: "),
        (b"- 1\n", "expected lines of 'key: value', got list"),
        (b"\xff\xfe\x00", "not a text file"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, text, problem):
    path = tmp_path / "broken.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)
    assert problem in str(caught.value)


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read \(No such file"):
        read_yaml(Path("absent.yaml"))
