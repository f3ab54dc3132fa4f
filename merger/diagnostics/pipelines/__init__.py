"""The steps of every method, one family of methods a file; `steps.py` joins them."""
