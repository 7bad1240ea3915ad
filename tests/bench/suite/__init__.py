"""Ours and others under the same loads, in one run on one machine."""
