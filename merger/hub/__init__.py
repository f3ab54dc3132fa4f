"""The hub: whose rights are used, which files are needed, fetching them, publishing a model."""
