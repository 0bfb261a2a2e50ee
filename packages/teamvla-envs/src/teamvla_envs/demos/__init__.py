"""Demonstrations: recording the experts, the HDF5 file they are kept in, replaying and rendering them."""
