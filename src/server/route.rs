//! The addresses of the server.

use hyper::Method;
use percent_encoding::percent_decode_str;

/// The target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/`: the list of runs.
    Runs,
    /// `/events`: changes of the list.
    RunsEvents,
    /// `/runs/ID`
    Run(String),
    /// `/runs/ID/events`: changes of the page of a run.
    RunEvents(String),
    /// `/runs/ID/results`: waits until the results on the page of a run are there.
    RunResults(String),
    /// `/runs/ID/stages/STAGE`
    Stage(String, String),
    /// `/runs/ID/stages/STAGE/events`: changes of the page of a stage, and new lines of its log.
    StageEvents(String, String),
    /// `/runs/ID/stages/STAGE/log`: the whole log.
    Log(String, String),
    /// `/runs/ID/stages/STAGE/picture`: the newest picture that a running stage showed.
    StagePicture(String, String),
    /// `/pictures/DESCRIPTION`: a picture in a result.
    Picture(String),
    Style,
    /// Scripts and styles of all pages, also of those from disk.
    Script,
    /// The script that keeps pages up to date.
    LiveScript,
    /// POST `/runs`: start a run.
    Start,
    /// `/starts/N`: what became of a run that was started here.
    Started(u64),
    /// POST `/runs/ID/cancel`
    Cancel(String),
}

/// The reason why an address leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    NotFound,
    /// It needs one of these methods.
    WrongMethod(&'static str),
}

/// Methods that only read.
const READ: &str = "GET, HEAD";
const POST: &str = "POST";

/// Finds what a method and a path mean.
///
/// Segments are decoded after the path was divided, so an encoded slash stays inside its segment. Nothing here is
/// ever used as a path of a file.
pub(crate) fn route(method: &Method, path: &str) -> Result<Route, NoRoute> {
    let segments = path.strip_prefix('/').ok_or(NoRoute::NotFound)?.split('/');
    let decoded: Option<Vec<String>> = segments
        .map(|segment| Some(percent_decode_str(segment).decode_utf8().ok()?.into_owned()))
        .collect();
    let decoded = decoded.ok_or(NoRoute::NotFound)?;
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let own = |text: &str| text.to_owned();
    let (methods, route) = match *segments {
        [""] => (READ, Route::Runs),
        ["events"] => (READ, Route::RunsEvents),
        ["page.css"] => (READ, Route::Style),
        ["page.js"] => (READ, Route::Script),
        ["live.js"] => (READ, Route::LiveScript),
        ["runs"] => (POST, Route::Start),
        ["starts", number] => {
            let number = number.parse().map_err(|_| NoRoute::NotFound)?;
            (READ, Route::Started(number))
        }
        ["runs", run] => (READ, Route::Run(own(run))),
        ["runs", run, "events"] => (READ, Route::RunEvents(own(run))),
        ["runs", run, "results"] => (READ, Route::RunResults(own(run))),
        ["runs", run, "cancel"] => (POST, Route::Cancel(own(run))),
        ["runs", run, "stages", stage] => (READ, Route::Stage(own(run), own(stage))),
        ["runs", run, "stages", stage, "events"] => {
            (READ, Route::StageEvents(own(run), own(stage)))
        }
        ["runs", run, "stages", stage, "log"] => (READ, Route::Log(own(run), own(stage))),
        ["runs", run, "stages", stage, "picture"] => {
            (READ, Route::StagePicture(own(run), own(stage)))
        }
        ["pictures", picture] => (READ, Route::Picture(own(picture))),
        _ => return Err(NoRoute::NotFound),
    };
    match (methods, method) {
        (READ, &Method::GET | &Method::HEAD) | (POST, &Method::POST) => Ok(route),
        _ => Err(NoRoute::WrongMethod(methods)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Result<Route, NoRoute> {
        route(&Method::GET, path)
    }

    #[test]
    fn every_address_leads_to_its_route() {
        let text = str::to_owned;
        for (path, expected) in [
            ("/", Route::Runs),
            ("/events", Route::RunsEvents),
            ("/runs/a", Route::Run(text("a"))),
            ("/runs/a/events", Route::RunEvents(text("a"))),
            ("/runs/a/results", Route::RunResults(text("a"))),
            (
                "/runs/a/stages/b/picture",
                Route::StagePicture(text("a"), text("b")),
            ),
            (
                "/runs/a/stages/b%5B1%5D",
                Route::Stage(text("a"), text("b[1]")),
            ),
            ("/runs/a/stages/b/log", Route::Log(text("a"), text("b"))),
            ("/pictures/00", Route::Picture(text("00"))),
            ("/starts/3", Route::Started(3)),
        ] {
            assert_eq!(get(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn encoded_slashes_and_dots_divide_nothing() {
        assert_eq!(
            get("/runs/..%2f..%2fetc"),
            Ok(Route::Run("../../etc".to_owned()))
        );
        for path in [
            "",
            "*",
            "//",
            "/runs/a/",
            "/../etc/passwd",
            "/page.css/",
            "/runs/%ff",
            "/starts/-1",
            "/runs%2fa",
        ] {
            assert_eq!(get(path), Err(NoRoute::NotFound), "{path}");
        }
    }

    #[test]
    fn only_post_changes_anything() {
        for path in ["/runs", "/runs/a/cancel"] {
            assert_eq!(get(path), Err(NoRoute::WrongMethod("POST")));
            route(&Method::POST, path).unwrap();
        }
        for method in [
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
        ] {
            for path in [
                "/",
                "/events",
                "/runs/a",
                "/runs/a/stages/b/log",
                "/page.js",
            ] {
                assert_eq!(route(&method, path), Err(NoRoute::WrongMethod("GET, HEAD")));
            }
        }
        route(&Method::HEAD, "/").unwrap();
    }
}
