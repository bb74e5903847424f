//! Reads the text that `squeue`, `scontrol` and `sacct` print.
//!
//! Text is read instead of `--json`, whose shape changes between versions. Columns of `squeue` have fixed widths, so a
//! value with spaces or separators cannot shift the next one.

use std::collections::BTreeMap;

use crate::state::{Exit, JobId, Seen, State};

/// Element under which Slurm shows what remains of an array whose waiting elements were cancelled (`NO_VAL`).
const REMAINDER: u32 = 0xffff_fffe;

/// Columns of `squeue`, with widths. Free text is last: other jobs may have characters in theirs that count twice.
const COLUMNS: [(&str, usize); 9] = [
    ("ArrayJobID", 12),
    ("ArrayTaskID", 12),
    ("State", 20),
    ("exit_code", 12),
    ("RestartCnt", 8),
    ("Reason", 64),
    ("NodeList", 64),
    ("Comment", 64),
    ("Name", 32),
];

/// Returns the format for `squeue -O`.
pub(crate) fn squeue_format() -> String {
    COLUMNS
        .map(|(name, width)| format!("{name}:{width}"))
        .join(",")
}

/// Reads the answer of `squeue -h -r -t all -O`. Lines that are not jobs are left out.
pub(crate) fn parse_squeue(text: &str) -> Vec<Seen> {
    text.lines().filter_map(squeue_line).collect()
}

fn squeue_line(line: &str) -> Option<Seen> {
    let mut rest = line;
    let mut columns = [""; COLUMNS.len()];
    for ((_, width), column) in COLUMNS.iter().zip(&mut columns) {
        let end = rest
            .char_indices()
            .nth(*width)
            .map_or(rest.len(), |(at, _)| at);
        *column = rest[..end].trim();
        rest = &rest[end..];
    }
    let [
        job,
        element,
        state,
        exit,
        restarts,
        reason,
        nodes,
        comment,
        name,
    ] = columns;
    let id = JobId {
        job: job.parse().ok()?,
        element: match element {
            "N/A" => None,
            element => Some(element.parse().ok()?),
        },
    };
    let exit = Exit::of_status(exit.parse().ok()?);
    Some(Seen {
        id,
        state: State::parse(state, reason, exit),
        restarts: restarts.parse().unwrap_or_default(),
        nodes: nodes.to_owned(),
        comment: comment.to_owned(),
        name: name.to_owned(),
    })
}

/// Reads the answer of `scontrol -o show job`: one job on each line, as `Key=value` words. Values may contain spaces,
/// so a value ends where the next key begins.
pub(crate) fn parse_scontrol(text: &str) -> Vec<Seen> {
    text.lines().flat_map(scontrol_line).collect()
}

fn scontrol_line(line: &str) -> Vec<Seen> {
    let fields = fields(line);
    let get = |key: &str| fields.get(key).copied();
    let job = get("ArrayJobId").or_else(|| get("JobId"));
    let Some(job) = job.and_then(|job| job.parse().ok()) else {
        return Vec::new();
    };
    let exit = get("ExitCode").and_then(exit_pair).unwrap_or(Exit::Code(0));
    let reason = get("Reason").unwrap_or_default();
    let state = State::parse(get("JobState").unwrap_or_default(), reason, exit);
    let restarts = get("Restarts").and_then(|count| count.parse().ok());
    let elements = match get("ArrayTaskId") {
        Some(text) => elements(text).into_iter().map(Some).collect::<Vec<_>>(),
        None => vec![None],
    };
    // As `squeue` does.
    let is_remainder = |element: &Option<u32>| *element == Some(REMAINDER);
    let elements = elements
        .into_iter()
        .map(|element| element.filter(|_| !is_remainder(&element)));
    let seen = |element| Seen {
        id: JobId { job, element },
        state: state.clone(),
        restarts: restarts.unwrap_or_default(),
        nodes: get("NodeList").unwrap_or_default().to_owned(),
        comment: get("Comment").unwrap_or_default().trim().to_owned(),
        name: get("JobName").unwrap_or_default().to_owned(),
    };
    elements.map(seen).collect()
}

fn fields(line: &str) -> BTreeMap<&str, &str> {
    /// Keys that are read, and those that follow values with spaces.
    const KEYS: [&str; 13] = [
        "JobId",
        "ArrayJobId",
        "ArrayTaskId",
        "ArrayTaskThrottle",
        "JobName",
        "JobState",
        "Reason",
        "Dependency",
        "Restarts",
        "ExitCode",
        "NodeList",
        "BatchHost",
        "Comment",
    ];
    let mut found = BTreeMap::new();
    let mut current: Option<(&str, usize)> = None;
    let mut at = 0;
    for word in line.split(' ') {
        let start = at;
        at += word.len() + 1;
        let Some((key, _)) = word.split_once('=') else {
            continue;
        };
        let is_key = key.starts_with(|c: char| c.is_ascii_uppercase())
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_/:".contains(c));
        if !is_key {
            continue;
        }
        if let Some((key, from)) = current.take() {
            found.entry(key).or_insert(line[from..start].trim());
        }
        if KEYS.contains(&key) {
            current = Some((key, start + key.len() + 1));
        }
    }
    if let Some((key, from)) = current {
        found.entry(key).or_insert(line[from..].trim());
    }
    found
}

/// Reads `CODE:SIGNAL`. Slurm gives 125 as the signal of a job that exceeded its memory.
fn exit_pair(text: &str) -> Option<Exit> {
    let (code, signal) = text.split_once(':')?;
    let (code, signal): (u32, u32) = (code.parse().ok()?, signal.parse().ok()?);
    Some(match signal {
        0 => Exit::of_code(code),
        signal => Exit::Signal(signal),
    })
}

/// Reads the elements of an array, as in `3`, `0-2,5` or `1-7:2%4`. Elements that wait are shown together.
fn elements(text: &str) -> Vec<u32> {
    let text = text.split('%').next().unwrap_or_default();
    let mut found = Vec::new();
    for part in text.split(',') {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (Ok(from), Ok(to), Ok(step)) = (from.parse(), to.parse::<u32>(), step.parse()) else {
            continue;
        };
        // No site allows arrays with more elements.
        let range = (from..=to).step_by(usize::max(step, 1)).take(4_000_001);
        found.extend(range);
    }
    found
}

/// Reads the answer of `sacct -n -P -X -o JobID,State,ExitCode`. `None` for a job that it does not contain.
pub(crate) fn parse_sacct(text: &str, id: JobId) -> Option<State> {
    let wanted = id.to_string();
    let state = |line: &str| {
        let mut columns = line.split('|');
        let (name, state, exit) = (columns.next()?, columns.next()?, columns.next()?);
        let exit = exit_pair(exit.trim())?;
        (name == wanted).then(|| State::parse(state, "", exit))
    };
    text.lines().filter_map(state).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line as `squeue` of Slurm 22.05.8 prints it.
    fn line(element: &str, state: &str, exit: &str, reason: &str) -> String {
        format!(
            "{:<12}{element:<12}{state:<20}{exit:<12}{:<8}{reason:<64}{:<64}{:<64}{:<32}",
            1000, 2, "lab1", "runner:abc", "runner-abc"
        )
    }

    fn state(state: &str, exit: &str, reason: &str) -> State {
        let seen = parse_squeue(&line("4", state, exit, reason));
        assert_eq!(seen.len(), 1);
        let seen = seen.into_iter().next().unwrap();
        assert_eq!(seen.id.to_string(), "1000_4");
        assert_eq!(
            (seen.restarts, &*seen.nodes, &*seen.comment),
            (2, "lab1", "runner:abc")
        );
        seen.state
    }

    #[test]
    fn states_of_squeue_are_read() {
        // States and exit codes as measured with Slurm 22.05.8.
        assert_eq!(
            state("FAILED", "768", "NonZeroExitCode"),
            State::Ended(Exit::Code(3))
        );
        assert_eq!(
            state("FAILED", "9", "JobLaunchFailure"),
            State::Ended(Exit::Signal(9))
        );
        assert_eq!(
            state("FAILED", "35072", "NonZeroExitCode"),
            State::Ended(Exit::Signal(9))
        );
        assert_eq!(state("COMPLETED", "0", "None"), State::Ended(Exit::Code(0)));
        assert_eq!(
            state("OUT_OF_MEMORY", "253", "OutOfMemory"),
            State::OutOfMemory
        );
        assert_eq!(
            state("FAILED", "1", "BadConstraints"),
            State::Rejected("BadConstraints".to_owned())
        );
        assert_eq!(state("COMPLETING", "15", "None"), State::Completing);
        assert_eq!(state("CANCELLED", "15", "None"), State::Cancelled(None));
        assert_eq!(
            state("PENDING", "0", "Priority"),
            State::Pending("Priority".to_owned())
        );
        let held = "launch failed requeued held";
        assert_eq!(state("PENDING", "0", held), State::Held(held.to_owned()));
        assert_eq!(state("TIMEOUT", "0", "TimeLimit"), State::TimedOut);
        assert_eq!(state("NODE_FAIL", "0", "NodeDown"), State::NodeFailed);
        assert_eq!(state("PREEMPTED", "0", "None"), State::Preempted);
        assert_eq!(state("REQUEUED", "0", "None"), State::Requeued);
        assert_eq!(state("SUSPENDED", "0", "None"), State::Running);
        assert_eq!(
            state("DREAMING", "0", "None"),
            State::Unknown("DREAMING".to_owned())
        );
        assert!(!state("DREAMING", "0", "None").is_over());
    }

    #[test]
    fn lines_that_are_no_jobs_are_left_out() {
        let text = format!(
            "slurm_load_jobs error\n\n{}\nx",
            line("N/A", "RUNNING", "0", "None")
        );
        let seen = parse_squeue(&text);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].id.to_string(), "1000");
    }

    #[test]
    fn answers_of_scontrol_are_read() {
        // Shortened lines of Slurm 22.05.8.
        let text = "JobId=1009 ArrayJobId=1000 ArrayTaskId=6 ArrayTaskThrottle=6 JobName=a b JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=1 Restarts=1 BatchFlag=1 Reboot=0 ExitCode=3:0 NodeList=lab1 BatchHost=lab1 Comment=runner:tag  StdErr=/dev/null Power= \n\
                    JobId=1000 ArrayJobId=1000 ArrayTaskId=7-9:2,12%4 JobState=PENDING Reason=Nodes required for job are DOWN Dependency=(null) Restarts=0 ExitCode=0:0 NodeList= Comment=runner:tag StdErr=x\n\
                    JobId=1014 JobName=JobState=FAILED JobState=OUT_OF_MEMORY Reason=OutOfMemory Dependency=(null) Restarts=0 ExitCode=0:125 NodeList=lab2\n\n";
        let seen = parse_scontrol(text);
        let ids: Vec<String> = seen.iter().map(|seen| seen.id.to_string()).collect();
        assert_eq!(ids, ["1000_6", "1000_7", "1000_9", "1000_12", "1014"]);
        assert_eq!(seen[0].state, State::Ended(Exit::Code(3)));
        assert_eq!((seen[0].restarts, &*seen[0].comment), (1, "runner:tag"));
        let down = "Nodes required for job are DOWN".to_owned();
        assert_eq!(seen[1].state, State::Pending(down));
        assert_eq!(parse_scontrol("No jobs in the system"), []);
        let rest = "JobId=2 ArrayJobId=2 ArrayTaskId=4294967294 JobName=a JobState=CANCELLED Reason=Resources";
        assert_eq!(parse_scontrol(rest)[0].id.to_string(), "2");
    }

    #[test]
    fn answers_of_sacct_are_read() {
        let id = JobId {
            job: 7,
            element: Some(1),
        };
        let text = "7_0|COMPLETED|0:0\n7_1|NODE_FAIL|0:0\n7_1|CANCELLED by 1000|0:15\n";
        assert_eq!(
            parse_sacct(text, id),
            Some(State::Cancelled(Some("1000".to_owned())))
        );
        assert_eq!(parse_sacct("", id), None);
    }
}
