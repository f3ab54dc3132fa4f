"""Faster second forms of what methods do, equal bit for bit; compiled at their first use."""
