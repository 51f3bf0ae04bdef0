"""Who imports whom: no circle, neither inside a room nor among the tools. (The order of the rooms: `make check`.)"""

import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.mark.parametrize("package", ["genstruct", "benchmarks"])
def test_no_modules_import_each_other_in_a_circle(package, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(TOOLS)])
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 5
    TopologicalSorter(imports).prepare()  # raises CycleError with the circle
