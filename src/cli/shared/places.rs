//! Which stages of a plan have results here, and which in the shared cache.

use engine::error::Error;
use engine::plan::{Plan, State};
use engine::wording;
use remote::Remote;
use serde_json::{Value, json};
use store::keys::Key;
use unicode_width::UnicodeWidthStr;

/// Places of the result of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    is_here: bool,
    is_there: bool,
}

/// Places of the results of all stages of a plan.
pub(in crate::cli) struct Places(Vec<Place>);

impl Places {
    /// Asks the shared cache for the results of all stages.
    ///
    /// # Errors
    /// If it does not answer.
    pub(in crate::cli) fn of(plan: &Plan, remote: &Remote) -> Result<Self, Error> {
        let mut keys: Vec<Key> = Vec::new();
        for action in &plan.actions {
            keys.push(action.action_key);
            keys.push(match &action.state {
                State::Cached(record) => record.content_key,
                State::Runs(_) | State::Waits(_) => action.action_key,
            });
        }
        let answers = remote.look_up(&keys);
        match remote.problem() {
            Some(problem) if problem.is_off => {
                return Err(Error::System(format!("shared cache: {}", problem.first)));
            }
            Some(problem) => tracing::warn!("shared cache: {}", problem.first),
            None => {}
        }
        let places = plan.actions.iter().zip(answers.chunks(2));
        let places = places.map(|(action, answers)| Place {
            is_here: !action.is_miss(),
            is_there: answers.iter().any(Option::is_some),
        });
        Ok(Self(places.collect()))
    }

    /// A line for each stage, and the counts. `names` are those of the stages.
    pub(in crate::cli) fn listing(&self, names: &[String]) -> String {
        let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, place) in names.iter().zip(&self.0) {
            text += &format!("{name:width$}  {}\n", place.text());
        }
        let count = |is_here, is_there| {
            let place = Place { is_here, is_there };
            self.0.iter().filter(|other| **other == place).count()
        };
        text + &format!(
            "{}: {} here and in the shared cache, {} only here, {} only in the shared cache, {} nowhere",
            wording::stages(self.0.len()),
            count(true, true),
            count(true, false),
            count(false, true),
            count(false, false),
        )
    }

    /// Adds the places to the objects of the stages, which are in the order of the plan.
    pub(in crate::cli) fn add_to(&self, objects: &mut [Value]) {
        for (object, place) in objects.iter_mut().zip(&self.0) {
            object["places"] = json!({ "here": place.is_here, "remote": place.is_there });
        }
    }
}

impl Place {
    fn text(self) -> &'static str {
        match (self.is_here, self.is_there) {
            (true, true) => "here and in the shared cache",
            (true, false) => "only here",
            (false, true) => "only in the shared cache",
            (false, false) => "nowhere",
        }
    }
}
