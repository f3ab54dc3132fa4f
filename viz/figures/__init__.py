"""Figures as plain data: `draw_x(info)` builds one, `patch_x(info)` moves what has changed."""
