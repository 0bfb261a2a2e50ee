import subprocess
import sys
from pathlib import Path

import pytest

# HDF5 fails again when the interpreter ends, so this needs a process of its own.
PROGRAM = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from teamvla_envs.demos.hdf5 import new_hdf5

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
images = np.random.default_rng(0).integers(0, 255, (64, 32, 32, 3), dtype=np.uint8)
try:
    with new_hdf5(Path(sys.argv[1])) as (file, check_disk):
        for index in range(4):
            group = file.create_group(f"demo_{index}")
            group.create_dataset("images", data=images, compression="gzip", chunks=(16, 32, 32, 3))
            check_disk()
except OSError as error:
    print(error.errno, error.filename)
"""


@pytest.mark.parametrize("size", [0, 700, 50_000, 333_333, 700_000])
def test_a_full_disk_is_an_error_and_no_crash(tmp_path: Path, size: int):
    out = tmp_path / "a.hdf5"
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(out), str(size)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"27 {out}\n"  # EFBIG
    assert list(tmp_path.iterdir()) == []
