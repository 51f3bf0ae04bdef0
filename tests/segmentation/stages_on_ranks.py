"""A tiny run as one of several ranks, noting which of them make pairs and labels.

Run as a script: `python stages_on_ranks.py PHOTOS OUT [broken]`. With `broken`, no generated mask
is usable, and every rank writes down the error.
"""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

from genstruct.errors import GenstructError
from genstruct.experiments import load_experiment
from genstruct.segmentation import stages
from genstruct.train.distributed import current, joined

TINY = Path(__file__).parents[2] / "configs" / "tiny" / "segmentation.yaml"


def noted(make):
    """The function, writing its rank to a file of its own at each call."""

    def call(*arguments, **settings):
        with (out.parent / f"{make.__name__}-by-{current().rank}").open("a") as file:
            file.write("once\n")
        return make(*arguments, **settings)

    return call


if __name__ == "__main__":
    out = Path(sys.argv[2])
    stages.make_pairs, stages.label = noted(stages.make_pairs), noted(stages.label)
    changes = [f"data.root={sys.argv[1]}", *(["pairs.minimum_area=0.99"] if "broken" in sys.argv else [])]
    with joined():
        try:
            load_experiment(TINY, changes).run(out, lambda stage: nullcontext(lambda progress: None))
        except GenstructError as error:
            (out.parent / f"error-{current().rank}").write_text(str(error))
    os._exit(0)  # all is done and saved; threads of gloo now and then abort the interpreter's own exit (torch)
