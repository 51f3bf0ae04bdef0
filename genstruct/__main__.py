"""`python -m genstruct` is the command `genstruct`."""

import sys

from genstruct.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
