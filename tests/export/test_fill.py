import torch

from genstruct.export.fill import fill_behind


def disc(size=32, radius=0.3):
    axis = (torch.arange(size) + 0.5) / size - 0.5
    return ((axis[:, None] ** 2 + axis[None] ** 2).sqrt() < radius).float()[None, None]


def test_what_is_outside_the_mask_stays_as_it_is():
    image, mask = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)), disc().expand(2, 1, 32, 32)
    filled = fill_behind(image, mask, margin=0.0)
    torch.testing.assert_close(filled * (1 - mask), image * (1 - mask))


def test_an_object_on_a_plain_background_vanishes():
    plain = torch.tensor([0.2, 0.5, 0.8])[None, :, None, None].expand(1, 3, 32, 32)
    with_object = torch.where(disc() > 0, torch.tensor(1.0), plain)
    torch.testing.assert_close(fill_behind(with_object, disc()), plain, atol=1e-4, rtol=0)


def test_a_fill_lies_between_the_colors_around_it():
    ramp = torch.linspace(0.2, 0.8, 32).expand(1, 3, 32, 32)
    filled = fill_behind(ramp, disc())
    assert filled.min() >= 0.2 - 1e-5
    assert filled.max() <= 0.8 + 1e-5
    assert filled[0, 0, 16, 10] < filled[0, 0, 16, 22]  # it follows the ramp


def test_a_mask_of_the_whole_picture_gives_a_finite_picture_of_any_size():
    filled = fill_behind(torch.rand(1, 3, 13, 7, generator=torch.Generator().manual_seed(1)), torch.ones(1, 1, 13, 7))
    assert filled.shape == (1, 3, 13, 7)
    assert filled.isfinite().all()
