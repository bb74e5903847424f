//! The defaults in the schema are those that the kinds use.

use super::subjects::subjects;
use super::visits::{at, everywhere};

#[test]
fn defaults_in_the_schema_match_omitted_parameters() {
    let mut seen = 0;
    for subject in subjects() {
        let root = stages::params_schema(subject.kind.name).unwrap();
        everywhere(&root, &subject.params, &mut |visit| {
            if !visit.optional {
                return;
            }
            let left_out = subject.canonical(&visit.without());
            match visit.schema.get("default") {
                Some(default) => {
                    let given = subject.canonical(&visit.with(default.clone()));
                    assert_eq!(
                        left_out,
                        given,
                        "`{}` of `{}`",
                        visit.name(),
                        subject.kind.name
                    );
                    seen += 1;
                }
                // The default stride of a pooling window is the size of its kernel.
                None if visit.name().ends_with("pool.stride") => {}
                None => {
                    let there = at(&mut left_out.clone(), &visit.path).clone();
                    assert!(
                        there.is_null(),
                        "`{}` of `{}`",
                        visit.name(),
                        subject.kind.name
                    );
                }
            }
        });
    }
    assert!(seen > 50, "{seen}");
}
