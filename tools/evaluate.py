"""Score masks or samples from a checkout: the same as `genstruct evaluate`. See `python tools/evaluate.py --help`."""

import argparse
import sys

from genstruct.cli import evaluate
from genstruct.errors import GenstructError


def main() -> int:
    """Parse, run, and turn the user's errors into one line and status 2."""
    parser = argparse.ArgumentParser(description=__doc__)
    evaluate.add_arguments(parser)
    try:
        return evaluate.run(parser.parse_args())
    except GenstructError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
