"""Settings, whatever is written: only ConfigError, in one line; what can be built can be written and built again."""

from functools import reduce
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from genstruct.configuration import build, leaves, plain
from genstruct.errors import ConfigError
from genstruct.experiments import load_experiment
from genstruct.renamed import brought_forward
from genstruct.segmentation.experiment import SegmentationExperiment
from genstruct.settings import merged

KEYS = st.sampled_from([leaf.key for leaf in leaves(SegmentationExperiment())])
WORDS = st.sampled_from(["data", "size", "rounds", "0", "1", "learning", "lr", "name", "colour", "widths", "x", ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["1", "2e1", "true", "[1, 2]", "{size: 8}", "[{}]", "&a [*a]", "!!int x"]
)
BUILT_FROM = {
    "data.size": st.integers(4, 4096),
    "data.root": st.text(max_size=5),
    "perturb.shift": st.floats(0, 0.49),
    "train.threads": st.integers(0, 9),
    "train.compile": st.lists(st.text(max_size=3), max_size=2),
    "train.seed": st.integers(),
    "objective.center": st.floats(0, 1e9),
    "objective.adversarial": st.sampled_from(["relativistic", "wasserstein"]),
    "rounds.1.learning.blur": st.floats(0, 1),
    "widths": st.lists(st.integers(1, 40).map(lambda width: 8 * width), min_size=1, max_size=5),
}


def nested(key, value):
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


@given(st.dictionaries(WORDS, VALUES, max_size=4) | st.builds(nested, KEYS, VALUES), st.lists(TEXTS, max_size=2))
@settings(max_examples=150)
def test_values_and_overrides_of_any_kind_are_built_or_refused_in_one_line(values, overrides):
    try:
        built = build(SegmentationExperiment, values, overrides)
    except ConfigError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000
    else:
        assert build(SegmentationExperiment, plain(built)) == built


@given(st.lists(st.tuples(KEYS, TEXTS), min_size=1, max_size=3))
@settings(max_examples=150)
def test_overrides_of_true_keys_are_built_or_refused_in_a_line_that_names_a_section(overrides):
    try:
        built = build(SegmentationExperiment, {}, [f"{key}={text}" for key, text in overrides])
    except ConfigError as error:
        sections = {key.partition(".")[0] for key, _ in overrides}
        assert "\n" not in str(error) and any(section in str(error) for section in sections)
    else:
        assert build(SegmentationExperiment, plain(built)) == built


@given(st.fixed_dictionaries({}, optional=BUILT_FROM))
@settings(max_examples=60)
def test_good_values_are_kept_and_written_back(chosen):
    built = build(SegmentationExperiment, reduce(merged, (nested(*one) for one in chosen.items()), {}))
    written = plain(built)
    for key, value in chosen.items():
        found = written
        for part in key.split("."):
            found = found[int(part)] if isinstance(found, list) else found[part]
        assert found == value
    assert build(SegmentationExperiment, written) == built


@given(st.text(max_size=60) | st.binary(max_size=60))
@settings(max_examples=100)
def test_a_file_of_any_content_is_an_experiment_or_one_line(tmp_path_factory, content):
    path = Path(tmp_path_factory.getbasetemp()) / "any.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="surrogatepass"))
    try:
        load_experiment(path)
    except ConfigError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)


@given(VALUES)
def test_bringing_forward_leaves_what_has_no_old_name(values):
    assert repr(brought_forward(values, {})) == repr(values)
