#!/usr/bin/env bash
# Installs the libraries that our kernels are compared with (Debian, Ubuntu), and says how MKL and
# oneDNN 3 from their Python wheels are found. What cannot be had is named; the comparison runs without it.
set -uo pipefail
cd "$(dirname "$0")/../.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

for package in libopenblas0-pthread libdnnl3 libdnnl2 libparasail8 libssw0 libturbojpeg0 ffmpeg; do
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 ||
    echo "not available here: $package"
done

venv=$PWD/target/peers-python
python3 -m venv "$venv"
for wheel in mkl numpy stringzillas-cpus pyopal onednn-cpu-gomp==2023.2.0; do
  "$venv/bin/pip" install -q --disable-pip-version-check "$wheel" ||
    echo "not available here: the Python wheel $wheel"
done
folder=$(dirname "$(find "$venv" -name 'libmkl_rt.so*' 2>/dev/null | head -1)")
if [ -n "$folder" ] && [ "$folder" != . ]; then
  echo "MKL is found with: export LD_LIBRARY_PATH=$folder"
fi
folder=$(dirname "$(find "$venv" -name 'libdnnl.so.3' 2>/dev/null | head -1)")
if [ -n "$folder" ] && [ "$folder" != . ]; then
  echo "oneDNN 3 takes the place of the system's with: export LD_LIBRARY_PATH=$folder"
fi
