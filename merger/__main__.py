"""`python -m merger`: the command line."""

import sys

from merger.cli import main

if __name__ == "__main__":
    sys.exit(main())
