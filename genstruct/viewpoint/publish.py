"""A view graph for others to use, see `genstruct.run.publish`.

```python
publish(Path("runs/graph"), "cars-viewpoint", Path("assets"), {"val": Path("val.json")})
```
"""

from collections.abc import Mapping
from pathlib import Path

from genstruct.run import publish as publishing
from genstruct.run.publish import Published, check_free, half_precision, history, read_scores, score_lines
from genstruct.viewpoint.model import ViewGraph

SCORES = {
    "median": "error, median (degrees)",
    "within_15": "within 15 degrees",
    "within_30": "within 30 degrees",
    "flips": "flips (above 120 degrees)",
    "median_of_all": "error, median, undetermined by their likeliest candidate",
    "within_30_of_all": "within 30 degrees, undetermined by their likeliest candidate",
    "coverage": "coverage: share that has a view",
    "azimuth_order": "order of azimuths",
}


def publish(
    run: Path, name: str, out: Path, scores: Mapping[str, Path], about: str = "", overwrite: bool = False
) -> Published:
    """Write `out/NAME.safetensors` and `out/NAME.md` from the folder of a finished graph.

    Args:
        run: The `--out` of `genstruct graph`.
        name: Of the files, without suffix.
        out: Folder; the segmenter that new photos get their masks from is looked for there.
        scores: Results of `genstruct evaluate viewpoints --json FILE` by what they were measured on.
        about: A sentence for the card: what the data are, and under which licence.
        overwrite: Replace files that are there.

    Raises:
        CheckpointError: The graph is not finished, or its weights do not fit half precision.
        ConfigError: A score file that is not one.
        OutputError: Files are there already, the weights are too large, or `out` cannot be written.
    """
    check_free(out, name, overwrite)
    model = ViewGraph.load(run, "cpu")
    card = {**history(run), **{key: model.card[key] for key in ("photos", "segmenter")}}
    card["scores"] = {name: read_scores(file, "viewpoints", SCORES) for name, file in scores.items()}
    if about:
        card["about"] = about
    rounded = model.changed(half_precision(model.parts), card)
    category, network = model.category, model.parts.network
    facts = {
        "Kind": f"view graph, {len(category.templates)} shapes, {len(model.parts.bank)} known photos, "
        + (f"network of widths {'-'.join(map(str, network.widths))}" if network is not None else "no network"),
        "Masks of new photos": f"by {card['segmenter']}.safetensors beside it" if card["segmenter"] else "given",
        "Views": f"{category.grid.azimuths} azimuths, {category.grid.elevations} elevations told apart",
        "Undetermined": model.undetermined or "no",
    }
    return publishing.publish(rounded, name, out, facts, score_lines(card["scores"], SCORES), overwrite)
