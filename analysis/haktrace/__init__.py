"""Traces of memory allocation, and results of their replay, as pandas DataFrames."""
