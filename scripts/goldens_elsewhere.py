# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6", "safetensors==0.8.0"]
# ///
"""
Check that golden/ is made with the same bytes on other processors, emulated by qemu-user.

    uv run scripts/goldens_elsewhere.py                      every 20th case on each processor below
    uv run scripts/goldens_elsewhere.py --every 1            every case: hours
    uv run scripts/goldens_elsewhere.py --cpu EPYC-Rome      one of them

Needs qemu-x86_64 (Debian: qemu-user). First the whole suite natively, then the sample on each processor: the same command,
`generate_golden.py --check`, in the emulator. Status 0 where all bytes are the committed ones.
"""

import argparse
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

# As qemu names them: Intel of 2013, 2015 and 2017 (AVX-512 is not emulated), AMD of 2019.
PROCESSORS = (
    "Haswell-noTSX", "Skylake-Client-noTSX-IBRS", "Skylake-Server-noTSX-IBRS", "EPYC-Rome"
)
GENERATOR = Path(__file__).with_name("generate_golden.py")


def run(name, command, options):
    """One check; whether it ended well."""
    began = time.monotonic()
    arguments = [*command, sys.executable, str(GENERATOR), "--check", *options]
    done = subprocess.run(arguments, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines()[-1:] or ["nothing"]
    for line in lines:
        print(f"{name}: {line} ({time.monotonic() - began:.0f} s)", flush=True)
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=20, help="every Nth case of each file")
    parser.add_argument("--chapter", help="only this chapter")
    parser.add_argument("--cpu", action="append", help="a processor by qemu's name")
    parser.add_argument("--qemu", default="qemu-x86_64", help="the emulator")
    parser.add_argument("--no-native", action="store_true", help="without the native run")
    options = parser.parse_args()
    if not shutil.which(options.qemu):
        parser.error(f"there is no {options.qemu}; Debian has it in the package qemu-user")
    chapter = ["--chapter", options.chapter] if options.chapter else []
    good = options.no_native or run(f"native {platform.machine()}", [], chapter)
    for cpu in options.cpu or PROCESSORS:
        emulated = [options.qemu, "-cpu", cpu]
        good &= run(cpu, emulated, [*chapter, "--every", str(options.every)])
    print("ok" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
