import io
import json
import math

import pytest
import torch
from PIL import Image
from rich.console import Console

from genstruct.errors import OutputError
from genstruct.train.journal import Journal
from genstruct.train.progress import ProgressLine, Sparse, describe, duration, short
from genstruct.train.report import LogSums, Progress, Report, grid, save_grid
from genstruct.train.state import State


def scalars(**values):
    return {name: torch.tensor(value) for name, value in values.items()}


def test_logs_are_averaged_by_how_often_each_was_logged():
    sums = LogSums()
    for value in (1.0, 2.0, 6.0):
        sums.add(scalars(every=value))
    sums.add(scalars(lazy=5.0, every=7.0))
    assert sums.take() == {"every": 4.0, "lazy": 5.0}
    assert sums.take() == {}


def test_log_sums_survive_a_checkpoint():
    sums, other = LogSums(), LogSums()
    sums.add(scalars(a=1.0, b=4.0))
    other.restore(sums.state(), torch.device("cpu"))
    other.add(scalars(a=2.0, b=5.0))
    assert other.take() == {"a": 1.5, "b": 4.5}


def test_values_that_are_not_finite_become_null_in_the_log(tmp_path):
    report = Report(tmp_path, tensorboard=False)
    report.line(8, {"loss": math.nan, "area": 0.5})
    report.close()
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"images": 8, "loss": None, "area": 0.5}


def test_tensorboard_gets_the_finite_values(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    report = Report(tmp_path, tensorboard=True)
    report.line(8, {"loss": 0.25, "bad": math.nan, "event": "text"})
    report.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["loss"]
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(8, 0.25)]


def test_pictures_fill_a_near_square_grid_row_by_row(tmp_path):
    pictures = torch.linspace(0, 0.8, 5)[:, None, None, None].expand(5, 3, 2, 4)
    sheet = grid(pictures)
    assert sheet.shape == (3, 4, 12)
    assert sheet[0, 0, ::4].tolist() == pytest.approx([0, 0.2, 0.4])
    assert sheet[0, 2, ::4].tolist() == pytest.approx([0.6, 0.8, 1.0])
    save_grid(tmp_path / "a.png", pictures)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (12, 4) and image.getpixel((4, 0)) == (51, 51, 51)


def test_a_report_on_another_rank_writes_nothing(tmp_path):
    report = Report(None, tensorboard=True)
    report.line(1, {"a": 1.0})
    report.pictures(1, {"a": torch.zeros(1, 3, 2, 2)})
    report.rewind(0)
    report.close()
    assert report.size() == 0 and list(tmp_path.iterdir()) == []


def test_previews_that_cannot_be_written_are_one_clear_line(tmp_path):
    report = Report(tmp_path, tensorboard=False)
    (tmp_path / "previews").write_text("in the way")
    with pytest.raises(OutputError, match="previews"):
        report.pictures(1, {"a": torch.zeros(1, 3, 2, 2)})
    report.close()


def test_speed_and_time_left_are_measured_over_the_last_span(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("genstruct.train.journal.time.perf_counter", lambda: now[0])
    heard = []
    state = State(images=1000, seconds=50.0)
    journal = Journal(None, 3000, False, heard.append, state)
    now[0], state.images = 110.0, 1500
    journal.logs(state, {"a": 1.0})
    now[0], state.images = 115.0, 2000
    journal.logs(state, {"a": 1.0})
    assert [p.images_per_second for p in heard] == [50.0, 100.0]
    assert [p.seconds_left for p in heard] == [30.0, 10.0]
    assert state.seconds == 65.0


def test_the_progress_line_says_where_training_stands():
    progress = Progress(12_800, 400_000, 84.1, 4604.0, {"area": 0.22, "loss": 1 / 3})
    assert describe(progress) == "12.8k/400k images  84.1/s  1:16:44 left  area 0.22  loss 0.333"
    assert describe(progress, ("loss", "gone")).endswith("1:16:44 left  loss 0.333")
    assert [duration(s) for s in (5.0, 65.0, 3725.0, math.inf)] == ["0:05", "1:05", "1:02:05", "?"]
    assert [short(n) for n in (950, 2_000_000)] == ["950", "2M"]


@pytest.mark.parametrize("terminal", [False, True])
def test_events_and_progress_reach_the_console(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with ProgressLine("gan", console) as line:
        line(Progress(50, 100, 10.0, 5.0, {"loss": 0.5}))
        line(Progress(50, 100, event="rolled back from 50 to 20 images"))
    text = console.file.getvalue()
    assert "50/100 images" in text and "loss 0.5" in text
    assert "gan: rolled back from 50 to 20 images" in text


def test_bare_counts_are_shown_now_and_then_and_at_the_end_but_logs_and_events_always():
    shown = []
    sparse = Sparse(shown.append, every=1000.0)
    for number in range(1, 101):
        sparse(Progress(number, 100))
    sparse(Progress(5, 10, event="resumed"))
    sparse(Progress(5, 10, 3.0, 2.0, {"loss": 1.0}))
    assert [p.images for p in shown] == [100, 5, 5]
    assert shown[0].images_per_second > 0
    assert shown[0].seconds_left == 0
