//! Paths in the folder of a program: different spellings mean the same place.

use std::fs;

use super::{latest, one, outcome, run};

/// Spellings of the path `d/o`.
const SPELLINGS: [&str; 6] = ["d/o", "./d/o", "d//o", "d/./o", "d/o/", "././d/.//o/"];

#[test]
fn every_spelling_of_a_path_is_the_same_place_and_the_same_key() {
    let params = |path: &str| {
        let at = |folder: &str| path.replace('d', folder);
        format!(
            "{{ argv: 'mkdir e m; cat d/o c/o > e/o; echo {{}} > m/o', shell: true, files: {{ {path}: one }}, \
             code: [{}], outputs: {{ out: {} }}, metrics: {} }}",
            at("c"),
            at("e"),
            at("m"),
        )
    };
    let sandbox = one(&params(SPELLINGS[0]));
    let pipeline = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    fs::create_dir_all(sandbox.path("c")).unwrap();
    fs::write(sandbox.path("one"), "ONE\n").unwrap();
    fs::write(sandbox.path("c/o"), "CODE\n").unwrap();
    for spelling in SPELLINGS {
        let spelled = pipeline.replace(&params(SPELLINGS[0]), &params(spelling));
        fs::write(sandbox.path("pipeline.yaml"), spelled).unwrap();
        let forced = sandbox.runner(&["run", "pipeline.yaml", "--force"]);
        assert_eq!(forced.code, Some(0), "{spelling}: {forced:?}");
        assert_eq!(latest(&sandbox, "it/out/o"), "ONE\nCODE\n");
        let other = SPELLINGS.into_iter().filter(|other| *other != spelling);
        for other in other.take(2) {
            let spelled = pipeline.replace(&params(SPELLINGS[0]), &params(other));
            fs::write(sandbox.path("pipeline.yaml"), spelled).unwrap();
            assert_eq!(outcome(&sandbox, &[]), "cached", "{spelling}, then {other}");
        }
    }
}

#[test]
fn two_inputs_or_outputs_at_the_same_path_are_refused() {
    for spelling in SPELLINGS {
        for both in [
            "files: { d/o: one }, code: [IT]",
            "files: { d/o: one, ./IT: two }",
            "files: { d: one, ./IT: two }",
            "code: [d/o, IT]",
            "outputs: { a: d/o, b: IT }",
            "outputs: { a: d, b: IT }",
            "files: { d/o: one }, outputs: { b: IT }",
            "code: [d], metrics: IT",
            "outputs: { a: d/o }, metrics: IT",
        ] {
            let both = both.replace("IT", spelling);
            let sandbox = one(&format!("{{ argv: [true], {both} }}"));
            let refused = sandbox.runner(&["validate", "pipeline.yaml"]);
            assert_eq!(refused.code, Some(2), "{both}: {refused:?}");
            let text = &refused.stderr;
            let is_same = text.contains("have the same path");
            assert!(
                is_same || text.contains("overlap: one path is inside the other"),
                "{text}"
            );
            assert!(text.contains("pipeline.yaml:6:"), "{both}: {text}");
        }
    }
    let with_input = "version: 1\nname: p\nstages:\n  a: { kind: command, params: { argv: [true], outputs: { o: o } } }\n  b: { kind: command, inputs: { d: a.o }, params: { argv: [true], outputs: { o: ./d/o } } }\n";
    let refused = crate::sandbox::Sandbox::new(with_input).runner(&["validate", "pipeline.yaml"]);
    assert!(
        refused
            .stderr
            .contains("the output `d/o` and the input `d` overlap: one path is inside the other"),
        "{refused:?}"
    );
}

#[test]
fn the_error_is_at_the_file_that_is_written_twice() {
    let sandbox = one("{ argv: [cat, a], files: { ./a: one, a: two } }");
    let refused = sandbox.runner(&["validate", "pipeline.yaml"]);
    let message = "\
error: the file `a` and the file `a` have the same path
  --> pipeline.yaml:6:53
";
    assert!(refused.stderr.starts_with(message), "{}", refused.stderr);
    let sandbox = one("{ argv: [cat, a], files: { ./a: nowhere } }");
    let refused = sandbox.runner(&["plan", "pipeline.yaml"]);
    assert!(
        refused.stderr.contains("pipeline.yaml:6:45"),
        "{}",
        refused.stderr
    );
}

#[test]
fn ignore_takes_names_and_no_paths() {
    let left = "{ argv: 'mkdir n; echo > n/left', shell: true, ignore: [IT] }";
    for name in ["n", "n/", "./n", "left"] {
        let sandbox = one(&left.replace("IT", name));
        assert_eq!(run(&sandbox).code, Some(0), "{name}");
    }
    for path in ["n/left", "..", "/n", ".", "''"] {
        let sandbox = one(&left.replace("IT", path));
        let refused = sandbox.runner(&["validate", "pipeline.yaml"]);
        assert_eq!(refused.code, Some(2), "{path}: {refused:?}");
        assert!(refused.stderr.contains("pipeline.yaml:6:"), "{refused:?}");
    }
}
