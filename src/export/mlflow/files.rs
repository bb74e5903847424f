//! Uploads of files through the server.

use contract::{ShowPath, files};
use engine::error::Error;
use store::component;

use super::client::{Client, Content};
use crate::media_type::media_type;
use crate::names::Distinct;
use crate::record::{Instance, Record};

/// Scheme of an artifact location to which the server gives access itself.
const PROXIED: &str = "mlflow-artifacts:";

/// Returns the path below which the server takes the files of a run; `None` if it does not take them.
pub(super) fn place<'a>(client: &Client, location: &'a str) -> Option<&'a str> {
    let rest = location.strip_prefix(PROXIED)?;
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(rest) => {
            let (authority, _) = rest.split_once('/')?;
            // Files and credentials are sent only to the server that the user named.
            let own = client.server.address.strip_prefix("http://")?;
            let is_own = authority.is_empty() || own.split('/').next() == Some(authority);
            is_own.then(|| &rest[authority.len()..])?
        }
    };
    let path = path.trim_end_matches('/');
    (path.starts_with('/') && !path.split('/').any(|part| part == "..")).then_some(path)
}

/// Uploads the files of an instance. Returns their number.
pub(super) fn upload(
    client: &Client,
    place: &str,
    record: &Record<'_>,
    instance: &Instance,
    with_models: bool,
) -> Result<usize, Error> {
    let mut names = Distinct::default();
    let mut count = 0;
    let outputs = instance.outputs.iter();
    for output in outputs.filter(|output| output.is_included(with_models)) {
        record.reader.store.verify(&output.tree)?;
        for (name, path) in output.paths(record.reader) {
            let file = files::open(&path).map_err(Error::io("read", &path))?;
            let name = names.take(safe(&format!("{}/{name}", output.port)));
            let mime = media_type(&name);
            client.upload(&format!("{place}/{name}"), Content::File(file), mime)?;
            tracing::debug!("uploaded `{}`", path.shown());
            count += 1;
        }
    }
    Ok(count)
}

/// A path whose parts the server accepts as names of files.
fn safe(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        let kept = |char: char| char.is_alphanumeric() || "_-. ()=+,@[]".contains(char);
        let part: String = component(part)
            .chars()
            .map(|char| if kept(char) { char } else { '_' })
            .collect();
        part
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::super::server::Server;
    use super::*;

    #[test]
    fn files_go_only_to_the_server_of_the_user() {
        let client = Client::new(Server::parse("http://host:5000/base").unwrap());
        let place = |location| place(&client, location);
        assert_eq!(
            place("mlflow-artifacts:/1/ab/artifacts"),
            Some("/1/ab/artifacts")
        );
        assert_eq!(place("mlflow-artifacts://host:5000/1/ab/"), Some("/1/ab"));
        for other in [
            "mlflow-artifacts://other/1/ab",
            "s3://bucket/1",
            "/mnt/mlruns/1",
            "file:///mnt/1",
            "mlflow-artifacts:1",
            "mlflow-artifacts:/1/../2",
        ] {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn names_of_files_are_safe() {
        assert_eq!(safe("figure/roc.png"), "figure/roc.png");
        assert_eq!(safe("files/a#b%2e?.txt"), "files/a_b_252e_.txt");
        assert_eq!(safe("files/..x/é"), "files/_2E.x/é");
    }
}
