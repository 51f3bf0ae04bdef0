import pytest
import torch

from genstruct.train.threads import cpu_threads


def test_threads_are_as_asked_inside_the_block_and_as_before_after_it():
    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt), cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with cpu_threads(0):
            assert torch.get_num_threads() == before + 1
        raise KeyboardInterrupt
    assert torch.get_num_threads() == before
