"""Samples of a trained generator: found in the folder of a run, written whole or not at all."""

import json
from dataclasses import replace

import pytest
import torch
import yaml
from tiny_perturbed import GENERATOR, TRAIN, settings, trainer

from genstruct.cli.main import main
from genstruct.configuration import plain
from genstruct.data.masks import MaskSet
from genstruct.data.read import decode_image
from genstruct.data.sources import open_source
from genstruct.errors import CheckpointError, OutputError
from genstruct.metrics.evaluation import central_square
from genstruct.segmentation.layered import center_prior
from genstruct.segmentation.samples import load_generator, write_samples
from genstruct.train import checkpoint


def run_folder(out, images, **config):
    """The folder of a run whose generator has seen so many images."""
    method = settings(center=2.0, center_until=0.4)
    trainer(out / "generator", method).run(images)
    described = {"generator": plain(method.generator), "objective": plain(method.objective), "train": TRAIN.plain()}
    (out / "config.yaml").write_text(yaml.safe_dump({"experiment": "segmentation", **described, **config}))
    return out


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("runs") / "run", 48)


def test_the_newest_checkpoint_of_a_run_or_the_one_that_is_named(run):
    newest = load_generator(run, "cpu")
    assert (newest.images, newest.size, newest.prior) == (48, 16, 0.0)
    older = load_generator(checkpoint.file_for(run / "generator", 0), "cpu")
    assert (older.images, older.size) == (0, GENERATOR.start_size)
    torch.testing.assert_close(older.prior, center_prior(8, 2.0, 0.25, "cpu"))
    left = trainer(run / "generator", settings())
    z = torch.randn(4, GENERATOR.shared_latent + 2 * GENERATOR.layer_latent, generator=torch.Generator().manual_seed(0))
    averaged, latest = (net["generator"](z, 16).picture for net in (left.networks(), left.method.networks))
    made = newest.network(z, 16).picture
    torch.testing.assert_close(made, averaged, atol=1e-5, rtol=0)
    assert (made - latest).abs().max() > 1e-4


def test_a_sample_depends_on_its_seed_and_number_only(run):
    generator = load_generator(run, "cpu")
    many = torch.cat([scene.picture for scene in generator.scenes(103, seed=1)])
    few = torch.cat([scene.picture for scene in generator.scenes(2, seed=1)])
    assert many.shape == (103, 3, 16, 16)
    torch.testing.assert_close(many[:2], few)
    assert not many[100].equal(many[0])
    (other,) = generator.scenes(2, seed=2)
    assert not other.picture.equal(few)


def test_layers_are_a_labeled_set_whose_pictures_are_their_composites(run, tmp_path):
    write_samples(load_generator(run, "cpu"), tmp_path / "out", 3, layers=True)
    with open_source(str(tmp_path / "out")) as source:
        lines = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
        assert [line["file_name"] for line in lines] == [f"images/{number:06d}.png" for number in range(3)]
        path = lines[2]["mask_file_name"]
        mask = MaskSet(source.read_path, [path], predicted=True)[path]  # grey all over: nothing was trained
    mask = torch.from_numpy(mask / 255).float()
    picture, background, foreground = (
        central_square(decode_image(tmp_path / "out" / place / "000002.png"), 16)
        for place in ("images", "backgrounds", "foregrounds")
    )
    torch.testing.assert_close(picture, mask * foreground + (1 - mask) * background, atol=3 / 255, rtol=0)


def test_the_command_writes_pictures_and_refuses_a_folder_with_other_files(run, tmp_path, capsys):
    command = ["samples", "--model", str(run), "--count", "2", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "2 pictures of 16 x 16 pixels" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["000000.png", "000001.png", "images"]
    assert main(command) == 2
    assert "out holds other files; choose a new folder" in capsys.readouterr().err
    assert not list(tmp_path.glob(".*"))


def test_what_is_not_a_run_is_told_in_a_line(run, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint of a generator in it"):
        load_generator(tmp_path, "cpu")
    file = checkpoint.latest(run / "generator")
    lost = tmp_path / file.name
    lost.write_bytes(file.read_bytes())
    with pytest.raises(CheckpointError, match="does not lie in the folder of a run"):
        load_generator(lost, "cpu")
    (tmp_path / "config.yaml").write_text("experiment: other\n")
    with pytest.raises(CheckpointError, match="does not describe a run of segmentation"):
        load_generator(lost, "cpu")
    wider = plain(replace(GENERATOR, widths=(8, 8, 16)))
    other = {**yaml.safe_load((run / "config.yaml").read_text()), "generator": wider}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(other))
    with pytest.raises(CheckpointError, match="does not hold the generator"):
        load_generator(lost, "cpu")


def test_samples_that_cannot_be_written_leave_nothing(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_samples(load_generator(run, "cpu"), tmp_path / "file" / "out", 1)
