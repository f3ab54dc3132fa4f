"""Measures of a set of experts: `measure_x(...)` returns an `XInfo`; nothing here draws."""
