"""Philox 4x64-10 as one CUDA kernel, which torch compiles at its first use.

In plain operations a count takes 400 calls, between which its numbers go to memory and come back.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from merger.devices.shortage import is_shortage
from merger.lazy import Tensor, torch
from merger.randomness import ADD, MULTIPLY, ROUNDS

CODE = f"""
template <typename T>
void words(T count, T key, T stream, T& first, T& second, T& third, T& fourth) {{
    unsigned long long a = count, b = 0, c = 0, d = 0, own = key, shared = stream;
    for (int i = 0; i < {ROUNDS}; ++i) {{
        const unsigned long long high_0 = __umul64hi({MULTIPLY[0]}ull, a);
        const unsigned long long high_1 = __umul64hi({MULTIPLY[1]}ull, c);
        const unsigned long long low_0 = {MULTIPLY[0]}ull * a, low_1 = {MULTIPLY[1]}ull * c;
        a = high_1 ^ b ^ own;
        b = low_1;
        c = high_0 ^ d ^ shared;
        d = low_0;
        own += {ADD[0]}ull;
        shared += {ADD[1]}ull;
    }}
    first = a; second = b; third = c; fourth = d;
}}
"""
Words = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, ...]]


@lru_cache
def compiled_words(device: Any) -> Words | None:
    """Return what turns counts, keys and a stream (int64) into four words each, or None.

    Args:
        device: A CUDA device. Where its kernel cannot be compiled, there is none.
    """
    kernel = torch.cuda.jiterator._create_multi_output_jit_fn(CODE, num_outputs=4)
    one = torch.ones(1, dtype=torch.int64, device=device)
    try:
        kernel(one, one, one)
    except RuntimeError as error:
        if is_shortage(error):
            raise
        return None
    return kernel
