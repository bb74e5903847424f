#!/usr/bin/env bash
# Compares how runner and b3sum read sources on this machine; see -h.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: bench/sources.sh [-h] [large|many|warm]...

Measures `runner status` of a pipeline with one source, and b3sum of the same files, in turn (A B A B). Each
measurement is a whole process. Prints a Markdown table with the median seconds of each side, and the median
ratio of the pairs (above 1: runner is faster). Without a part, runs all parts.

  large    a file of 4 GiB that runner reads for the first time
  many     100,000 files of 1 to 6 kB in four folders that runner reads for the first time
  warm     the same files after runner has read them; b3sum as for `many`

All files are in memory already. They are created in $BENCH_DATA, which needs 5 GiB, and removed at the end.

Environment:
  PAIRS       number of measurements of each side [default: 7]
  BENCH_DATA  folder to create the files in; must not exist [default: target/bench-sources]
  B3SUM       path of b3sum [default: the one on PATH]; install it with `cargo install b3sum`
HELP
}

fail() {
  echo "sources.sh: $1" >&2
  exit 2
}

# Prints the absolute path of a file or folder, which need not exist.
absolute() {
  case $1 in
    /*) echo "$1" ;;
    *) echo "$PWD/$1" ;;
  esac
}

[[ -z ${BENCH_DATA:-} ]] || BENCH_DATA=$(absolute "$BENCH_DATA")
[[ -z ${B3SUM:-} ]] || B3SUM=$(absolute "$B3SUM")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pairs=${PAIRS:-7}
target=$(absolute "${CARGO_TARGET_DIR:-target}")
data=${BENCH_DATA:-$target/bench-sources}
b3sum=${B3SUM:-$(command -v b3sum || true)}

parts=("$@")
for part in "$@"; do
  case $part in
    -h | --help)
      usage
      exit
      ;;
    large | many | warm) ;;
    *) fail "unknown part \`$part\`; \`-h\` lists the parts" ;;
  esac
done
[[ $# != 0 ]] || parts=(large many warm)
[[ $pairs =~ ^[1-9][0-9]*$ ]] || fail "PAIRS must be a whole number of at least 1, not \`$pairs\`"
[[ -x $b3sum ]] || fail "b3sum was not found; install it with \`cargo install b3sum\`, or set B3SUM to its path"
[[ ! -e $data ]] || fail "\`$data\` exists already; set BENCH_DATA to a new folder"

cargo build --release --quiet
trap 'rm -rf "$data"' EXIT
mkdir -p "$data"
python3 bench/sources.py --runner "$target/release/runner" --b3sum "$b3sum" --data "$data" \
  --pairs "$pairs" "${parts[@]}"
