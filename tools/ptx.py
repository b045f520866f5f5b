#!/usr/bin/env python3
"""Makes kernels/ptx/ from kernels/*/*.cu with a pinned NVRTC; needs pip, but no CUDA toolkit or GPU.

    tools/ptx.py [STEM ...]           write the PTX of all modules, or of those named (matmul_tiled)
    tools/ptx.py --check [STEM ...]   fail where a committed file is missing, stale or left over
    tools/ptx.py --ptxas [STEM ...]   assemble each file for its chip; table of registers and spills

The wheels are this Python's own, or go to $CARGO_TARGET_DIR/ptx-wheels (default target/) once.
"""

import argparse
import ctypes
import fcntl
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
KERNELS = ROOT / "kernels"
PTX = KERNELS / "ptx"
# Of a module that does not say `// architectures: …`.
ARCHITECTURES = ("70", "75", "80", "90")
WHEELS = ("nvidia-cuda-nvrtc-cu12==12.4.127", "nvidia-cuda-nvcc-cu12==12.4.131")

# What ptxas -v says of a kernel, and the column it goes to.
COUNTS = {
    r"Used (\d+) reg": "registers",
    r"(\d+) bytes smem": "shared",
    r"(\d+) bytes stack": "stack",
    r"(\d+) bytes spill stores": "spill st",
    r"(\d+) bytes spill loads": "spill ld",
}


def find_wheels():
    """The folder that holds the pinned wheels: this Python's own, or one they are installed to."""
    pins = [wheel.split("==") for wheel in WHEELS]
    try:
        if all(importlib.metadata.version(name) == version for name, version in pins):
            return pathlib.Path(importlib.metadata.distribution(pins[0][0]).locate_file(""))
    except importlib.metadata.PackageNotFoundError:
        pass
    return install_wheels()


def install_wheels():
    """Installs the pinned wheels into a folder of our own, once, and returns it."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    folder = target / "ptx-wheels"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "installed"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != "\n".join(WHEELS):
            pip = [sys.executable, "-m", "pip", "install", "-qq", "--upgrade", "--no-deps"]
            subprocess.run([*pip, "--target", str(folder), *WHEELS], check=True)
            stamp.write_text("\n".join(WHEELS))
    return folder


class Nvrtc:
    """The three calls of NVRTC that are needed, through ctypes."""

    def __init__(self, wheels):
        self.lib = ctypes.CDLL(str(wheels / "nvidia/cuda_nvrtc/lib/libnvrtc.so.12"))

    def text(self, program, what):
        """`ProgramLog` or `PTX` of a program."""
        size = ctypes.c_size_t()
        getattr(self.lib, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(self.lib, f"nvrtcGet{what}")(program, buffer)
        return buffer.value.decode()

    def compile(self, source, architecture):
        """PTX of a .cu file; exits with the compiler's messages where it does not compile."""
        name = f"{source.parent.name}/{source.name}".encode()
        found = sorted(KERNELS.glob("*.h"))
        headers = (ctypes.c_char_p * len(found))(*(path.read_bytes() for path in found))
        names = (ctypes.c_char_p * len(found))(*(path.name.encode() for path in found))
        program = ctypes.c_void_p()
        self.lib.nvrtcCreateProgram(
            ctypes.byref(program), source.read_bytes(), name, len(found), headers, names
        )
        options = [f"--gpu-architecture=compute_{architecture}".encode(), b"--std=c++17"]
        status = self.lib.nvrtcCompileProgram(
            program, len(options), (ctypes.c_char_p * len(options))(*options)
        )
        log = self.text(program, "ProgramLog").strip()
        if log:
            print(log, file=sys.stderr)
        if status != 0:
            sys.exit(f"{source}: does not compile for sm_{architecture}")
        ptx = self.text(program, "PTX")
        self.lib.nvrtcDestroyProgram(ctypes.byref(program))
        return ptx.strip() + "\n"


def modules(stems):
    """(stem, source) of every .cu file, or of those named."""
    found = {f"{p.parent.name}_{p.stem}": p for p in sorted(KERNELS.glob("*/*.cu"))}
    unknown = sorted(set(stems) - set(found))
    if unknown:
        sys.exit(f"no such module: {', '.join(unknown)}; there are: {', '.join(found)}")
    return [(stem, path) for stem, path in found.items() if not stems or stem in stems]


def architectures(source):
    """What a .cu file is compiled for."""
    named = re.search(r"^// architectures: (.*)$", source.read_text("utf-8"), re.MULTILINE)
    return tuple(named.group(1).split()) if named else ARCHITECTURES


def path_of(stem, architecture):
    """Where the PTX of a module stands."""
    return PTX / f"{stem}.sm_{architecture}.ptx"


def write(nvrtc, chosen):
    """Writes what changed and removes nothing."""
    for stem, source in chosen:
        for architecture in architectures(source):
            path = path_of(stem, architecture)
            ptx = nvrtc.compile(source, architecture)
            if not path.exists() or path.read_text() != ptx:
                path.write_text(ptx)
                print(path.relative_to(ROOT))


def check(nvrtc, chosen, everything):
    """Names every file that is not what the sources give."""
    bad = []
    for stem, source in chosen:
        for architecture in architectures(source):
            path = path_of(stem, architecture)
            if not path.exists():
                bad.append(f"{path.name}: missing")
            elif path.read_text() != nvrtc.compile(source, architecture):
                bad.append(f"{path.name}: stale")
    if everything:
        wanted = {path_of(stem, a).name for stem, source in chosen for a in architectures(source)}
        bad += [f"{p.name}: no source" for p in sorted(PTX.glob("*.ptx")) if p.name not in wanted]
    if bad:
        sys.exit("\n".join(bad) + "\nrun tools/ptx.py and commit kernels/ptx")
    print(f"{sum(len(architectures(source)) for _, source in chosen)} files of {len(chosen)} modules: fresh")


def assemble(wheels, chosen):
    """Runs ptxas on every file and prints what each kernel needs."""
    ptxas = wheels / "nvidia/cuda_nvcc/bin/ptxas"
    if not os.access(ptxas, os.X_OK):
        ptxas.chmod(0o755)
    print(f"{'kernel':<48}{'arch':>6}" + "".join(f"{title:>10}" for title in COUNTS.values()))
    failed = []
    for stem, source in chosen:
        for architecture in architectures(source):
            path = path_of(stem, architecture)
            with tempfile.TemporaryDirectory() as folder:
                run = subprocess.run(
                    [ptxas, "-v", f"-arch=sm_{architecture}", "-o", f"{folder}/out", path],
                    capture_output=True,
                    text=True,
                )
            if run.returncode != 0:
                failed.append(f"{path.name}:\n{run.stderr}")
                continue
            for kernel in re.split(r"Compiling entry function ", run.stderr)[1:]:
                name = re.match(r"'(\w+)'", kernel).group(1)

                def number(pattern):
                    found = re.search(pattern, kernel)
                    return int(found.group(1)) if found else 0

                counts = [number(p) for p in COUNTS]
                print(f"{stem + ':' + name:<48}{architecture:>6}" + "".join(f"{n:>10}" for n in counts))
    if failed:
        sys.exit("ptxas refused:\n" + "\n".join(failed))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="fail where a file is not fresh")
    action.add_argument("--ptxas", action="store_true", help="assemble and report")
    parser.add_argument("stems", nargs="*", metavar="STEM", help="modules, such as matmul_tiled")
    args = parser.parse_args()
    chosen = modules(args.stems)
    wheels = find_wheels()
    PTX.mkdir(exist_ok=True)
    if args.ptxas:
        assemble(wheels, chosen)
    elif args.check:
        check(Nvrtc(wheels), chosen, not args.stems)
    else:
        write(Nvrtc(wheels), chosen)


if __name__ == "__main__":
    main()
