"""Work that one rank does for all."""

from pathlib import Path

import pytest
from processes import on_two_ranks

SCRIPT = Path(__file__).with_name("made_once_on_ranks.py")


@pytest.mark.parametrize("signalled", [0, 1])
def test_a_signal_to_any_rank_stops_all_of_them(tmp_path, signalled):
    on_two_ranks(SCRIPT, tmp_path, signalled)
    assert [(tmp_path / f"end-{rank}").read_text() for rank in range(2)] == ["interrupted"] * 2
    assert (tmp_path / "made").exists() == bool(signalled)  # rank 0 stops at once, and finishes for the others
