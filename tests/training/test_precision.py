import pytest
import torch

from mmbench.training import precision
from mmbench.training.precision import autocast, has_half

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capability", "half"),
    [("DEFAULT", False), ("NO AVX", False), ("AVX2", False), ("AVX512", True)],
)
def test_a_processor_below_avx_512_computes_in_single_precision(monkeypatch, capability, half):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert has_half(CPU) == half
    with autocast("bfloat16", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (
            torch.bfloat16 if half else torch.float32
        )


@pytest.mark.parametrize("half", [False, True])
def test_single_precision_is_single_precision_everywhere(monkeypatch, half):
    monkeypatch.setattr(precision, "has_half", lambda device: half)
    with autocast("float32", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.gpu
def test_a_gpu_says_itself_whether_it_has_half_precision(device):
    assert has_half(device) == torch.cuda.is_bf16_supported(including_emulation=False)
