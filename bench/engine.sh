#!/usr/bin/env bash
# Compares runner's engine with make, DVC and Snakemake on this machine; see -h.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: bench/engine.sh [-h] [noop|first|large|sweep|version|scale]...

Generates pipelines of `command` stages (ten independent chains; each stage writes its number into a file) and
runs them with runner and other tools in turn (A B A B), each measurement in its own process. Prints Markdown
tables of medians. Without a part, runs all parts but scale.

  noop     run 100 stages that are all cached: runner, make, DVC, Snakemake
  first    run 1,000 stages for the first time, two at a time: runner, make
  large    plan 10,000 stages with an empty store (runner), and run them when all are cached: runner, make
  sweep    plan 10,000 trials: runner
  version  runner --version
  scale    commands on a store with the results of 10,000 and of 40,000 trials (takes 10 minutes)

Close other programs first.

Environment:
  RUNS        number of measurements of each tool [default: 5]
  TMPDIR      folder in which the pipelines run; results depend on its file system
  BENCH_VENV  virtual environment with dvc and snakemake, created if missing
              [default: target/engine-venv]

Needs make and git (Debian: apt-get install make git). pip installs dvc and snakemake; its variables set the
package index.
HELP
}

case ${1:-} in
  -h | --help) usage; exit ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${BENCH_VENV:-target/engine-venv}
if [[ ! -x $venv/bin/python ]]; then
  echo "creating $venv ..." >&2
  python3 -m venv "$venv"
fi
if [[ " ${*:-noop} " == *" noop "* ]] && [[ ! -x $venv/bin/dvc || ! -x $venv/bin/snakemake ]]; then
  "$venv/bin/python" -m pip install --quiet dvc snakemake >&2
fi
cargo build --release --quiet
exec "$venv/bin/python" bench/engine.py "${CARGO_TARGET_DIR:-target}/release/runner" "$venv/bin" "$@"
