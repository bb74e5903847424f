//! Tests with a real Slurm cluster on this machine. They are skipped unless `RUNNER_TEST_SLURM` is 1;
//! `tests/cluster/README.md` says what they need. The measurements in `simulation` need no Slurm.

mod cluster;
mod dying;
mod ending;
mod interrupting;
mod many;
mod outages;
mod programs;
mod simulation;
