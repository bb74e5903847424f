use super::*;

fn answer() -> NodeAnswer {
    NodeAnswer {
        created_twice: false,
        flock_taken: Ok(false),
        range_taken: Ok(false),
        clock: Some((10, 5)),
    }
}

#[test]
fn a_local_folder_meets_all_requirements() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("check");
    let side = DriverSide::prepare(&folder).unwrap();
    let work = request(&folder).unwrap();
    let (value, counts) = thread::scope(|scope| {
        let watching = scope.spawn(|| side.watch());
        let value = on_node(&work).unwrap().unwrap();
        side.stop();
        (value, watching.join().unwrap())
    });
    let check = side.conclude(&value, counts).unwrap();
    assert_eq!(check.problems(), Vec::<String>::new());
    assert!(check.reads > 0);
    assert_eq!(on_node(&"other work".into()).unwrap(), None);
    assert!(side.conclude(&"no answer".into(), (1, 0)).is_none());
}

#[test]
fn every_requirement_that_is_not_met_is_named() {
    let problems = |node: NodeAnswer, torn| {
        let check = SharedCheck {
            node,
            reads: 9,
            torn,
        };
        check.problems().join("; ")
    };
    assert_eq!(problems(answer(), 0), "");
    assert!(problems(answer(), 2).contains("2 of 9 reads"));
    let bad = NodeAnswer {
        created_twice: true,
        flock_taken: Ok(true),
        range_taken: Err("no locks".to_owned()),
        clock: None,
    };
    let text = problems(bad, 0);
    for part in [
        "exclusive creation",
        "`flock` locks do not reach",
        "no `fcntl` locks: no locks",
        "within a minute",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let late = NodeAnswer {
        clock: Some((-60_000, 5)),
        ..answer()
    };
    assert!(problems(late, 0).contains("differ by 60000 ms"));
}
