#!/usr/bin/env bash
# Check runner on this machine's GPU and compare it with PyTorch there; see -h.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: bench/gpu.sh [-h] [check|pipelines|train|gan]...

Everything there is to measure of runner on an NVIDIA GPU, in one command; prints Markdown. Without a part, all of
them; that takes about half an hour. A part that fails does not keep the others from running; the exit code is 1 then.
Where an operation disagrees with the CPU, nothing is measured.

  check      `runner doctor`: every operation against the CPU; the operations' own tests, with TF32 and float32
  pipelines  the default pipeline from nothing, twice (the second run must find all cached), and a second time from
             nothing: are all artifacts the same to the byte? With DATA also the paper's settings, `--profile paper`,
             with few epochs (PAPER_SETS), to its end
  train      the paper's six CNNs at 128×128×3, batch 32 and 256, against PyTorch: eager, TF32 on, channels_last,
             cuDNN's algorithms by trial. Both sides in turn, A B A B, each measurement in a process of its own:
             median rates, the median of the pairs' ratios (above 1: runner is faster) and their range; MiB are
             of the host's memory
  gan        a DCGAN at 64×64×3, batch 64 and 256, against the same

Environment:
  DATA        the folder of real images, <split>/<CLASS>/*.jpeg
  PAIRS       measurements of each side [default: 3]
  PRECISION   runner's: tf32 or float32 [default: tf32]
  PAPER_SETS  [default: epochs=2 retrain_epochs=2 gan_epochs=2 synthetic_images=512 sample_every=1]
  BENCH_VENV  the virtual environment with torch, made if missing [default: target/bench-venv]
  RUNNER      a built binary with CUDA, in place of building one

Building takes the CUDA toolkit, docs/cuda.md. pip's own variables say where torch comes from.
HELP
}

complain() {
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
    *) complain "there is no part \`$part\`; -h lists them" ;;
  esac
done
parts=("$@")
[[ $# != 0 ]] || parts=(check pipelines train gan)

for variable in DATA BENCH_VENV RUNNER; do
  [[ -z ${!variable:-} ]] || printf -v "$variable" %s "$(absolute "${!variable}")"
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pairs=${PAIRS:-3}
[[ $pairs =~ ^[1-9][0-9]*$ ]] || complain "PAIRS must be a number from 1, not \`$pairs\`"
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
    complain "\`runner doctor --device cuda\` failed as shown above"
  fi
}

prepare_pytorch() {
  if [[ ! -x $venv/bin/python ]]; then
    echo "making $venv ..." >&2
    python3 -m venv "$venv"
  fi
  if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    "$venv/bin/python" -m pip install --quiet torch >&2
  fi
  "$venv/bin/python" -W ignore -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
    complain "PyTorch in $venv sees no GPU"
}

heading() {
  printf '\n## %s\n\n' "$1"
}

check() {
  heading "Every operation against the CPU"
  local tests=0
  echo '```text'
  cat "$work/doctor"
  echo '```'
  if command -v cargo >/dev/null; then
    heading "The operations' own tests"
    cargo test --release -p stages --features cuda -- ops:: cuda:: >"$work/tests" 2>&1 || tests=$?
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
    complain "failed: $*"
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
  same=differ
  if diff -rq "$work/one/latest" "$work/two/latest" >>"$work/log"; then
    same="are the same to the byte"
  fi
  echo "The default pipeline took $first s, again $again s (all cached), from nothing once more $twice s; the outputs" \
    "of both $same."
  "$binary" table pipelines/table1.yaml "${on[@]}" --artifacts "$work/one" --format md
  if [[ -z ${DATA:-} ]]; then
    echo "\`--profile paper\` is left out: DATA names no folder of images." >&2
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
