"""Which number format a processor computes fast with."""

import torch

from teamvla_learn.train.config import Precision


def native_precision() -> Precision:
    """Return bfloat16 where this processor has instructions for it (about twice as fast), else float32."""
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if fast else "float32"
