use super::*;
use crate::records::Claim;
use crate::resources::Resources;

fn identity(version: &str) -> Identity {
    Identity {
        version: version.to_owned(),
        processor: "x86".to_owned(),
    }
}

fn folder(at: &std::path::Path) -> JobFolder {
    let folder = JobFolder::at(at.join("job"));
    let resources = Resources {
        cpus: 1,
        memory: None,
        seconds: None,
        gpus: 0,
        gpu_memory: None,
    };
    let request = Request {
        version: "1".to_owned(),
        attempt: 3,
        restarts: 1,
        resources,
        work: "work".into(),
    };
    folder.create(&request).unwrap();
    let claim = Claim {
        tag: "tag".to_owned(),
        line: 0,
        pack: 1,
        host: "h".to_owned(),
        process: 1,
    };
    assert!(folder.put_claim(&claim).unwrap());
    folder
}

fn start(folder: &JobFolder, tag: &str) -> Start {
    Node::start_as(folder.clone(), &identity("1"), Some(tag), Duration::ZERO).unwrap()
}

fn run(folder: &JobFolder) -> Node {
    match start(folder, "tag") {
        Start::Run(node) => *node,
        Start::Idle(idle) => panic!("{idle:?}"),
    }
}

fn idle(folder: &JobFolder, tag: &str) -> Idle {
    match start(folder, tag) {
        Start::Run(_) => panic!("it runs"),
        Start::Idle(idle) => idle,
    }
}

#[test]
fn a_job_runs_once_and_its_files_tell_so() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder(temporary.path());
    let node = run(&folder);
    assert_eq!(idle(&folder, "tag"), Idle::Running);
    assert_eq!(node.request().work, "work");
    assert!(node.outputs().ends_with("outputs/0"));
    node.event(&"one").unwrap();
    node.event(&2).unwrap();
    let used = Used {
        seconds: 1.5,
        cpu_seconds: 2.5,
        peak_memory_mib: 3.5,
    };
    let result = EndResult::Succeeded("result".into());
    assert_eq!(node.end(result.clone(), used).unwrap(), 0);
    let events = crate::EventReader::new(&folder).read().unwrap();
    assert_eq!(events, [serde_json::json!("one"), serde_json::json!(2)]);
    let ending = folder.ending().unwrap().unwrap();
    assert_eq!((ending.attempt, ending.restart), (3, 0));
    assert_eq!(
        (ending.result, ending.seconds, ending.cpu_seconds),
        (result, 1.5, 2.5)
    );
    assert_eq!(idle(&folder, "tag"), Idle::Ended);
}

#[test]
fn a_paused_job_goes_on_as_often_as_allowed() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder(temporary.path());
    let end = |result| run(&folder).end(result, Used::default()).unwrap();
    assert_eq!(end(EndResult::Paused), AGAIN);
    assert_eq!(folder.started().unwrap().unwrap().restart, 0);
    assert_eq!(end(EndResult::Paused), 1, "it may be started again once");
    assert_eq!(folder.started().unwrap().unwrap().restart, 1);
    assert_eq!(idle(&folder, "tag"), Idle::Ended);
    let EndResult::Refused(text) = folder.ending().unwrap().unwrap().result else {
        panic!("it was not refused");
    };
    assert_eq!(
        text,
        "the job was interrupted 2 times; with `retries: 2`, the stage would start again"
    );
}

#[test]
fn cancelled_and_superseded_jobs_do_not_start() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder(temporary.path());
    assert_eq!(idle(&folder, "other"), Idle::Superseded);
    let node = run(&folder);
    folder.put_cancel().unwrap();
    assert_eq!(node.end(EndResult::Paused, Used::default()).unwrap(), 1);
    assert_eq!(idle(&folder, "tag"), Idle::Cancelled);
}

#[test]
fn another_version_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder(temporary.path());
    let error = Node::start_as(folder.clone(), &identity("2"), None, Duration::ZERO);
    let error = error.unwrap_err();
    let text = "the binary on the node has version 2, but the driver has version 1";
    assert_eq!(error.to_string(), text);
    let ending = folder.ending().unwrap().unwrap();
    assert_eq!(ending.result, EndResult::Refused(text.to_owned()));
}

#[test]
fn a_node_that_was_given_up_writes_no_ending() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder(temporary.path());
    let node = run(&folder);
    let mut later = node.started().clone();
    later.restart += 1;
    folder.put_started(&later).unwrap();
    let result = EndResult::Succeeded(true.into());
    assert_eq!(node.end(result, Used::default()).unwrap(), 1);
    assert_eq!(folder.ending().unwrap(), None);
}
