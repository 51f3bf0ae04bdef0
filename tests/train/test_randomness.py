import pytest
import torch

from genstruct.train.randomness import Draws, generator_for


def draws(rank=0, world=1, seed=3, step=7, total=8):
    return Draws(seed, step, rank * total // world, total // world, total)


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_together_draw_what_one_rank_draws(world):
    for draw in (
        lambda d: d.normal("z", 5),
        lambda d: d.uniform("z", 2, 3, low=-1.0, high=4.0),
        lambda d: d.integers("z", low=0, high=9),
    ):
        torch.testing.assert_close(torch.cat([draw(draws(r, world)) for r in range(world)]), draw(draws()))


def test_a_value_for_the_whole_batch_is_the_same_on_every_rank():
    assert draws(0, 2).shared("zoom") == draws(1, 2).shared("zoom") != draws(1, 2, step=8).shared("zoom")
    assert 0 <= draws().shared("zoom") < 1


@pytest.mark.parametrize("other", [{"seed": 4}, {"step": 8}])
def test_another_seed_or_step_draws_other_values(other):
    assert not torch.equal(draws().normal("z", 5), draws(**other).normal("z", 5))


def test_another_use_draws_other_values_and_order_does_not_matter():
    both = draws()
    first, second = both.normal("a", 5), both.normal("b", 5)
    assert not torch.equal(first, second)
    assert torch.equal(both.normal("b", 5), second) and torch.equal(both.normal("a", 5), first)


def test_draws_have_the_distribution_they_name():
    many = draws(total=20_000)
    normal, uniform, whole = many.normal("n"), many.uniform("u", low=2.0, high=4.0), many.integers("i", low=1, high=4)
    assert normal.mean().abs() < 0.03 and (normal.std() - 1).abs() < 0.03  # 4 standard errors of 20,000 values
    assert uniform.min() >= 2 and uniform.max() < 4 and (uniform.mean() - 3).abs() < 0.02
    assert whole.unique().tolist() == [1, 2, 3]


def test_neighboring_addresses_do_not_run_together():
    # "1/23" and "12/3" are different addresses.
    a, b = generator_for(1, 23), generator_for(12, 3)
    assert not torch.equal(torch.rand(4, generator=a), torch.rand(4, generator=b))
