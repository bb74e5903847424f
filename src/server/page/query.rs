//! The queries of lists: what to show, in which order, and which page.

use std::borrow::Cow;

use form_urlencoded::Serializer;

/// Filter, order and page of the list of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListQuery {
    /// Text in the id, the pipeline or the options; empty for all.
    pub(crate) text: String,
    pub(crate) pipeline: String,
    pub(crate) state: String,
    pub(crate) sort: Sort,
    pub(crate) descending: bool,
    /// From 1.
    pub(crate) page: usize,
}

/// A column that runs are sorted by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    Run,
    Pipeline,
    State,
    #[default]
    Started,
    Took,
    Stages,
    /// A headline metric: `evaluate.f1`.
    Metric(String),
}

/// Beginning of the name of a metric in an address. Without it, a metric could have the name of another column.
const METRIC: &str = "metric:";

impl Sort {
    /// The columns that every list has.
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::Run, "run"),
        (Self::Pipeline, "pipeline"),
        (Self::State, "state"),
        (Self::Started, "started"),
        (Self::Took, "took"),
        (Self::Stages, "stages"),
    ];

    /// Its name in an address.
    pub(crate) fn name(&self) -> String {
        if let Self::Metric(name) = self {
            return format!("{METRIC}{name}");
        }
        let found = Self::ALL.into_iter().find(|(sort, _)| sort == self);
        found.map_or("started", |(_, name)| name).to_owned()
    }

    /// The title of its column.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Metric(name) => name.clone(),
            other => other.name(),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        if let Some(metric) = name.strip_prefix(METRIC) {
            return Some(Self::Metric(metric.to_owned()));
        }
        let found = Self::ALL.into_iter().find(|(_, known)| *known == name);
        found.map(|(sort, _)| sort)
    }

    /// `true` if the first click sorts in descending order.
    fn begins_descending(&self) -> bool {
        match self {
            Self::Started | Self::Took | Self::Stages | Self::Metric(_) => true,
            Self::Run | Self::Pipeline | Self::State => false,
        }
    }
}

impl ListQuery {
    /// Parses the query of an address. Unknown names and values are ignored.
    pub(crate) fn parse(query: &str) -> Self {
        let mut parsed = Self {
            descending: true,
            page: 1,
            ..Self::default()
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "q" => parsed.text = trimmed(value),
                "pipeline" => parsed.pipeline = value.into_owned(),
                "state" => parsed.state = trimmed(value),
                "sort" => parsed.sort = Sort::parse(&value).unwrap_or_default(),
                "descending" => parsed.descending = value == "true",
                "page" => parsed.page = page(&value),
                _ => {}
            }
        }
        parsed
    }

    pub(crate) fn is_filtered(&self) -> bool {
        !(self.text.is_empty() && self.pipeline.is_empty() && self.state.is_empty())
    }

    pub(crate) fn has_order(&self) -> bool {
        self.sort != Sort::Started || !self.descending
    }

    /// The value of `aria-sort` for a column that the list is sorted by.
    pub(crate) fn order_of(&self, sort: &Sort) -> Option<&'static str> {
        (*sort == self.sort).then_some(match self.descending {
            true => "descending",
            false => "ascending",
        })
    }

    /// The query that sorts by a column, or in the other direction if the list is sorted by it.
    pub(crate) fn sorted_by(&self, sort: &Sort) -> String {
        let descending = match *sort == self.sort {
            true => !self.descending,
            false => sort.begins_descending(),
        };
        let query = Self {
            sort: sort.clone(),
            descending,
            page: 1,
            ..self.clone()
        };
        query.text()
    }

    pub(crate) fn at_page(&self, page: usize) -> String {
        Self {
            page,
            ..self.clone()
        }
        .text()
    }

    /// The query as text, without what is at its default.
    pub(crate) fn text(&self) -> String {
        let mut text = Serializer::new(String::new());
        for (name, value) in [
            ("q", &self.text),
            ("pipeline", &self.pipeline),
            ("state", &self.state),
        ] {
            if !value.is_empty() {
                text.append_pair(name, value);
            }
        }
        if self.has_order() {
            text.append_pair("sort", &self.sort.name());
            text.append_pair("descending", &self.descending.to_string());
        }
        if self.page > 1 {
            text.append_pair("page", &self.page.to_string());
        }
        text.finish()
    }
}

/// Filter and page of the stages of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StagesQuery {
    /// Text in the name; empty for all.
    pub(crate) text: String,
    pub(crate) state: String,
    /// From 1.
    pub(crate) page: usize,
}

impl StagesQuery {
    /// Parses the query of an address. Unknown names and values are ignored.
    pub(crate) fn parse(query: &str) -> Self {
        let mut parsed = Self {
            text: String::new(),
            state: String::new(),
            page: 1,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "q" => parsed.text = trimmed(value),
                "state" => parsed.state = trimmed(value),
                "page" => parsed.page = page(&value),
                _ => {}
            }
        }
        parsed
    }

    pub(crate) fn is_filtered(&self) -> bool {
        !(self.text.is_empty() && self.state.is_empty())
    }

    pub(crate) fn at_page(&self, page: usize) -> String {
        let mut text = Serializer::new(String::new());
        for (name, value) in [("q", &self.text), ("state", &self.state)] {
            if !value.is_empty() {
                text.append_pair(name, value);
            }
        }
        text.append_pair("page", &page.to_string());
        text.finish()
    }
}

fn trimmed(value: Cow<'_, str>) -> String {
    value.trim().to_owned()
}

fn page(value: &str) -> usize {
    value.parse().unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_round_trips_through_an_address() {
        let text = "q=a+%26b%3Cc&pipeline=p+%22&state=failed&sort=took&descending=false&page=3";
        let query = ListQuery::parse(text);
        assert_eq!((query.text.as_str(), query.page), ("a &b<c", 3));
        assert_eq!(query.text(), text);
        assert_eq!(ListQuery::parse("").text(), "");
        let text = "sort=metric%3Aevaluate.f1&descending=true";
        let query = ListQuery::parse(text);
        assert_eq!(query.sort, Sort::Metric("evaluate.f1".to_owned()));
        assert_eq!(query.text(), text);
    }

    #[test]
    fn a_second_click_on_a_column_reverses_its_order() {
        let query = ListQuery::parse("q=x&page=2");
        assert_eq!(query.order_of(&Sort::Started), Some("descending"));
        assert_eq!(
            query.sorted_by(&Sort::Took),
            "q=x&sort=took&descending=true"
        );
        let query = ListQuery::parse(&query.sorted_by(&Sort::Pipeline));
        assert_eq!(query.order_of(&Sort::Pipeline), Some("ascending"));
        let query = ListQuery::parse(&query.sorted_by(&Sort::Pipeline));
        assert_eq!(query.order_of(&Sort::Pipeline), Some("descending"));
    }

    #[test]
    fn nonsense_in_an_address_is_ignored() {
        let query = ListQuery::parse("page=-1&sort=no&x=y&&=&%ff&state=%00");
        assert_eq!((query.page, query.sort), (1, Sort::Started));
        assert_eq!(
            StagesQuery::parse("page=0&page=99999999999999999999").page,
            1
        );
    }
}
