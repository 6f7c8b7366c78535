"""
The settings under which PyTorch gives the same bits on every x86-64 processor with AVX2 and FMA.

Left to itself, PyTorch chooses its instructions by the processor, and the last bits with them: MKL
by the maker, oneDNN by what it finds, PyTorch's own loops by the widest vectors there are, and sums
are split by the number of threads. Import this before PyTorch; it imports neither PyTorch nor numpy.
"""

import os
import platform
import sys
import warnings

# For MKL: one code for every maker. For PyTorch's own loops: AVX2, which has FMA on any processor
# (what it calls "default" is without FMA, and draws other initial weights). One thread.
ENVIRONMENT = {
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
ELSEWHERE = (
    "golden/ is made on x86-64 with AVX2 and FMA; golden/README.md has the command that makes it "
    "in an emulator. --verify runs anywhere."
)


def prepare():
    """Set what PyTorch reads from the environment as it is loaded."""
    assert "torch" not in sys.modules, "PyTorch is loaded: it has chosen its instructions"
    os.environ.update(ENVIRONMENT)


def lacking(torch):
    """Why this machine cannot make golden/, or nothing. PyTorch takes AVX2 for granted if told to."""
    machine = platform.machine()
    if machine not in ("x86_64", "AMD64"):
        return f"This processor is {machine}. {ELSEWHERE}"
    if not hasattr(torch.cpu, "get_capabilities"):
        return None  # an older PyTorch, which may compare, not make
    found = torch.cpu.get_capabilities()
    missing = [name for name in ("avx2", "fma3") if not found[name]]
    if missing:
        return f"This processor has no {' and no '.join(missing)}. {ELSEWHERE}"
    return None


def rounded_roots(torch):
    """
    Square roots as IEEE 754 has them, the nearest number. MKL's, which no setting reaches, are others
    with AVX-512 than without, one in five off by the last bit; the optimisers take them.
    """
    import numpy as np

    def root(x):
        return torch.from_numpy(np.asarray(np.sqrt(x.detach().numpy())))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a kernel is replaced is what is meant
        library = torch.library.Library("aten", "IMPL")
        library.impl("sqrt", root, "CPU")
        library.impl("sqrt_", lambda x: x.copy_(root(x)), "CPU")
        library.impl("sqrt.out", lambda x, *, out: out.copy_(root(x)), "CPU")
    return library


def apply(torch):
    """Set what PyTorch is told after it is loaded, and make sure that all of it is so."""
    global roots
    roots = rounded_roots(torch)  # they are in force for as long as this lives
    torch.set_num_threads(1)
    torch.backends.mkldnn.set_flags(False)
    assert not torch._C._get_mkldnn_enabled()
    if hasattr(torch.backends, "cpu"):
        assert torch.backends.cpu.get_cpu_capability() == "AVX2"


def recorded():
    """The settings as the manifest has them."""
    return {
        **ENVIRONMENT, "oneDNN": False, "threads": 1, "square roots": "rounded to nearest",
        "processor": "x86-64 with AVX2 and FMA"
    }
