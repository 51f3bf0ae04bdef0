"""genstruct: masks, viewpoints, 3D shape and features from unlabelled images of one category."""

__version__ = "0.1.0"
