//! The process that plays a controller and all of its nodes.
//!
//! Slurm's commands are scripts that send their arguments to it, one on each line, and print its answer. A job waits for
//! a node, takes its time, and leaves the files that a node writes. Files are not flushed to disk: nodes do that on
//! machines of their own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use contract::lock;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::cluster::{VERSION, program};
use crate::folder::EVENTS;
use crate::script::LIST;
use crate::state::JobId;
use crate::{Client, EndResult, Ending, JobFolder, Started};

/// A simulated site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Site {
    /// Number of nodes. Each runs one job at a time.
    pub(super) nodes: usize,
    /// Mean time of a job in seconds. Jobs take between half and one and a half of it.
    pub(super) seconds: f64,
    /// Seconds for which jobs that ended are listed.
    pub(super) remembers: u64,
}

/// Figures of a controller at its end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Calls of each command.
    pub(super) calls: BTreeMap<String, u64>,
    /// Bytes of the largest answer of `squeue`, and its number of jobs.
    pub(super) largest: (usize, usize),
    /// Time that answers of `squeue` took here, in seconds.
    pub(super) listing: f64,
    pub(super) started: usize,
    /// Jobs that were started a second time, or whose claim was of another submission.
    pub(super) wrong: usize,
    /// Most jobs that ran, and that waited or ran, at the same time.
    pub(super) most_running: usize,
    pub(super) most_alive: usize,
    /// Sum of the times that jobs were meant to take, in seconds.
    pub(super) work: f64,
}

/// Name of the file with the port.
const PORT: &str = "port";

/// A running controller. Ends with the test.
pub(super) struct Controller {
    process: std::process::Child,
    folder: PathBuf,
    port: u16,
}

impl Controller {
    /// Starts a controller, and writes Slurm's commands into the folder.
    pub(super) fn start(folder: &Path, site: &Site) -> Self {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "tests::simulation::controller::controller";
        command.args(["--exact", name, "--ignored", "--nocapture", "--quiet"]);
        command.env("STAND_IN_CONTROLLER", folder);
        command.env("STAND_IN_SITE", serde_json::to_string(site).unwrap());
        command.stdout(std::process::Stdio::null());
        let process = command.spawn().unwrap();
        let port = folder.join(PORT);
        super::super::cluster::wait_until("the controller", || port.exists());
        let port = fs::read_to_string(port).unwrap().parse().unwrap();
        for name in ["sbatch", "squeue", "scontrol"] {
            program(&folder.join(name), &script(name, port));
        }
        Self {
            process,
            folder: folder.to_owned(),
            port,
        }
    }

    pub(super) fn client(&self) -> Client {
        Client::default().in_folder(&self.folder)
    }

    pub(super) fn counts(&self) -> Counts {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"counts\n\n").unwrap();
        let answer = std::io::read_to_string(stream).unwrap();
        serde_json::from_str(answer.strip_prefix("0\n").unwrap()).unwrap()
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns a command that passes its arguments on. The first line of the answer is the exit code.
fn script(name: &str, port: u16) -> String {
    format!(
        "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{port}\nprintf '%s\\n' {name} \"$@\" '' >&3\nread -r code <&3\n\
         [ \"$code\" = 0 ] && exec cat <&3\ncat <&3 >&2\nexit \"$code\"\n"
    )
}

/// Plays a controller.
#[test]
#[ignore = "a program for other tests"]
fn controller() {
    let Some(folder) = std::env::var_os("STAND_IN_CONTROLLER") else {
        return;
    };
    let site: Site = serde_json::from_str(&std::env::var("STAND_IN_SITE").unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let folder = Path::new(&folder);
    fs::write(folder.join("port.new"), port).unwrap();
    fs::rename(folder.join("port.new"), folder.join(PORT)).unwrap();
    let playing = Playing {
        queue: Mutex::new(Queue::new(&site)),
        changed: Condvar::new(),
        site,
    };
    thread::scope(|scope| {
        scope.spawn(|| playing.run_jobs());
        // One after the other, as a controller that changes its queue.
        for stream in listener.incoming() {
            playing.answer(&stream.unwrap());
        }
    });
}

struct Playing {
    site: Site,
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    next: u32,
    /// All jobs that are listed.
    jobs: BTreeMap<JobId, Job>,
    waiting: VecDeque<JobId>,
    ends: BinaryHeap<Reverse<(Instant, JobId)>>,
    ended: VecDeque<(Instant, JobId)>,
    free: Vec<usize>,
    counts: Counts,
}

#[derive(Clone)]
struct Job {
    folder: JobFolder,
    /// Log of the batch script.
    log: PathBuf,
    tag: String,
    state: &'static str,
    node: Option<usize>,
}

impl Queue {
    fn new(site: &Site) -> Self {
        Self {
            next: 0,
            jobs: BTreeMap::new(),
            waiting: VecDeque::new(),
            ends: BinaryHeap::new(),
            ended: VecDeque::new(),
            free: (0..site.nodes).rev().collect(),
            counts: Counts::default(),
        }
    }

    /// Starts jobs that wait while there are nodes. Returns them.
    fn start(&mut self, site: &Site) -> Vec<(JobId, Job)> {
        let mut started = Vec::new();
        while let Some(node) = self.free.pop() {
            let Some(id) = self.waiting.pop_front() else {
                self.free.push(node);
                break;
            };
            let job = self.jobs.get_mut(&id).unwrap();
            (job.state, job.node) = ("RUNNING", Some(node));
            started.push((id, job.clone()));
            // The same for each run: between 0.5 and 1.5.
            let mixed = id.job.wrapping_mul(7919) + id.element.unwrap_or_default();
            let share = 0.5 + f64::from(mixed.wrapping_mul(2_654_435_761) >> 16) / 65536.0;
            let seconds = site.seconds * share;
            self.counts.work += seconds;
            let end = Instant::now() + Duration::from_secs_f64(seconds);
            self.ends.push(Reverse((end, id)));
        }
        let counts = &mut self.counts;
        counts.started += started.len();
        counts.most_running = counts.most_running.max(self.ends.len());
        counts.most_alive = counts.most_alive.max(self.ends.len() + self.waiting.len());
        started
    }

    fn end(&mut self, id: JobId) {
        let job = self.jobs.get_mut(&id).unwrap();
        job.state = "COMPLETED";
        self.free.extend(job.node);
        self.ended.push_back((Instant::now(), id));
    }

    fn forget(&mut self, age: Duration) {
        while let Some((ended, id)) = self.ended.front() {
            if ended.elapsed() < age {
                break;
            }
            self.jobs.remove(id);
            self.ended.pop_front();
        }
    }
}

impl Playing {
    /// Starts and ends jobs.
    fn run_jobs(&self) {
        loop {
            let mut due = Vec::new();
            let mut queue = lock(&self.queue);
            while let Some(Reverse((end, id))) = queue.ends.peek().copied() {
                if end > Instant::now() {
                    break;
                }
                queue.ends.pop();
                due.push((id, queue.jobs[&id].clone()));
            }
            drop(queue);
            // A node writes the ending before Slurm knows of it.
            for (_, job) in &due {
                end(&job.folder);
            }
            let mut queue = lock(&self.queue);
            due.iter().for_each(|(id, _)| queue.end(*id));
            let started = queue.start(&self.site);
            drop(queue);
            let wrong = started.iter().filter(|(id, job)| !start(*id, job)).count();
            let mut queue = lock(&self.queue);
            queue.counts.wrong += wrong;
            if !queue.waiting.is_empty() && !queue.free.is_empty() {
                continue;
            }
            let next = queue.ends.peek().map(|Reverse((end, _))| *end);
            let pause = next.map_or(Duration::from_secs(1), |next| {
                next.saturating_duration_since(Instant::now())
            });
            drop(self.changed.wait_timeout(queue, pause).unwrap());
        }
    }

    fn answer(&self, stream: &TcpStream) {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        let words: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut queue = lock(&self.queue);
        queue.forget(Duration::from_secs(self.site.remembers));
        let count = queue.counts.calls.entry(words[..1].concat()).or_default();
        *count += 1;
        let answer = match &words[..] {
            ["sbatch", options @ ..] => Ok(submit(&mut queue, options)),
            ["squeue", ..] => Ok(list(&mut queue)),
            ["scontrol", "show", "config"] => Ok(format!(
                "MaxArraySize = 1001\nMaxJobCount = 1000000\nMinJobAge = {} sec\n",
                self.site.remembers
            )),
            ["scontrol", "-o", "show", "job", job] => show(&queue, job),
            ["counts"] => Ok(serde_json::to_string(&queue.counts).unwrap()),
            other => Err(format!("slurm: error: unknown command {other:?}\n")),
        };
        drop(queue);
        self.changed.notify_one();
        let (code, text) = match answer {
            Ok(text) => (0, text),
            Err(text) => (1, text),
        };
        let mut stream = stream;
        // A command that was killed does not read its answer.
        let _ = stream.write_all(format!("{code}\n{text}").as_bytes());
    }
}

/// Adds the jobs of a list to the queue. Returns the id.
fn submit(queue: &mut Queue, options: &[&str]) -> String {
    let value = |name: &str| options.iter().find_map(|option| option.strip_prefix(name));
    let tag = value("--comment=runner:").unwrap();
    let submission = Path::new(value("--chdir=").unwrap());
    let list = fs::read_to_string(submission.join(LIST)).unwrap();
    let is_array = value("--array=").is_some();
    queue.next += 1;
    for (element, folder) in list.lines().enumerate() {
        let id = JobId {
            job: queue.next,
            element: is_array.then(|| u32::try_from(element).unwrap()),
        };
        let log = match is_array {
            true => format!("slurm-{element}.log"),
            false => "slurm.log".to_owned(),
        };
        let job = Job {
            folder: JobFolder::at(folder),
            log: submission.join(log),
            tag: tag.to_owned(),
            state: "PENDING",
            node: None,
        };
        queue.jobs.insert(id, job);
        queue.waiting.push_back(id);
    }
    queue.next.to_string()
}

/// Lists all jobs as `squeue` does.
fn list(queue: &mut Queue) -> String {
    let began = Instant::now();
    let mut text = String::new();
    for (id, job) in &queue.jobs {
        write_line(&mut text, *id, job.state, job.node, &job.tag);
    }
    let counts = &mut queue.counts;
    counts.largest = counts.largest.max((text.len(), queue.jobs.len()));
    counts.listing += began.elapsed().as_secs_f64();
    text
}

/// Writes a line of `squeue`, with the columns that this package asks for.
pub(super) fn write_line(
    text: &mut String,
    id: JobId,
    state: &str,
    node: Option<usize>,
    tag: &str,
) {
    let JobId { job, element } = id;
    let element = element.map_or("N/A".to_owned(), |element| element.to_string());
    let node = node.map(node_name).unwrap_or_default();
    let (comment, name) = (format!("runner:{tag}"), format!("runner-{}", &tag[..8]));
    let _ = writeln!(
        text,
        "{job:<12}{element:<12}{state:<20}{:<12}{:<8}{:<64}{node:<64}{comment:<64}{name:<32}",
        0, 0, "None"
    );
}

fn node_name(node: usize) -> String {
    format!("node{node:04}")
}

/// Shows a job, or all elements of an array, as `scontrol` does.
fn show(queue: &Queue, number: &str) -> Result<String, String> {
    let id = |element| JobId {
        job: number.parse().unwrap_or_default(),
        element,
    };
    let mut text = String::new();
    for (JobId { job, element }, found) in queue.jobs.range(id(None)..=id(Some(u32::MAX))) {
        let Job { tag, state, .. } = found;
        let array = element.map(|element| format!(" ArrayJobId={job} ArrayTaskId={element}"));
        let _ = writeln!(
            text,
            "JobId={job}{} JobName=runner JobState={state} Reason=None Dependency=(null) Restarts=0 ExitCode=0:0 \
             NodeList={} Comment=runner:{tag} ",
            array.unwrap_or_default(),
            found.node.map(node_name).unwrap_or_default()
        );
    }
    match text.is_empty() {
        true => Err("slurm_load_jobs error: Invalid job id specified\n".to_owned()),
        false => Ok(text),
    }
}

/// Starts a job as a node does. Returns `false` if it must not start.
fn start(id: JobId, job: &Job) -> bool {
    let folder = &job.folder;
    let claim = folder.claim().unwrap();
    if claim.is_none_or(|claim| claim.tag != job.tag) || folder.started().unwrap().is_some() {
        return false;
    }
    fs::write(&job.log, "").unwrap();
    fs::create_dir_all(folder.outputs(0)).unwrap();
    let started = Started {
        node: node_name(job.node.unwrap_or_default()),
        process: 1,
        boot: None,
        processor: "test".to_owned(),
        version: VERSION.to_owned(),
        job: Some(id.job),
        element: id.element,
        attempt: 1,
        restart: 0,
    };
    for name in ["node.lock", "log"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    fs::write(folder.path().join(EVENTS), "{\"event\":0}\n").unwrap();
    put(folder, "started.json", &started);
    true
}

fn end(folder: &JobFolder) {
    let ending = Ending {
        attempt: 1,
        restart: 0,
        result: EndResult::Succeeded(json!(true)),
        seconds: 1.0,
        cpu_seconds: 1.0,
        peak_memory_mib: 1.0,
    };
    fs::write(folder.outputs(0).join("result"), "result").unwrap();
    put(folder, "ending.json", &ending);
}

/// Writes a file whole.
fn put(folder: &JobFolder, name: &str, value: &impl Serialize) {
    let fresh = folder.path().join(format!(".tmp-{name}"));
    fs::write(&fresh, serde_json::to_vec(value).unwrap()).unwrap();
    fs::rename(fresh, folder.path().join(name)).unwrap();
}
