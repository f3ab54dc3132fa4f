"""Tried recipes as points: what is wanted of them, which of them are best, where to try next."""
