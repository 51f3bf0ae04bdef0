import sys
from pathlib import Path

# `processes` and `tiny_training` serve the tests of every training.
sys.path.append(str(Path(__file__).parents[1] / "train"))
