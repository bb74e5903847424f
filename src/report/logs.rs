//! Sets up tracing to standard error and to a file in the run's folder. On standard error, a log line reads like the
//! program's other messages: `cnn[model1]: warning: failed to …`.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt as format};

use super::{Console, Verbosity};

/// Environment variable with the filter for standard error, such as `debug` or `engine=debug`.
pub const VARIABLE: &str = "RUNNER_LOG";

/// The file that receives a copy of the logs, once the run has its folder.
#[derive(Clone, Default)]
pub struct RunLog(Arc<OnceLock<File>>);

impl RunLog {
    /// Starts to copy the logs to `folder/log.jsonl`.
    pub fn open(&self, folder: &Path) -> io::Result<()> {
        let file = File::create(folder.join("log.jsonl"))?;
        // A process has only one run.
        self.0.get_or_init(|| file);
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for RunLog {
    type Writer = Box<dyn Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        match self.0.get() {
            Some(file) => Box::new(file),
            None => Box::new(io::sink()),
        }
    }
}

/// Writes log lines to standard error without disturbing the progress bars.
struct Stderr(Console);

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.message(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Formats log lines as messages: what the line is about, its level as a word, and the text.
struct AsMessage;

impl<S, N> FormatEvent<S, N> for AsMessage
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let spans = context.event_scope().into_iter();
        for span in spans.flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                let subject = fields.strip_prefix("name=").unwrap_or(fields);
                write!(to, "{subject}: ")?;
            }
        }
        let word = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(to, "{word}: ")?;
        context.format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}

/// Starts logging for this process. Warnings go to standard error (more with `-v` or
/// [`RUNNER_LOG`](VARIABLE)). Messages of level `debug` and above go to a file in the run's folder.
pub fn start(console: &Console) -> RunLog {
    let level = match console.verbosity {
        Verbosity::Quiet | Verbosity::Normal => LevelFilter::WARN,
        Verbosity::Verbose => LevelFilter::INFO,
    };
    let given = env::var(VARIABLE).unwrap_or_default();
    let (filter, ignored) = filter(&given, level);
    let run_log = RunLog::default();
    let console = console.clone();
    let stderr = format::layer()
        // The crate feature for colors is off. Requesting colors would print a warning in every command.
        .with_ansi(false)
        .event_format(AsMessage)
        .with_writer(move || Stderr(console.clone()))
        .with_filter(filter);
    let file = format::layer()
        .json()
        .with_writer(run_log.clone())
        .with_filter(LevelFilter::DEBUG);
    // Fails only if logging was already started, for example by another test in this process.
    let _ = tracing_subscriber::registry()
        .with(stderr)
        .with(file)
        .try_init();
    if !ignored.is_empty() {
        tracing::warn!(
            "ignored in `{VARIABLE}`: {}; expected a level or MODULE=LEVEL, such as `engine=debug`",
            ignored.join(", ")
        );
    }
    run_log
}

/// Returns the filter that a text describes, with `level` for modules that it does not name, and the parts of the text
/// that could not be read.
fn filter(text: &str, level: LevelFilter) -> (Targets, Vec<String>) {
    let mut filter = Targets::new().with_default(level);
    let mut ignored = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (module, level) = match part.split_once('=') {
            Some((module, level)) => (Some(module), level),
            None => (None, part),
        };
        filter = match (module, level.parse::<LevelFilter>()) {
            (None, Ok(level)) => filter.with_default(level),
            (Some(module), Ok(level)) if is_path(module) => filter.with_target(module, level),
            _ => {
                ignored.push(format!("`{part}`"));
                filter
            }
        };
    }
    (filter, ignored)
}

/// Returns `true` if a text can be the path of a module.
fn is_path(text: &str) -> bool {
    let is_allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | ':');
    !text.is_empty() && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use contract::lock;

    use super::*;

    /// Collects what is written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn log_lines_read_like_messages() {
        let written = Written::default();
        let to = written.clone();
        let layer = format::layer()
            .with_ansi(false)
            .event_format(AsMessage)
            .with_writer(move || to.clone())
            .with_filter(LevelFilter::WARN);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!("failed to read `{}`", "file");
            let name = "cnn[model1]";
            let _span = tracing::error_span!("stage", %name).entered();
            tracing::warn!(count = 2, "failed");
            tracing::info!("not shown");
        });
        let text = String::from_utf8(lock(&written.0).clone()).unwrap();
        let expected = "warning: failed to read `file`\ncnn[model1]: warning: failed count=2\n";
        assert_eq!(text, expected);
    }
}
