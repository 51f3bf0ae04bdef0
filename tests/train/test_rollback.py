import json

import pytest
import torch
from tiny_training import TinyGan, trainer, weights

from genstruct.train import checkpoint
from genstruct.train.health import Health, TrainingFailed, all_finite, not_finite, salted_seed


def events(out):
    read = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in read if "event" in line]


def breaks_at(number, seed=0):
    return TinyGan(break_when=lambda step: step.number == number and step.draws.seed == seed)


def test_a_nan_rolls_back_to_the_healthy_checkpoint_and_goes_on_with_another_seed(tmp_path):
    heard = []
    method = breaks_at(14)
    run = trainer(tmp_path, method, on_progress=lambda p: heard.append(p.event))
    result = run.run()
    assert result.images == 96 and result.rollbacks == 1
    assert all_finite(weights(run).values())
    # Step 14 is seen at 64 images; the checkpoint of 48 was written after the last check that passed (48), so 24.
    (event,) = events(tmp_path)
    assert event["images"] == 24 and event["from_images"] == 64 and "not finite: " in event["why"]
    assert "rolled back from 64 to 24 images" in event["event"] and event["event"] in heard
    assert method.seeds[:16] == [0] * 16 and set(method.seeds[16:]) == {salted_seed(0, 1)}
    assert run.batches.seed == salted_seed(0, 1)


def test_weights_that_break_between_log_lines_never_reach_a_checkpoint(tmp_path):
    # Logs every 96 images: the save at 24 is the first to look. The loss of step 5 is sound, its gradient is not.
    method = TinyGan()
    handle = method.networks["critic"][3].weight.register_hook(lambda g: g * float("nan"))
    run = trainer(tmp_path, method, log_every_images=96, health_every_images=96, max_rollbacks=0)
    with pytest.raises(TrainingFailed, match="weights"):
        run.run()
    assert [p.name for p in checkpoint.all_in(tmp_path)] == ["images-000000000000.pt"]
    handle.remove()


def test_a_collapse_that_the_method_reports_rolls_back(tmp_path):
    method = TinyGan()
    method.collapse = lambda step: "masks are empty" if step.draws.seed == 0 and step.images >= 64 else None
    run = trainer(tmp_path, method)
    assert run.run().rollbacks == 1
    assert events(tmp_path)[0]["why"] == "masks are empty"


def test_a_training_that_keeps_collapsing_gives_up_with_its_healthy_checkpoint_intact(tmp_path):
    method = TinyGan(break_when=lambda step: step.number >= 14)
    with pytest.raises(TrainingFailed, match="after 2 roll-backs in a row"):
        trainer(tmp_path, method, max_rollbacks=2).run()
    assert [e["salt"] for e in events(tmp_path)[:-1]] == [1, 2]
    assert events(tmp_path)[-1]["event"] == "gave up"
    healthy = checkpoint.load(checkpoint.latest(tmp_path))
    assert healthy["state"]["images"] == 24
    assert all_finite(t for net in healthy["networks"].values() for t in net.values())


def test_a_rolled_back_run_resumes_exactly_too(tmp_path):
    whole = trainer(tmp_path / "whole", breaks_at(14))
    whole.run()
    trainer(tmp_path / "parts", breaks_at(14)).run(until_images=84)
    rest = trainer(tmp_path / "parts", breaks_at(14))
    assert rest.state.salt == 1
    rest.run()
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(rest)[name]), name


def test_a_stop_by_the_user_does_not_change_where_a_roll_back_goes(tmp_path):
    trainer(tmp_path, breaks_at(14)).run(until_images=52)
    run = trainer(tmp_path, breaks_at(14))
    run.run()
    assert [e["images"] for e in events(tmp_path) if "why" in e] == [24]


def test_a_checkpoint_is_confirmed_by_the_check_that_follows_it():
    health = Health(confirmed="start", failures=2)
    health.passed()
    assert (health.confirmed, health.failures) == ("start", 2)  # nothing new: still the same roll-backs in a row
    health.waiting = "a"
    assert health.needed() == {"start", "a"}
    health.passed()
    assert (health.confirmed, health.waiting, health.failures) == ("a", "", 0)


def test_health_is_judged_by_the_mean_over_its_window():
    health = Health()
    health.note({"area": 0.2, "rare": 1.0})
    health.note({"area": 0.4})
    assert health.take_window(96) == {"area": pytest.approx(0.3), "rare": 1.0}
    assert health.window == {} and health.checked_at == 96


def test_not_finite_names_the_culprits():
    assert not_finite({"a": 1.0, "b": float("inf"), "c": float("nan")}) == "not finite: b, c"
    assert not_finite({"a": 1.0}) is None
    assert all_finite([torch.ones(3), torch.tensor([1])]) and not all_finite([torch.ones(3), torch.tensor(torch.inf)])
