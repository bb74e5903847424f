//! Moments at which tests kill the driver.

/// Kills this process if a test asks for that at `moment`.
pub(crate) fn reach(moment: &str) {
    #[cfg(test)]
    if std::env::var_os("RUNNER_TEST_KILL_AT").is_some_and(|wanted| wanted == moment) {
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
    }
    let _ = moment;
}
