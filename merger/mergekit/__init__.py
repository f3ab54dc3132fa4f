"""Read and write mergekit configurations, and say what mergekit passes over in silence."""

from merger.mergekit.export import export_mergekit
from merger.mergekit.findings import Finding
from merger.mergekit.reader import Imported, import_mergekit

__all__ = ["Finding", "Imported", "export_mergekit", "import_mergekit"]
