"""A critic learns to tell pictures of a category from bent ones, and takes part as realism."""

import torch
from test_interventions import body, crops_of

from genstruct.train.config import TrainConfig
from genstruct.viewpoint.config import CriticConfig
from genstruct.viewpoint.critic import SIZE, read, train_critic
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.realism import Realism


def test_a_critic_prefers_crops_to_bent_ones(tmp_path):
    azimuth = torch.rand(96, generator=torch.Generator().manual_seed(0)) * 6.28
    crops = crops_of(body(), azimuth, torch.full((96,), 0.3))
    few = {"images": 1_000, "batch": 16, "ema_half_life_images": 100.0, "preview_every_images": 0}
    train = TrainConfig(**few, device="cpu", threads=1, tensorboard=False)
    critic = train_critic(crops, tmp_path, CriticConfig(widths=((4, 24), (8, 16), (16, 12), (32, 8))), train)
    here = (torch.arange(64) + 0.5) / 32 - 1
    grid = torch.stack(torch.meshgrid(here, here, indexing="xy"), -1).expand(96, -1, -1, -1)
    wave = 0.2 * torch.stack([(4 * grid[..., 1]).sin(), (4 * grid[..., 0] + 1).sin()], -1)
    both = torch.cat([crops.images, crops.masks], 1)
    bent = torch.nn.functional.grid_sample(both, grid + wave, padding_mode="border", align_corners=False)
    other = ObjectCrops(bent[:, :3], bent[:, 3:], crops.squares)
    assert isinstance(critic, Realism)
    assert (critic(crops) > critic(other)).double().mean() > 0.75
    assert read(both, grid[:, ::2, ::2]).shape == (96, 4, SIZE, SIZE)
