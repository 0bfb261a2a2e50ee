"""A fitting hash for a header that a test changed, so that the checks behind the hash can be seen."""

import h5py
from teamvla_envs.demos import schema


def seal(file: h5py.File) -> None:
    """Write the hash that belongs to the header, masks and content hashes as they are."""
    data = file["data"]
    masks = {split: [name.decode() for name in file[f"mask/{split}"][()]] for split in schema.SPLITS}
    hashes = {name: data[name].attrs["content_hash"] for name in data}
    data.attrs["header_hash"] = schema.header_hash(data.attrs, masks, hashes)
