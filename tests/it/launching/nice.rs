/// Runs each stage in a worker process that leaves the processor to others: `timeout 60 nice runner worker`.
pub(super) struct Nice {
    /// The program `runner`.
    binary: PathBuf,
    stopping: AtomicBool,
    /// Process groups of the running workers.
    running: Mutex<HashSet<Pid>>,
}

impl Nice {
    pub(super) fn new(binary: PathBuf) -> Self {
        Self {
            binary,
            stopping: AtomicBool::default(),
            running: Mutex::default(),
        }
    }

    /// Runs a worker to its end. The worker writes events; the last one has the result.
    fn work(
        &self,
        launch: &Launch<'_>,
        request: &Request,
        on_event: &dyn Fn(StageEvent),
    ) -> io::Result<Result<(), Failure>> {
        let seconds = launch.limits.timeout.map_or(0.0, |time| time.as_secs_f64());
        let log = files::open_with(launch.log, File::options().create(true).append(true))?;
        let mut command = Command::new("timeout");
        command.args([&format!("{seconds}"), "nice"]); // 0 means no limit.
        command.arg(&self.binary).arg("worker").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(log);
        // The lock is held, so that a stop sees either no worker or one that it can signal.
        let mut running = lock(&self.running);
        if self.is_stopping() {
            return Ok(Err(Failure::Cancelled));
        }
        let mut child = command.spawn()?;
        let group = Pid::from_child(&child);
        running.insert(group);
        drop(running);
        // Kept open until the end: when it closes, the worker ends.
        let mut input = child.stdin.take();
        if let Some(input) = &mut input {
            writeln!(input, "{}", serde_json::to_string(request)?)?;
        }
        let mut result = Err(Failure::System("it ended without a result".to_owned()));
        let output = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        for line in output.lines().map_while(Result::ok) {
            match serde_json::from_str(&line)? {
                StageEvent::Succeeded => result = Ok(()),
                StageEvent::Failed { failure } => result = Err(failure),
                event => on_event(event),
            }
        }
        // Its number may be given to another process after `wait`.
        lock(&self.running).remove(&group);
        let is_late = child.wait()?.code() == Some(124);
        Ok(match result {
            Err(_) if self.is_stopping() => Err(Failure::Cancelled),
            Err(_) if is_late => Err(Failure::TimedOut("took too long".to_owned())),
            result => result,
        })
    }

    /// Runs a stage from its furthest checkpoint, and keeps the new ones.
    fn resume(
        &self,
        launch: &Launch<'_>,
        Kept {
            checkpoints,
            resume,
        }: Kept<'_>,
        on_event: &dyn Fn(StageEvent),
    ) -> io::Result<Result<(), Failure>> {
        if !resume {
            checkpoints.discard_all().map_err(io::Error::other)?;
        }
        let fresh = checkpoints.staging().map_err(io::Error::other)?;
        let kept = checkpoints.furthest_first().map_err(io::Error::other)?;
        let folder = fresh.path().to_owned();
        let request = Request {
            resume: Some(Resume { folder, kept }),
            ..launch.request.clone()
        };
        self.work(launch, &request, &|event| {
            if let StageEvent::Checkpoint {
                folder, position, ..
            } = &event
                && let Err(error) = checkpoints.keep(*position, &fresh.path().join(folder))
            {
                tracing::warn!("a checkpoint is not kept: {error}");
            }
            on_event(event);
        })
    }

    fn signal_all(&self, signal: Signal) {
        self.stopping.store(true, Ordering::SeqCst);
        for group in &*lock(&self.running) {
            let _ = kill_process_group(*group, signal);
        }
    }
}

impl Launcher for Nice {
    fn run(&self, launch: &Launch<'_>, on_event: &dyn Fn(StageEvent)) -> Ending {
        let began = Instant::now();
        (launch.on_linked)();
        let ran = match launch.work {
            Work::Program(_) => Ok(Err(Failure::Data("only for built-in stages".to_owned()))),
            Work::BuiltIn(None) => self.work(launch, launch.request, on_event),
            Work::BuiltIn(Some(kept)) => self.resume(launch, kept, on_event),
        };
        let result = ran.unwrap_or_else(|error| Err(Failure::System(error.to_string())));
        Ending {
            result: result.map(|()| Gathered::default()),
            seconds: began.elapsed().as_secs_f64(),
            usage: Usage::default(),
        }
    }

    fn stopping(&self) -> &AtomicBool {
        &self.stopping
    }

    fn stop(&self) {
        self.signal_all(Signal::TERM);
    }

    fn kill_programs(&self) {}

    fn kill(&self) {
        self.signal_all(Signal::KILL);
    }

    fn finish(&self) -> Option<String> {
        None
    }
}
