#!/usr/bin/env bash
# Checks runner on this machine's GPU and compares it with PyTorch; see -h.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: bench/gpu.sh [-h] [check|pipelines|train|gan]...

Runs all measurements of runner on an NVIDIA GPU and prints Markdown. Without a part, runs all parts, which takes
about half an hour. If a part fails, the others still run, and the exit code is 1. If an operation gives another
result than on the CPU, no part runs.

  check      compare every operation with the CPU (`runner doctor`), and run the operations' own tests with TF32 and
             float32
  pipelines  run the default pipeline from an empty store, again with everything cached, and from a second empty store;
             compare the bytes of all artifacts of the two stores. With DATA, also run the paper's settings
             (`--profile paper`) with few epochs (PAPER_SETS)
  train      train the paper's six CNNs at 128×128×3 with batches of 32 and 256: runner against PyTorch in eager mode,
             with TF32, channels_last and cuDNN's fastest algorithms. Measures both sides in turn (A B A B), each
             measurement in its own process. Prints median rates, and the median and range of the pairs' ratios (above
             1: runner is faster). MiB are of the host's memory
  gan        train a DCGAN at 64×64×3 with batches of 64 and 256: runner against the same

Environment:
  DATA        folder of real images, <split>/<CLASS>/*.jpeg
  PAIRS       number of measurements of each side [default: 3]
  PRECISION   precision of runner: tf32 or float32 [default: tf32]
  PAPER_SETS  values for `--profile paper`
              [default: epochs=2 retrain_epochs=2 gan_epochs=2 synthetic_images=512 sample_every=1]
  BENCH_VENV  virtual environment with torch, created if missing [default: target/bench-venv]
  RUNNER      runner binary built with CUDA [default: build one]

Building runner needs the CUDA toolkit; see docs/cuda.md. pip installs torch; its variables set the package index.
HELP
}

fail() {
  echo "gpu.sh: $1" >&2
  exit 2
}

absolute() {
  case $1 in
    /*) echo "$1" ;;
    *) echo "$PWD/$1" ;;
  esac
}

for part in "$@"; do
  case $part in
    -h | --help)
      usage
      exit
      ;;
    check | pipelines | train | gan) ;;
    *) fail "unknown part \`$part\`; \`-h\` lists the parts" ;;
  esac
done
parts=("$@")
[[ $# != 0 ]] || parts=(check pipelines train gan)

for variable in DATA BENCH_VENV RUNNER; do
  [[ -z ${!variable:-} ]] || printf -v "$variable" %s "$(absolute "${!variable}")"
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pairs=${PAIRS:-3}
[[ $pairs =~ ^[1-9][0-9]*$ ]] || fail "PAIRS must be a whole number of at least 1, not \`$pairs\`"
precision=${PRECISION:-tf32}
venv=${BENCH_VENV:-target/bench-venv}
binary=${RUNNER:-${CARGO_TARGET_DIR:-target}/release/runner}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
results=$work/results

prepare() {
  if [[ -z ${RUNNER:-} ]]; then
    cargo build --release --features cuda
  fi
  if ! "$binary" doctor --device cuda --precision "$precision" >"$work/doctor" 2>&1; then
    cat "$work/doctor" >&2
    fail "\`runner doctor --device cuda\` failed as shown above"
  fi
}

prepare_pytorch() {
  if [[ ! -x $venv/bin/python ]]; then
    echo "creating $venv ..." >&2
    python3 -m venv "$venv"
  fi
  if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    "$venv/bin/python" -m pip install --quiet torch >&2
  fi
  "$venv/bin/python" -W ignore -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
    fail "PyTorch in $venv finds no GPU"
}

heading() {
  printf '\n## %s\n\n' "$1"
}

check() {
  heading "Operations compared with the CPU"
  local tests=0
  echo '```text'
  cat "$work/doctor"
  echo '```'
  if command -v cargo >/dev/null; then
    heading "Tests of the operations"
    cargo test --release -p ops --features cuda >"$work/tests" 2>&1 || tests=$?
    echo '```text'
    grep -E '^test result|^error|FAILED|panicked' "$work/tests" || tail -n 40 "$work/tests"
    echo '```'
  fi
  return "$tests"
}

# timed COMMAND...: runs a command, with its output to the log, and prints how many seconds it took.
timed() {
  local start
  start=$(date +%s.%N)
  if ! "$@" >>"$work/log" 2>&1; then
    tail -n 40 "$work/log" >&2
    fail "failed: $*"
  fi
  awk -v start="$start" -v end="$(date +%s.%N)" 'BEGIN { printf "%.1f", end - start }'
}

pipelines() {
  local first again twice same
  local -a on=(--device cuda --precision "$precision")
  heading "Pipelines, $precision"
  first=$(timed "$binary" run pipelines/table1.yaml "${on[@]}" --artifacts "$work/one")
  again=$(timed "$binary" run pipelines/table1.yaml "${on[@]}" --artifacts "$work/one")
  twice=$(timed "$binary" run pipelines/table1.yaml "${on[@]}" --artifacts "$work/two")
  same="differ"
  if diff -rq "$work/one/latest" "$work/two/latest" >>"$work/log"; then
    same="are identical"
  fi
  echo "The default pipeline took $first s from an empty store, $again s again (all cached) and $twice s from a second" \
    "empty store. The outputs of the two stores $same."
  "$binary" table pipelines/table1.yaml "${on[@]}" --artifacts "$work/one" --format md
  if [[ -z ${DATA:-} ]]; then
    echo "skipping \`--profile paper\`: DATA is not set to a folder of images" >&2
    return
  fi
  local sets=() set
  for set in ${PAPER_SETS:-epochs=2 retrain_epochs=2 gan_epochs=2 synthetic_images=512 sample_every=1}; do
    sets+=(-S "$set")
  done
  first=$(timed "$binary" run pipelines/table1.yaml --profile paper -S data="$DATA" "${sets[@]}" "${on[@]}" \
    --artifacts "$work/paper")
  printf '\n`--profile paper %s` took %s s.\n\n' "${sets[*]}" "$first"
  "$binary" table pipelines/table1.yaml --profile paper -S data="$DATA" "${sets[@]}" "${on[@]}" \
    --artifacts "$work/paper" --format md
}

# record WORKLOAD SIDE COMMAND...: runs a measurement and records its result.
record() {
  local result
  result=$("${@:3}")
  printf '%s\t%s\t%s\n' "$1" "$2" "$result" >>"$results"
  printf '%s\t%s\t%s\n' "$1" "$2" "$result" >&2
}

table() {
  python3 bench/table.py PyTorch runner <"$results"
  : >"$results"
}

pytorch() {
  "$venv/bin/python" -W ignore "bench/$1" "${@:2}" --device cuda --layout channels_last --steps 10
}

runner() {
  "$binary" bench "$@" --device cuda --precision "$precision" --steps 100 --json
}

train() {
  local model pair batch workload
  prepare_pytorch
  heading "Training the paper's CNNs at 128×128×3, $precision"
  for batch in 32 256; do
    for model in model1 model2 model3 model4 model5 model6; do
      workload="$model, batch $batch"
      for ((pair = 0; pair < pairs; pair++)); do
        record "$workload" a pytorch pytorch_train.py --model "$model" --image-size 128 --batch-size "$batch"
        record "$workload" b runner train --models "$model" --image-size 128 --batch-size "$batch"
      done
    done
  done
  table
}

gan() {
  local pair batch
  prepare_pytorch
  heading "Training a DCGAN at 64×64×3, $precision"
  for batch in 64 256; do
    for ((pair = 0; pair < pairs; pair++)); do
      record "batch $batch" a pytorch pytorch_dcgan.py --batch-size "$batch"
      record "batch $batch" b runner gan --batch-size "$batch"
    done
  done
  table
}

prepare
gpus=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null) || gpus="unknown GPU"
echo "$(date +%F), ${gpus%%$'\n'*}, runner $("$binary" --version | cut -d' ' -f2), medians of $pairs pairs"
failed=()
for part in "${parts[@]}"; do
  # In the background, because `set -e` has no effect in a command before `||`.
  "$part" &
  wait $! || failed+=("$part")
done
if [[ ${#failed[@]} != 0 ]]; then
  echo "gpu.sh: failed: ${failed[*]}" >&2
  exit 1
fi
