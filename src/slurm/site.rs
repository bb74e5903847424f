//! Limits of a site: how large an array may be, and how many jobs a user may submit.

use crate::client::Client;
use crate::{Error, Settings};

/// Limits of a site. They are read once and may change; `sbatch` has the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteLimits {
    /// Largest number of elements of an array.
    pub elements: u32,
    /// Largest number of jobs of this user that may be submitted, waiting or running. Elements of arrays count.
    pub submitted: u32,
    /// Seconds for which the controller remembers jobs that have ended.
    pub remembers: u32,
}

impl Client {
    /// Reads the limits. Those of accounts and QOS are read only if the site has accounting.
    ///
    /// # Errors
    /// If the controller does not answer.
    pub fn limits(&self, settings: &Settings) -> Result<SiteLimits, Error> {
        let arguments = ["show", "config"].map(str::to_owned);
        let mut limits = parse_config(&self.run("scontrol", &arguments)?.text);
        // Associations belong to names, not to numbers.
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        let mut most = user.ok().and_then(|user| {
            let user = format!("user={user}");
            let columns = "format=account,maxsubmitjobs,grpsubmitjobs";
            let of_account = ["-n", "-P", "show", "associations", &user, columns];
            self.smallest(&of_account, settings.account.as_deref())
        });
        if let Some(qos) = &settings.qos {
            let of_qos = [
                "-n",
                "-P",
                "show",
                "qos",
                qos,
                "format=name,maxsubmitjobspu,grpsubmitjobs",
            ];
            most = [most, self.smallest(&of_qos, Some(qos))]
                .into_iter()
                .flatten()
                .min();
        }
        limits.submitted = limits.submitted.min(most.unwrap_or(u32::MAX));
        Ok(limits)
    }

    /// Returns the smallest limit in an answer of `sacctmgr`. A site without accounting has none.
    fn smallest(&self, arguments: &[&str], name: Option<&str>) -> Option<u32> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        match self.run("sacctmgr", &arguments) {
            Ok(answer) => smallest(&answer.text, name),
            Err(error) => {
                tracing::debug!(%error, "no limits of accounts");
                None
            }
        }
    }
}

/// Reads `Name = value` lines of `scontrol show config`. Slurm's own defaults stand for missing lines.
fn parse_config(text: &str) -> SiteLimits {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then_some(value)
        })?;
        line.split_whitespace().next()?.parse::<u32>().ok()
    };
    SiteLimits {
        // `MaxArraySize` is one more than the largest index.
        elements: number("MaxArraySize").unwrap_or(1001).saturating_sub(1),
        submitted: number("MaxJobCount").unwrap_or(10_000),
        remembers: number("MinJobAge").unwrap_or(300),
    }
}

/// Returns the smallest limit on the lines of `name`, or on all lines. Empty columns mean no limit.
fn smallest(text: &str, name: Option<&str>) -> Option<u32> {
    let lines = text.lines().map(|line| line.split('|').collect::<Vec<_>>());
    let ours = lines.filter(|columns| name.is_none_or(|name| columns.first() == Some(&name)));
    let limits = ours.flat_map(|columns| {
        let limits = columns.into_iter().skip(1);
        limits
            .filter_map(|limit| limit.trim().parse().ok())
            .collect::<Vec<u32>>()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        // Lines of Slurm 22.05.8.
        let text = "MaxArraySize            = 10001\nMaxJobCount             = 20000\nMinJobAge               = 300 sec\nPreemptMode             = OFF\n";
        let limits = SiteLimits {
            elements: 10_000,
            submitted: 20_000,
            remembers: 300,
        };
        assert_eq!(parse_config(text), limits);
        assert_eq!(parse_config("MaxArraySize = 0").elements, 0);
        assert_eq!(parse_config("").elements, 1000);
    }

    #[test]
    fn the_smallest_limit_of_the_account_counts() {
        let text = "lab||\nlab|500|\nother|5|7\n";
        assert_eq!(smallest(text, Some("lab")), Some(500));
        assert_eq!(smallest(text, None), Some(5));
        assert_eq!(smallest("", None), None);
    }
}
