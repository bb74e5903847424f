//! Credentials, region and endpoint for S3, from the places that other S3 programs read.
//!
//! | what | in this order |
//! | --- | --- |
//! | credentials | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; the profile's keys; the profile's `credential_process`; none |
//! | region | `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's `region`, `us-east-1` |
//! | endpoint | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, the profile's `services` section, its `endpoint_url`, Amazon's |
//! | profile | `AWS_PROFILE`, `AWS_DEFAULT_PROFILE`, `default`, in `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE` |
//!
//! Nothing here connects to another machine. Roles, single sign-on and the metadata of cloud machines are left to the
//! `aws` program, which exports credentials for others.

mod process;
mod profiles;

use std::path::PathBuf;

use contract::one_line;

use crate::secret::Secret;
use crate::settings::{SetupError, Variables};
use profiles::Profile;

/// What is needed to talk to S3.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// `None` for anonymous requests.
    pub(crate) credentials: Option<Credentials>,
    pub(crate) region: String,
    /// URL of a server other than Amazon's.
    pub(crate) endpoint: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) key: String,
    pub(crate) secret: Secret,
    pub(crate) token: Option<Secret>,
}

/// Settings of a profile that need a network connection or a login.
const ELSEWHERE: [&str; 6] = [
    "role_arn",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
    "credential_source",
    "login_session",
];

/// Finds credentials, region and endpoint.
pub(crate) fn access(variable: &Variables<'_>) -> Result<Access, SetupError> {
    let value = |name: &str| variable(name).filter(|value| !value.is_empty());
    let named = value("AWS_PROFILE").or_else(|| value("AWS_DEFAULT_PROFILE"));
    let folder = || value("HOME").map(|home| PathBuf::from(home).join(".aws"));
    let file = |name: &str, default: &str| {
        let path = value(name).map(PathBuf::from);
        path.or_else(|| Some(folder()?.join(default)))
    };
    let profile = Profile::read(
        named.as_deref(),
        file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        file("AWS_CONFIG_FILE", "config"),
    )?;
    let credentials = match (value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY")) {
        (Some(key), Some(secret)) => Some(Credentials {
            key,
            secret: Secret::new(secret),
            token: value("AWS_SESSION_TOKEN").map(Secret::new),
        }),
        (None, None) => of_profile(&profile)?,
        (Some(_), None) => return Err(lonely("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
        (None, Some(_)) => return Err(lonely("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")),
    };
    let region = value("AWS_REGION")
        .or_else(|| value("AWS_DEFAULT_REGION"))
        .or_else(|| profile.get("region"))
        .unwrap_or_else(|| "us-east-1".to_owned());
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !region.chars().all(fits) {
        return Err(SetupError::new(format!(
            "`{}` is no region; expected a name such as `eu-central-1` in `AWS_REGION` or the profile",
            one_line(&region)
        )));
    }
    let is_ignored =
        value("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|text| text == "true");
    let endpoint = match is_ignored {
        true => None,
        false => value("AWS_ENDPOINT_URL_S3")
            .or_else(|| value("AWS_ENDPOINT_URL"))
            .or_else(|| profile.service("s3", "endpoint_url"))
            .or_else(|| profile.get("endpoint_url")),
    };
    if let Some(url) = &endpoint {
        check_endpoint(url)?;
    }
    Ok(Access {
        credentials,
        region,
        endpoint,
    })
}

fn check_endpoint(url: &str) -> Result<(), SetupError> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    match rest {
        Some(rest) if rest.contains('@') => Err(SetupError::new(
            "the endpoint for S3 must not contain a user or a password; set `AWS_ACCESS_KEY_ID` and \
             `AWS_SECRET_ACCESS_KEY`",
        )),
        Some(rest) if !rest.is_empty() && !rest.contains(['?', '#', ' ']) => Ok(()),
        _ => Err(SetupError::new(
            "the endpoint for S3 is no URL; expected `https://host` or `http://host:port` in `AWS_ENDPOINT_URL` or the \
             profile",
        )),
    }
}

fn of_profile(profile: &Profile) -> Result<Option<Credentials>, SetupError> {
    let keys = (
        profile.get("aws_access_key_id"),
        profile.get("aws_secret_access_key"),
    );
    match keys {
        (Some(key), Some(secret)) => {
            return Ok(Some(Credentials {
                key,
                secret: Secret::new(secret),
                token: profile.get("aws_session_token").map(Secret::new),
            }));
        }
        (Some(_), None) => return Err(lonely("aws_access_key_id", "aws_secret_access_key")),
        (None, Some(_)) => return Err(lonely("aws_secret_access_key", "aws_access_key_id")),
        (None, None) => {}
    }
    if let Some(command) = profile.get("credential_process") {
        return process::run(&command).map(Some);
    }
    match ELSEWHERE.iter().find(|name| profile.get(name).is_some()) {
        Some(name) => Err(SetupError::new(format!(
            "the profile `{}` has `{name}`, which runner does not resolve; export its credentials with \
             `eval \"$(aws configure export-credentials --profile {} --format env)\"`",
            one_line(&profile.name),
            one_line(&profile.name),
        ))),
        None => Ok(None),
    }
}

fn lonely(found: &str, missing: &str) -> SetupError {
    SetupError::new(format!(
        "the credentials for S3 are incomplete: `{found}` is set, but not `{missing}`"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;

    use super::*;

    fn found(credentials: &str, config: &str, set: &[(&str, &str)]) -> Result<Access, SetupError> {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap().to_owned();
        fs::create_dir(folder.path().join(".aws")).unwrap();
        fs::write(folder.path().join(".aws/credentials"), credentials).unwrap();
        fs::write(folder.path().join(".aws/config"), config).unwrap();
        let mut variables: HashMap<_, _> = set.iter().copied().collect();
        variables.insert("HOME", &home);
        access(&|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    const CREDENTIALS: &str = "\
# comment
[default]
aws_access_key_id = DEFAULTKEY
aws_secret_access_key=default/secret+
[work]
aws_access_key_id=WORKKEY
aws_secret_access_key=work # no part of it
aws_session_token = token
";
    const CONFIG: &str = "\
[default]
region = eu-west-1
[profile work]
region = eu-central-1
services = lab
[services lab]
dynamodb =
  endpoint_url = http://other
s3 =
  endpoint_url = http://lab:9000
[profile old]
endpoint_url = http://old:9000
[profile person]
sso_session = x
";

    #[test]
    fn profiles_are_read() {
        let access = found(CREDENTIALS, CONFIG, &[]).unwrap();
        let credentials = access.credentials.unwrap();
        assert_eq!(credentials.key, "DEFAULTKEY");
        assert_eq!(credentials.secret.reveal(), "default/secret+");
        assert_eq!(access.region, "eu-west-1");
        assert_eq!(access.endpoint, None);

        let access = found(CREDENTIALS, CONFIG, &[("AWS_PROFILE", "work")]).unwrap();
        let credentials = access.credentials.unwrap();
        assert_eq!(credentials.secret.reveal(), "work");
        assert_eq!(credentials.token.unwrap().reveal(), "token");
        assert_eq!(access.region, "eu-central-1");
        assert_eq!(access.endpoint.unwrap(), "http://lab:9000");

        let access = found(CREDENTIALS, CONFIG, &[("AWS_PROFILE", "old")]).unwrap();
        assert!(access.credentials.is_none());
        assert_eq!(access.endpoint.unwrap(), "http://old:9000");
    }

    #[test]
    fn variables_come_first() {
        let set = [
            ("AWS_ACCESS_KEY_ID", "A"),
            ("AWS_SECRET_ACCESS_KEY", "B"),
            ("AWS_PROFILE", "work"),
            ("AWS_REGION", "r-1"),
            ("AWS_ENDPOINT_URL", "http://general"),
            ("AWS_ENDPOINT_URL_S3", "http://special"),
        ];
        let access = found(CREDENTIALS, CONFIG, &set).unwrap();
        let credentials = access.credentials.unwrap();
        assert_eq!((&*credentials.key, credentials.token), ("A", None));
        assert_eq!(access.region, "r-1");
        assert_eq!(access.endpoint.unwrap(), "http://special");
    }

    #[test]
    fn without_anything_requests_are_anonymous() {
        let access = access(&|_| None).unwrap();
        assert!(access.credentials.is_none());
        assert_eq!(access.region, "us-east-1");
    }

    #[test]
    fn a_program_can_return_credentials() {
        let config = "[default]\ncredential_process = /bin/echo '{\"Version\": 1, \"AccessKeyId\": \"K\", \"SecretAccessKey\": \"S\"}'\n";
        let credentials = found("", config, &[]).unwrap().credentials.unwrap();
        assert_eq!((&*credentials.key, credentials.secret.reveal()), ("K", "S"));
        let error = found("", "[default]\ncredential_process = /bin/false\n", &[]).unwrap_err();
        assert!(error.to_string().contains("credential_process"), "{error}");
    }

    #[test]
    fn mistakes_are_explained() {
        for (set, part) in [
            (vec![("AWS_PROFILE", "nobody")], "no profile `nobody`"),
            (vec![("AWS_PROFILE", "person")], "export-credentials"),
            (vec![("AWS_ACCESS_KEY_ID", "A")], "AWS_SECRET_ACCESS_KEY"),
            (vec![("AWS_ENDPOINT_URL", "localhost:9000")], "no URL"),
            (vec![("AWS_ENDPOINT_URL", "http://a:b@c")], "password"),
            (vec![("AWS_REGION", "eu west")], "no region"),
        ] {
            let error = found(CREDENTIALS, CONFIG, &set).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let access = found(CREDENTIALS, CONFIG, &[("AWS_PROFILE", "work")]).unwrap();
        let shown = format!("{access:?}");
        assert!(
            !shown.contains("work") && !shown.contains("token\""),
            "{shown}"
        );
    }
}
