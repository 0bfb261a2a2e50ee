"""Policies that learn: their networks, what they put out, and the folders they are kept in."""
