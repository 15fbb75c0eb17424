#!/usr/bin/env bash
# The tests of OpenAI and Azure with the oldest supported release of OpenAI's package and the newest of each later major one,
# each in an environment of its own that has nothing but what these tests need. Needs Python 3.11 or later; PYTHON names one.
set -euo pipefail
exec </dev/null
cd "$(dirname "$0")/.."

work_dir=$(mktemp -d)
trap 'rm -rf "$work_dir"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH

needs=(click 'jinja2>=3.1.5' jsonschema platformdirs pyyaml requests rich 'pytest>=8.4' hypothesis)
suite=(tests/endpoints/test_cloud*.py tests/endpoints/test_azure*.py)
failed=0
for wanted in 'openai==1.109.1' 'openai>=2,<3' 'openai>=3,<4'; do
  printf '\n== %s\n' "$wanted"
  env_dir="$work_dir/$(tr -c 'a-z0-9\n' '-' <<<"$wanted")"
  "${PYTHON:-python3}" -m venv "$env_dir"
  "$env_dir/bin/python" -m pip install --quiet "$wanted" "${needs[@]}"
  "$env_dir/bin/python" -c 'import importlib.metadata as m; print("openai", m.version("openai"))'
  "$env_dir/bin/python" -m pytest -q -p no:cacheprovider "${suite[@]}" -r fE || failed=1
done
exit "$failed"
