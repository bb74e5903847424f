use std::sync::mpsc::{self, Receiver};

use serde_json::json;

use super::*;
use crate::records::{EndResult, Ending};
use crate::state::JobId;

const ID: JobId = JobId {
    job: 7,
    element: None,
};

struct Job {
    entry: Entry,
    reports: Receiver<Message>,
    root: tempfile::TempDir,
}

impl Job {
    /// A job in Slurm that may be started again `restarts` times.
    fn submitted(restarts: u32) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = JobFolder::attempt(root.path(), 1);
        contract::files::create_folders(folder.path()).unwrap();
        let resources = Resources {
            cpus: 1,
            memory: None,
            seconds: None,
            gpus: 0,
            gpu_memory: None,
        };
        let job = NewJob {
            root: root.path().to_owned(),
            resources,
            pack: Pack::NONE,
            restarts,
            starts_over: false,
            work: json!("work"),
        };
        let (messages, reports) = mpsc::channel();
        let mut entry = Entry::new(folder, &job, messages);
        let record = JobRecord {
            tag: "tag".to_owned(),
            job: ID.job,
            element: None,
            pack: 1,
            submitted: 0,
        };
        entry.enter(record, false);
        Self {
            entry,
            reports,
            root,
        }
    }

    fn start(&self, restart: u32) {
        let started = Started {
            node: "lab1".to_owned(),
            process: 1,
            boot: None,
            processor: "x86".to_owned(),
            version: "1".to_owned(),
            job: Some(ID.job),
            element: None,
            attempt: 1,
            restart,
        };
        self.entry.folder.put_started(&started).unwrap();
    }

    fn pause(&self, restart: u32) {
        let ending = Ending {
            attempt: 1,
            restart,
            result: EndResult::Paused,
            seconds: 1.0,
            cpu_seconds: 1.0,
            peak_memory_mib: 1.0,
        };
        self.entry.folder.put_ending(&ending).unwrap();
    }

    fn look(&mut self) -> Next {
        let log = self.root.path().join("log");
        self.entry.look(Duration::ZERO, &log)
    }

    /// Returns the reports since the last call.
    fn reports(&self) -> Vec<Report> {
        let messages = self.reports.try_iter();
        messages
            .map(|message| match message {
                Message::Report(report) => report,
                Message::Done(outcome) => panic!("{outcome:?}"),
            })
            .collect()
    }
}

fn pending(reason: &str) -> State {
    State::Pending(reason.to_owned())
}

#[test]
fn an_answer_from_before_a_start_says_nothing_about_it() {
    let mut job = Job::submitted(5);
    let asked = Instant::now();
    job.entry.take_state(&pending("Resources"), asked);
    job.start(0);
    assert!(matches!(job.look(), Next::Continue));
    for late in [pending("BeginTime"), State::Held("JobHeldUser".to_owned())] {
        job.entry.take_state(&late, asked);
        assert_eq!(job.entry.state, State::Running, "{late:?}");
        assert!(matches!(job.look(), Next::Continue));
    }
    let is_pause =
        |report: &Report| matches!(report, Report::Waits { .. } | Report::Interrupted { .. });
    assert!(!job.reports().iter().any(is_pause));

    // Any other answer is of now: the job has ended, or was put back.
    job.entry.take_state(&State::NodeFailed, asked);
    assert_eq!(job.entry.state, State::NodeFailed);
    job.entry.take_state(&pending("BeginTime"), Instant::now());
    assert!(matches!(job.look(), Next::Continue));
    let interrupted = Report::Interrupted {
        id: ID,
        has_checkpoint: false,
    };
    assert!(job.reports().contains(&interrupted));
}

#[test]
fn a_job_that_its_node_would_refuse_to_start_again_is_given_up() {
    let mut job = Job::submitted(1);
    job.start(0);
    assert!(matches!(job.look(), Next::Continue));
    job.entry.take_state(&pending("BeginTime"), Instant::now());
    assert!(matches!(job.look(), Next::Continue), "it may start again");

    job.start(1);
    assert!(matches!(job.look(), Next::Continue));
    job.entry.take_state(&pending("BeginTime"), Instant::now());
    let Next::CancelAndFinish(Outcome::Lost(lost)) = job.look() else {
        panic!("it waits for a start that would be refused");
    };
    assert_eq!((lost.id, &lost.loss), (ID, &Loss::NodeFailed));
    assert!(lost.is_interruption() && lost.hint().unwrap().contains("retries"));
}

#[test]
fn a_job_with_a_checkpoint_goes_on_as_often_as_it_may() {
    let mut job = Job::submitted(1);
    job.start(0);
    job.pause(0);
    assert!(matches!(job.look(), Next::Continue));
    job.entry.take_state(&pending("BeginTime"), Instant::now());
    assert!(matches!(job.look(), Next::Continue));
    let interrupted = Report::Interrupted {
        id: ID,
        has_checkpoint: true,
    };
    assert!(job.reports().contains(&interrupted));

    job.start(1);
    job.pause(1);
    assert!(matches!(job.look(), Next::Continue));
    job.entry.take_state(&pending("BeginTime"), Instant::now());
    let Next::CancelAndFinish(Outcome::Lost(lost)) = job.look() else {
        panic!("it waits for a start that would be refused");
    };
    assert!(lost.loss == Loss::Preempted && lost.paused && lost.is_interruption());
}
