#!/usr/bin/env bash
# Build llama.cpp's own server from the sources that the sdist of llama-cpp-python carries, for the tests that
# drive a real one. It takes about eight minutes of CPU and is done once: the binary is kept in
# ${XDG_CACHE_HOME:-~/.cache}/bridle/llama-server-VERSION, where the tests look for it. BRIDLE_LLAMA_SERVER
# names another binary in its place.
#
#   tests/servers/build_llama_server.sh [VERSION of llama-cpp-python, default 0.3.36]
#
# Needs gcc, g++ and Python with pip; cmake and ninja are taken from PyPI where the machine has none. It is not
# built for this very processor (GGML_NATIVE=OFF): virtual machines may show AMX and end what uses it.
set -euo pipefail
version=${1:-0.3.36}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bridle/llama-server-$version
if [[ -x $cache/llama-server ]]; then
  echo "$cache/llama-server"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! command -v cmake >/dev/null || ! command -v ninja >/dev/null; then
  "${PYTHON:-python3}" -m venv "$work/tools"
  "$work/tools/bin/pip" install --quiet cmake ninja
  export PATH="$work/tools/bin:$PATH"
fi
"${PYTHON:-python3}" -m pip download --quiet --no-deps --no-binary llama-cpp-python \
  --dest "$work" "llama-cpp-python==$version" >&2
tar -xzf "$work"/llama_cpp_python-"$version".tar.gz -C "$work"

source=$work/llama_cpp_python-$version/vendor/llama.cpp
cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
  -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
  -DLLAMA_BUILD_UI=OFF -DGGML_NATIVE=OFF >&2
cmake --build "$work/build" --target llama-server -j "${JOBS:-$(nproc)}" >&2
mkdir -p "$cache"
cp "$work/build/bin/llama-server" "$cache/llama-server.new"
mv "$cache/llama-server.new" "$cache/llama-server"
echo "$cache/llama-server"
