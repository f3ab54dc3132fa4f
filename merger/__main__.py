"""`python -m merger`: the command line."""

import sys

if __name__ == "__main__":
    try:
        from merger.cli import main

        code = main()
    except KeyboardInterrupt as stop:
        # Before there was anything to stop, or after all was done.
        code = 128 + getattr(stop, "number", 2)
    sys.exit(code)
