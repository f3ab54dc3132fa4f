"""Everything that is seen: figures, panels, screens and the page's session."""
