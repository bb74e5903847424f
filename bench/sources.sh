#!/usr/bin/env bash
# Compare how runner and b3sum read sources on this machine; see -h.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: bench/sources.sh [-h] [large|many|warm]...

Measures `runner status` of a pipeline with one source, and b3sum of the same files, in turn, A B A B, whole
processes each, and prints a Markdown table: the median seconds of both sides, and the median of the pairs'
ratios (above 1: runner is faster). Without a part, all of them.

  large    a file of 4 GiB that is in memory; runner knows nothing of it
  many     100,000 files of 1 to 6 kB in four folders that are in memory; runner knows nothing of them
  warm     the same files, which runner has read before; b3sum as for `many`

Files are made in $BENCH_DATA, which needs 5 GiB, and removed at the end.

Environment:
  PAIRS       measurements of each side [default: 7]
  BENCH_DATA  a folder to make files in [default: target/bench-sources]
  B3SUM       b3sum [default: the one on the path]; `cargo install b3sum` makes one
HELP
}

complain() {
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
    *) complain "there is no part \`$part\`; -h lists them" ;;
  esac
done
[[ $# != 0 ]] || parts=(large many warm)
[[ $pairs =~ ^[1-9][0-9]*$ ]] || complain "PAIRS must be a number from 1, not \`$pairs\`"
[[ -x $b3sum ]] || complain "there is no b3sum; \`cargo install b3sum\` makes one, B3SUM says where it is"
[[ ! -e $data ]] || complain "\`$data\` is there already; BENCH_DATA names a folder to make"

cargo build --release --quiet
trap 'rm -rf "$data"' EXIT
mkdir -p "$data"
python3 bench/sources.py --runner "$target/release/runner" --b3sum "$b3sum" --data "$data" \
  --pairs "$pairs" "${parts[@]}"
