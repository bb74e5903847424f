#!/usr/bin/env bash
# Compare runner's engine with make, DVC and Snakemake on this machine; see -h.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: bench/engine.sh [-h] [noop|first|large|sweep|version]...

Runs generated pipelines of `command` stages (each writes its number into a file; ten chains side by side)
with runner and with what it is compared with, in turn, A B A B, every measurement a process of its own, and
prints Markdown tables of medians. Without a part, all of them.

  noop     100 stages with nothing to do: runner, make, DVC, Snakemake
  first    1,000 stages for the first time, two at once: runner, make
  large    10,000 stages: planned with an empty store, and run with nothing to do: runner, make
  sweep    a plan of 10,000 trials: runner
  version  runner --version

Close other programs first.

Environment:
  RUNS        measurements of each side [default: 5]
  TMPDIR      where the pipelines run: the file system matters
  BENCH_VENV  the virtual environment with dvc and snakemake, made if missing
              [default: target/engine-venv]

make is the system's (Debian: apt-get install make git). pip's own variables say where dvc and snakemake come
from.
HELP
}

case ${1:-} in
  -h | --help) usage; exit ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${BENCH_VENV:-target/engine-venv}
if [[ ! -x $venv/bin/python ]]; then
  echo "making $venv ..." >&2
  python3 -m venv "$venv"
fi
if [[ " ${*:-noop} " == *" noop "* ]] && [[ ! -x $venv/bin/dvc || ! -x $venv/bin/snakemake ]]; then
  "$venv/bin/python" -m pip install --quiet dvc snakemake >&2
fi
cargo build --release --quiet
exec "$venv/bin/python" bench/engine.py "${CARGO_TARGET_DIR:-target}/release/runner" "$venv/bin" "$@"
