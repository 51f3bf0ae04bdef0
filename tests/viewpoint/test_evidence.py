"""Whether a graph may be relied on, judged without labels."""

import pytest
import torch

from genstruct.viewpoint.config import GridConfig, PriorConfig
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.em import Fit
from genstruct.viewpoint.evidence import look
from genstruct.viewpoint.fitting import orbit
from genstruct.viewpoint.neighbors import Neighbors

ORBIT = orbit(PriorConfig(), GridConfig())
COUNT = 200
CROPS = ObjectCrops(torch.rand(COUNT, 3, 8, 8), torch.rand(COUNT, 1, 8, 8), torch.zeros(COUNT, 3))


def fit(view, energy=0.0):
    q = torch.nn.functional.one_hot(view, len(ORBIT.grid)).float()
    return Fit((), torch.ones(len(view), 1), q, energy, ORBIT)


def neighbors(mirrored):
    index = (torch.arange(COUNT)[:, None] + torch.tensor([1, 2, 3, 50])) % COUNT
    return Neighbors(
        index, torch.rand(COUNT, 4, generator=torch.Generator().manual_seed(0)) < mirrored, torch.ones(COUNT, 4)
    )


@pytest.fixture
def views():
    return torch.randint(len(ORBIT.grid), (COUNT,), generator=torch.Generator().manual_seed(1))


def turned(views, azimuths):
    grid = ORBIT.grid
    return (views + azimuths * grid.elevations) % len(grid)


def test_starts_that_differ_by_the_frame_alone_confirm_each_other(views):
    found = look([fit(views), fit(turned(views, 7)), fit(turned(views, 18))], 0, neighbors(0.5), CROPS)
    assert found.agreement == (1.0, 1.0, 1.0) and found.confirmed == 1


def test_the_share_on_which_the_starts_differ_is_told(views):
    other = views.clone()
    other[:50] = turned(other[:50], 18)  # front and back of these
    found = look([fit(views), fit(other)], 0, neighbors(0.5), CROPS)
    assert found.confirmed == 0.75 and found.agreement == (1.0, 0.75)


def test_one_wrong_start_among_several_speaks_against_nothing(views):
    accident = views[torch.randperm(COUNT, generator=torch.Generator().manual_seed(2))]
    found = look([fit(accident), fit(views), fit(turned(views, 3))], 1, neighbors(0.5), CROPS)
    assert found.confirmed == 1 and found.agreement[0] < 0.6


def test_views_that_are_an_accident_of_the_start_are_not_confirmed(views):
    accidents = [
        fit(torch.randint(len(ORBIT.grid), (COUNT,), generator=torch.Generator().manual_seed(n))) for n in (3, 4)
    ]
    assert look([fit(views), *accidents], 0, neighbors(0.5), CROPS).confirmed < 0.5


def test_the_share_of_mirror_images_is_told(views):
    assert look([fit(views)], 0, neighbors(0.1), CROPS).mirrored == pytest.approx(0.1, abs=0.03)
