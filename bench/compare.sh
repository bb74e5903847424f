#!/usr/bin/env bash
# Compares runner with PyTorch and Pillow on this machine; see -h.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: bench/compare.sh [-h] [train|gan|data|threads|depthwise]...

Measures both sides in turn (A B A B), each measurement in its own process. Prints Markdown tables with the
median rate and the peak memory of each side, and the median ratio of the pairs (above 1: runner is faster).
Without a part, runs all parts except `depthwise`, which takes about ten minutes.

  train      train the paper's six CNNs: runner against PyTorch with the faster of its two memory layouts
  gan        train a DCGAN: runner against the same
  data       decode and resize the images of $DATA: runner against Pillow with one process per core
  threads    runner with two threads against runner with one
  depthwise  depthwise convolutions of EfficientNet-Lite0, with one thread and with two: runner against PyTorch
             with the faster of its two memory layouts

Close other programs first, because they make the ratios less precise.

Environment:
  DATA        folder of images, <split>/<CLASS>/*.jpeg; if it is not set, `data` is skipped
  PAIRS       number of measurements of each side [default: 3]
  BENCH_VENV  virtual environment with torch and pillow, created if missing [default: target/bench-venv]

pip installs torch and pillow; its variables (such as PIP_INDEX_URL) set the package index.
HELP
}

fail() {
  echo "compare.sh: $1" >&2
  exit 2
}

# Prints the absolute path of a file or folder, which need not exist.
absolute() {
  case $1 in
    /*) echo "$1" ;;
    *) echo "$PWD/$1" ;;
  esac
}

[[ -z ${DATA:-} ]] || DATA=$(absolute "$DATA")
[[ -z ${BENCH_VENV:-} ]] || BENCH_VENV=$(absolute "$BENCH_VENV")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pairs=${PAIRS:-3}
venv=${BENCH_VENV:-target/bench-venv}
target=${CARGO_TARGET_DIR:-target}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

prepare() {
  if [[ ! -x $venv/bin/python ]]; then
    echo "creating $venv ..." >&2
    python3 -m venv "$venv"
  fi
  if ! "$venv/bin/python" -c 'import PIL, torch' 2>/dev/null; then
    "$venv/bin/python" -m pip install --quiet torch pillow >&2
  fi
  cargo build --release --quiet
}

# Runs a Python program of this folder. Variables for another BLAS are unset: they must not slow PyTorch down.
python() {
  (
    for variable in $(compgen -e OPENBLAS_ || true); do
      unset "$variable"
    done
    exec "$venv/bin/python" -W ignore "bench/$1" "${@:2}"
  )
}

runner() {
  "$target/release/runner" bench "$@" --json
}

# Prints the measurement of the faster memory layout. Each layout is measured in a process of its own, so that
# the peak memory is that of one layout.
pytorch() {
  local layout
  for layout in contiguous channels_last; do
    python "$@" --layout "$layout"
  done | python3 -c '
import json, sys
print(json.dumps(max(map(json.loads, sys.stdin), key=lambda run: run["images_per_second"])))'
}

# record WORKLOAD SIDE COMMAND...: runs a measurement and records its result.
record() {
  local result
  result=$("${@:3}")
  printf '%s\t%s\t%s\n' "$1" "$2" "$result" >>"$results"
  printf '%s\t%s\t%s\n' "$1" "$2" "$result" >&2
}

# table NAME_A NAME_B: prints a table of the recorded results and clears them.
table() {
  python3 bench/table.py "$1" "$2" <"$results"
  echo
  : >"$results"
}

train() {
  local model pair size workload
  for size in 64 128; do
    for model in model1 model2 model3 model4 model5 model6; do
      if [[ $size == 128 && $model != model[16] ]]; then
        continue
      fi
      workload="$model, ${size}×${size}×3, batch 32"
      for ((pair = 0; pair < pairs; pair++)); do
        record "$workload" a pytorch pytorch_train.py --model "$model" --image-size "$size"
        record "$workload" b runner train --models "$model" --image-size "$size"
      done
    done
  done
  table PyTorch runner
}

gan() {
  local pair
  for ((pair = 0; pair < pairs; pair++)); do
    record "DCGAN, 64×64×3, batch 64" a pytorch pytorch_dcgan.py
    record "DCGAN, 64×64×3, batch 64" b runner gan
  done
  table PyTorch runner
}

data() {
  local channels pair workload
  for channels in 1 3; do
    workload="decode and resize to 64×64×$channels"
    for ((pair = 0; pair < pairs; pair++)); do
      record "$workload" a python pillow_data.py --path "$DATA" --channels "$channels"
      record "$workload" b runner data --what decode --path "$DATA" --channels "$channels"
    done
  done
  table Pillow runner
}

threads() {
  local model pair workload
  for model in model1 model6; do
    workload="$model, 64×64×3, batch 32"
    for ((pair = 0; pair < pairs; pair++)); do
      record "$workload" a runner train --models "$model" --threads 1
      record "$workload" b runner train --models "$model" --threads 2
    done
  done
  table "1 thread" "2 threads"
}

depthwise() {
  local channels kernel measured pair size stride threads workload
  for threads in 1 2; do
    for measured in forward backward; do
      while read -r size channels kernel stride; do
        workload="$size×$size×$channels, $kernel×$kernel, stride $stride, $measured, $threads threads"
        set -- --image-size "$size" --channels "$channels" --kernel "$kernel" --stride "$stride" \
          --pass "$measured" --threads "$threads"
        for ((pair = 0; pair < pairs; pair++)); do
          record "$workload" a pytorch pytorch_depthwise.py "$@"
          record "$workload" b runner depthwise "$@"
        done
      done <<'SHAPES'
112 32 3 1
112 96 3 2
56 144 3 1
56 144 5 2
28 240 5 1
28 240 3 2
14 480 3 1
14 480 5 1
14 672 5 1
14 672 5 2
7 1152 5 1
7 1152 3 1
SHAPES
    done
  done
  table PyTorch runner
}

describe_machine() {
  local cpu
  cpu=$(sed -n '/^model name/{s/^[^:]*: //p;q;}' /proc/cpuinfo 2>/dev/null || true)
  echo "$(date +%F), ${cpu:-$(uname -m)}, $(getconf _NPROCESSORS_ONLN) cores," \
    "$("$venv/bin/python" -W ignore -c 'import PIL, torch; print(f"torch {torch.__version__}, Pillow {PIL.__version__}")')," \
    "median of $pairs pairs"
  echo
}

parts=("$@")
for part in "$@"; do
  case $part in
    -h | --help)
      usage
      exit
      ;;
    train | gan | threads | depthwise) ;;
    data) [[ -n ${DATA:-} ]] || fail "set DATA to a folder of images to run \`data\`" ;;
    *) fail "unknown part \`$part\`; \`-h\` lists the parts" ;;
  esac
done
if [[ $# == 0 ]]; then
  parts=(train gan threads)
  if [[ -n ${DATA:-} ]]; then
    parts+=(data)
  else
    echo "skipping \`data\`: DATA is not set to a folder of images" >&2
  fi
fi
[[ $pairs =~ ^[1-9][0-9]*$ ]] || fail "PAIRS must be a whole number of at least 1, not \`$pairs\`"

prepare
describe_machine
for part in "${parts[@]}"; do
  "$part"
done
