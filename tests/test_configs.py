from pathlib import Path

import pytest
import yaml

from genstruct.experiments import load_experiment, resolved

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_configuration_can_be_read_says_what_it_is_for_and_resolves_to_itself(path, tmp_path):
    experiment = load_experiment(path)
    assert path.read_text().startswith("# ")
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(dict(resolved(experiment))))
    assert load_experiment(again) == experiment


def test_the_two_controls_differ_in_the_shift_alone():
    shifted, still = (load_experiment(ROOT / f"configs/segmentation/control_{n}.yaml") for n in ("shift", "no_shift"))
    assert (shifted.perturb.shift, still.perturb.shift) == (0.125, 0.0)
    one, other = resolved(shifted), resolved(still)
    assert {key for key in one if one[key] != other[key]} == {"perturb"}
    assert {key for key in one["perturb"] if one["perturb"][key] != other["perturb"][key]} == {"shift"}


def test_the_paper_configuration_gives_both_layers_the_same_code_and_leaves_our_additions_out():
    paper = load_experiment(ROOT / "configs/segmentation/paper.yaml")
    assert (paper.generator.layer_latent, paper.generator.size, paper.perturb.shift) == (0, 128, 0.125)
    assert (paper.objective.adversarial, paper.objective.penalty, paper.objective.updates) == (
        "wasserstein",
        10.0,
        "alternating",
    )
    assert (paper.generator.mapping_layers, paper.generator.style_mixing, paper.generator.noise) == (8, 0.9, True)
    assert paper.objective.shifted_mask
    assert paper.perturb.translation == paper.perturb.mirror == paper.perturb.color == 0
    assert paper.objective.border == paper.objective.center == paper.objective.leak == 0
    assert paper.generator.size_at(6_000_000) == 128  # it has grown to its full size before the end
