//! Measures a remote with many records: on a simulated S3 server, in a folder, and on a real S3 server if there is one.
//!
//! The simulated server has a million records with `RUNNER_SUITE=full`, and ten thousand otherwise. It answers after the
//! time that a request to S3 is taken to need, and counts requests and bytes. `docs/remote.md` shows the figures:
//!
//! ```sh
//! RUNNER_SUITE=full cargo test --release -p remote --lib -- scale:: --ignored --nocapture --test-threads 1
//! ```

mod bucket;
mod content;

use std::fs;
use std::time::Instant;

use super::*;
use crate::collect::Policy;
use crate::lookup::in_parallel;
use crate::names::ObjectName;
use crate::objects::{Body, How};
use bucket::{Bucket, Counts, Site, Traffic};
use content::Content;

/// Prices of Amazon's S3 Standard in US East in dollars, recalled on 2026-11-30: for a list, for another read, and for
/// a byte that leaves Amazon.
const LIST: f64 = 0.005 / 1000.0;
const GET: f64 = 0.0004 / 1000.0;
const BYTE: f64 = 0.09 / 1e9;

/// A remote of S3 at a distance: 30 ms for a request, 100 ms for a page of a list.
#[test]
#[ignore = "measures time"]
fn many_records_in_a_simulated_bucket() {
    let results = cases(5000, 500_000);
    let site = Site {
        results,
        request: 30,
        page: 100,
    };
    let bucket = Bucket::start(&site);
    let place = Place::bucket(&bucket.endpoint());
    measure_all(&place, results, Some(&bucket));
}

/// A folder with files of records and trees. Blobs are left out: no operation here reads them.
#[test]
#[ignore = "measures time"]
fn many_records_in_a_folder() {
    let results = cases(5000, 500_000);
    let place = Place::folder();
    let Address::Folder(root) = &place.address else {
        return;
    };
    let put = |name: ObjectName, bytes: Vec<u8>| {
        // Not as the remote does, which would flush each file to disk.
        let path = root.join(name.to_string());
        let written = fs::write(&path, &bytes);
        if written.is_err() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
    };
    fill(results, 2, &put);
    measure_all(&place, results, None);
}

/// A real S3 server on this machine.
#[test]
#[ignore = "measures time"]
fn many_records_in_a_real_bucket() {
    let Some(place) = Place::s3() else {
        return;
    };
    let results = cases(2500, 50_000);
    let machine = Machine::new();
    let remote = machine.patient_remote(&place);
    let put = |name: ObjectName, bytes: Vec<u8>| {
        let body = Body::Bytes(&bytes);
        let put = remote.objects.put(&name.to_string(), &body, How::Replace);
        put.unwrap();
    };
    fill(results, 16, &put);
    measure_all(&place, results, None);
}

/// Writes the records and trees of results.
fn fill(results: usize, threads: usize, put: &(dyn Fn(ObjectName, Vec<u8>) + Sync)) {
    let begun = Instant::now();
    let numbers: Vec<usize> = (0..results).collect();
    in_parallel(threads, &numbers, |number| {
        let content = Content(*number);
        put(
            ObjectName::Tree(content.tree().digest),
            content.tree_bytes(),
        );
        for key in content.keys() {
            put(ObjectName::Record(key), content.record_bytes(&key));
        }
    });
    say(&format!(
        "{results} results were written in {:.0} s",
        begun.elapsed().as_secs_f64()
    ));
}

fn measure_all(place: &Place, results: usize, bucket: Option<&Bucket>) {
    let record = Content(0).record_bytes(&Content(0).keys()[0]).len();
    let tree = Content(0).tree_bytes().len();
    say(&format!(
        "{} records of {record} bytes, {results} trees of {tree} bytes",
        2 * results
    ));
    let present = |count: usize| -> Vec<Key> {
        (0..count / 2)
            .flat_map(|number| Content(number).keys())
            .collect()
    };
    let new: Vec<Key> = (0..10_000.min(2 * results))
        .map(|number| named(&format!("new-{number}")))
        .collect();
    let what = format!("look up {} names of which none is there", new.len());
    measure(&what, place, bucket, None, &|remote| {
        assert_eq!(remote.look_up(&new).iter().flatten().count(), 0);
    });
    for count in [1000, 10_000, 100_000, 1_000_000] {
        if count > 2 * results {
            break;
        }
        let names = present(count);
        let machine = Machine::new();
        let look_up = |remote: &Remote| {
            let found = remote.look_up(&names);
            assert_eq!(found.iter().flatten().count(), count);
        };
        let what = format!("look up {count} names that are there");
        measure(&what, place, bucket, Some(&machine), &look_up);
        // A million answers are more than are remembered.
        if count < 1_000_000 {
            measure("the same again", place, bucket, Some(&machine), &look_up);
        }
    }
    let trees = 5000.min(results);
    let digests: Vec<Digest> = (0..trees)
        .map(|number| Content(number).tree().digest)
        .collect();
    let what = format!("read {trees} trees, as `plan` does for the sizes of results");
    measure(&what, place, bucket, None, &|remote| {
        assert_eq!(remote.trees(&digests).iter().flatten().count(), trees);
    });
    measure("plan a collection", place, bucket, None, &|remote| {
        let plan = remote.plan_collection(&Policy::default()).unwrap();
        assert_eq!((plan.kept_records, plan.objects()), (2 * results, 0));
    });
}

/// Measures an operation of a machine, or of a new one.
fn measure(
    what: &str,
    place: &Place,
    bucket: Option<&Bucket>,
    machine: Option<&Machine>,
    operation: &dyn Fn(&Remote),
) {
    let fresh = Machine::new();
    let remote = machine.unwrap_or(&fresh).patient_remote(place);
    let before = bucket.map(Bucket::counts);
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (memory, begun, cpu) = (resident("VmRSS:"), Instant::now(), cpu_seconds());
    operation(&remote);
    let seconds = begun.elapsed().as_secs_f64();
    let (cpu, memory) = (cpu_seconds() - cpu, resident("VmHWM:") - memory);
    let statistics = remote.statistics();
    assert_eq!(remote.problem(), None);
    say(&format!(
        "{what}: {} requests, {:.2} MB received, {seconds:.2} s, {cpu:.2} s of CPU time, {memory:.0} MiB more memory",
        statistics.requests,
        statistics.received as f64 / 1e6
    ));
    let (Some(bucket), Some(before)) = (bucket, before) else {
        return;
    };
    let counts = difference(&bucket.counts(), &before);
    let requests: u64 = counts.values().map(|count| count.requests).sum();
    assert_eq!(requests, statistics.requests, "the server counts the same");
    let mut cost = [0.0, 0.0, 0.0];
    for (kind, count) in &counts {
        let Traffic {
            requests,
            received,
            sent,
        } = count;
        say(&format!(
            "  {kind}: {requests}, {received} bytes to the server, {sent} from it"
        ));
        let price = if kind.ends_with(" list") { LIST } else { GET };
        cost[usize::from(!kind.ends_with(" list"))] += *requests as f64 * price;
        cost[2] += *sent as f64 * BYTE;
    }
    say(&format!(
        "  cost: {:.4} $ for lists, {:.4} $ for reads, {:.4} $ for bytes that leave Amazon",
        cost[0], cost[1], cost[2]
    ));
}

fn difference(after: &Counts, before: &Counts) -> Counts {
    let mut counts = after.clone();
    for (kind, count) in &mut counts {
        let before = before.get(kind).copied().unwrap_or_default();
        count.requests -= before.requests;
        count.received -= before.received;
        count.sent -= before.sent;
    }
    counts.retain(|_, count| count.requests > 0);
    counts
}

/// Returns a size of this process in MiB.
fn resident(which: &str) -> f64 {
    let status = files::system_text("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let kib: f64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib / 1024.0
}

/// Returns the CPU time of this process, without that of its children.
fn cpu_seconds() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}
