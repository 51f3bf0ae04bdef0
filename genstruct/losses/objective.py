"""Names of the adversarial objectives of `genstruct.losses.adversarial`, for settings, which import no torch."""

from typing import Literal

Objective = Literal["relativistic", "non_saturating", "wasserstein"]
