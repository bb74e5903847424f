//! Runs the bodies of the fuzz targets on bytes drawn by proptest: arbitrary ones, and damaged files of each
//! kind. `RUNNER_SUITE=full` runs 50 times as many cases. `cargo fuzz run --fuzz-dir tests/fuzz TARGET` runs any
//! number.

use std::io::{Cursor, Write};
use std::sync::OnceLock;

use npyz::WriterBuilder;
use proptest::prelude::*;

#[path = "../fuzz/bodies.rs"]
mod bodies;

use crate::sandbox::{Sandbox, TINY, list};

fn cases(few: u32) -> ProptestConfig {
    let full = std::env::var("RUNNER_SUITE").is_ok_and(|suite| suite == "full");
    ProptestConfig {
        cases: if full { few * 50 } else { few },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A change to the bytes of a file.
#[derive(Clone, Debug)]
enum Edit {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    /// Overwrites up to eight bytes with a number that is extreme as a length or a count.
    Number(prop::sample::Index, u64),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let index = any::<prop::sample::Index>;
    let numbers = prop::sample::select(vec![0, 1, u64::MAX, 1 << 31, 1 << 40, 1 << 63]);
    let edit = prop_oneof![
        (index(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        index().prop_map(Edit::Cut),
        (index(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, b)| Edit::Insert(at, b)),
        (index(), 1..64_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        (index(), numbers).prop_map(|(at, number)| Edit::Number(at, number)),
    ];
    prop::collection::vec(edit, 1..4)
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        if bytes.is_empty() {
            break;
        }
        let at = |index: &prop::sample::Index| index.index(bytes.len());
        match edit {
            Edit::Flip(index, bit) => {
                let at = at(index);
                bytes[at] ^= 1 << bit;
            }
            Edit::Cut(index) => bytes.truncate(at(index)),
            Edit::Insert(index, more) => {
                let at = at(index);
                bytes.splice(at..at, more.iter().copied());
            }
            Edit::Remove(index, count) => {
                let at = at(index);
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Edit::Number(index, number) => {
                let at = at(index);
                let end = (at + 8).min(bytes.len());
                bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
            }
        }
    }
    bytes
}

/// Returns a MedMNIST file with twelve images of 5×4 pixels in two classes.
pub(crate) fn medmnist() -> Vec<u8> {
    let array = |shape: &[u64], values: &[u8]| {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape);
        let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    };
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (split, count) in [("train", 8_u64), ("test", 4)] {
        let pixels: Vec<u8> = (0..count * 20).map(|pixel| (pixel * 7) as u8).collect();
        let labels: Vec<u8> = (0..count).map(|label| (label % 2) as u8).collect();
        let options = zip::write::SimpleFileOptions::default();
        for (name, bytes) in [
            ("images", array(&[count, 5, 4], &pixels)),
            ("labels", array(&[count, 1], &labels)),
        ] {
            archive
                .start_file(format!("{split}_{name}.npy"), options)
                .unwrap();
            archive.write_all(&bytes).unwrap();
        }
    }
    archive.finish().unwrap().into_inner()
}

fn weights() -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    bodies::write_some_weights(file.path());
    std::fs::read(file.path()).unwrap()
}

/// Returns an action record, without its checksum, and a tree of a real run.
fn real_records() -> &'static [Vec<u8>] {
    static RECORDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    RECORDS.get_or_init(|| {
        let sandbox = Sandbox::new(TINY);
        assert_eq!(sandbox.run_json(&["--until", "xrays"]).code, Some(0));
        let record = std::fs::read(&list(&sandbox.path("artifacts/v1/actions"))[0]).unwrap();
        let start = br#"{"checksum":"","record":"#.len() + 64;
        let record = record[start..record.len() - 2].to_vec();
        let shards = list(&sandbox.path("artifacts/v1/cas"));
        let mut files = shards.iter().flat_map(|shard| list(shard));
        let tree = files.find(|file| file.extension().is_some()).unwrap();
        vec![record, std::fs::read(tree).unwrap()]
    })
}

const PIPELINES: [&str; 2] = [TINY, include_str!("../../pipelines/table1.yaml")];

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        bodies::document(&bytes);
        bodies::records(&bytes);
        bodies::safetensors(&bytes);
        bodies::npz(&bytes);
    }

    #[test]
    fn a_damaged_pipeline_is_read_or_refused(which in 0..2_usize, edits in edits()) {
        bodies::document(&edited(PIPELINES[which].as_bytes().to_vec(), &edits));
    }

    #[test]
    fn a_damaged_npz_is_read_or_refused(edits in edits()) {
        bodies::npz(&edited(medmnist(), &edits));
    }

    #[test]
    fn damaged_weights_are_read_or_refused(edits in edits()) {
        bodies::safetensors(&edited(weights(), &edits));
    }

    #[test]
    fn a_damaged_record_is_read_or_refused(which in 0..2_usize, edits in edits()) {
        bodies::records(&edited(real_records()[which].clone(), &edits));
    }
}

#[test]
fn undamaged_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    std::fs::write(&path, weights()).unwrap();
    bodies::read_some_weights(&path).unwrap();
    let sandbox = Sandbox::new(TINY);
    std::fs::write(sandbox.path("data.npz"), medmnist()).unwrap();
    let npz = "stages.xrays.params.source={npz: {path: data.npz}}";
    let run = sandbox.run_json(&["-S", npz, "--until", "xrays"]);
    assert_eq!(run.code, Some(0), "{run:?}");
}
