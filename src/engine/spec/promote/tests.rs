//! Profiles are written as expected, and the rest of a pipeline's text does not change.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::promote;
use crate::spec::node::{Entry, Plain, Value};
use crate::spec::{Node, Source};

fn of_json(json: &Json) -> Node {
    let place = Source::set("x").place(0..0);
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(Plain::new(*value)),
        Json::Number(number) => Value::Number(Plain::new(number.clone())),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(of_json).collect()),
        Json::Object(map) => {
            let entries = map.iter().map(|(key, value)| Entry {
                key: key.clone(),
                key_place: place.clone(),
                value: of_json(value),
            });
            Value::Map(entries.collect())
        }
    };
    Node::new(value, place)
}

fn promoted(text: &str, profile: &str, values: &[(&str, Json)]) -> Result<String, String> {
    let values: Vec<(String, Node)> = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), of_json(value)))
        .collect();
    promote(Path::new("p.yaml"), text, profile, &values).map_err(|error| error.to_string())
}

/// Returns the lines that differ, of `new` and of `old`: without the common lines at the start and at the end.
fn changed<'a>(old: &'a str, new: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let [old, new]: [Vec<&str>; 2] = [old, new].map(|text| text.split_inclusive('\n').collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tails = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tails.take_while(|(a, b)| a == b).count();
    let middle = |lines: &[&'a str]| lines[head..lines.len() - tail].to_vec();
    (middle(&new), middle(&old))
}

#[test]
fn a_new_profile_is_added_to_table1() {
    let text = include_str!("../../../../pipelines/table1.yaml");
    let values = [
        ("epochs", json!(20)),
        ("generator", json!("generator64")),
        ("cnn.params.learning_rate", json!(0.001)),
        (
            "cnn.params.model[0].conv",
            json!({ "filters": 16, "l2": [0.1, true, null] }),
        ),
    ];
    let new = promoted(text, "best", &values).unwrap();
    let expected = [
        "  best:\n",
        "    epochs: 20\n",
        "    generator: generator64\n",
        "    cnn.params.learning_rate: 0.001\n",
        "    \"cnn.params.model[0].conv\": { filters: 16, l2: [0.1, true, null] }\n",
    ];
    assert_eq!(changed(text, &new), (expected.to_vec(), vec![]));
    // The profile is added after the last one, and the empty line before the next section is kept.
    let expected = format!("    retrain_epochs: 20\n{}\nmodels:\n", expected.concat());
    assert!(new.contains(&expected), "{new}");
}

#[test]
fn an_existing_profile_of_table1_is_updated_in_place() {
    let text = include_str!("../../../../pipelines/table1.yaml");
    let values = [
        ("epochs", json!(7)),
        ("cnn.params.learning_rate", json!(0.001)),
    ];
    let new = promoted(text, "paper", &values).unwrap();
    let expected = text
        .replace(
            "    channels: 3\n    epochs: 20\n",
            "    channels: 3\n    epochs: 7\n",
        )
        .replace(
            "    retrain_epochs: 20\n",
            "    retrain_epochs: 20\n    cnn.params.learning_rate: 0.001\n",
        );
    assert_eq!(new, expected);
    let source = [("source", json!({ "phantom": {} }))];
    // `paper` uses an alias for the source of `real`.
    let new = promoted(text, "paper", &source).unwrap();
    assert_eq!(
        new,
        text.replace("    source: *folder\n", "    source: { phantom: {} }\n")
    );
    let refused = promoted(text, "real", &source).unwrap_err();
    assert!(
        refused.contains("an anchor in it is used elsewhere"),
        "{refused}"
    );
    assert!(refused.contains("p.yaml:30:3"), "{refused}");
}

#[test]
fn a_pipeline_without_profiles_gets_them_after_its_vars() {
    let best = [("epochs", json!(3))];
    let cases = [
        (
            "version: 1\nvars: { epochs: 1 } # few\n\nstages:\n  a: {}\n",
            "version: 1\nvars: { epochs: 1 } # few\n\nprofiles:\n  best:\n    epochs: 3\n\nstages:\n  a: {}\n",
        ),
        (
            "vars:\n    epochs: 1\n    # more to come\n# what runs\nstages:\n    a: {}\n",
            "vars:\n    epochs: 1\n    # more to come\nprofiles:\n    best:\n        epochs: 3\n# what runs\nstages:\n    a: {}\n",
        ),
        // No line feed at the end, and Windows line endings.
        (
            "version: 1\r\nvars: { epochs: 1 }",
            "version: 1\r\nvars: { epochs: 1 }\r\nprofiles:\r\n  best:\r\n    epochs: 3\r\n",
        ),
        (
            "\u{feff}vars:\n  text: |\n    # é, no comment\n\n    epochs: ${epochs}\n\nstages: {}\n",
            "\u{feff}vars:\n  text: |\n    # é, no comment\n\n    epochs: ${epochs}\n\nprofiles:\n  best:\n    epochs: 3\n\nstages: {}\n",
        ),
        (
            "stages:\n- a\n- b\n...\n",
            "stages:\n- a\n- b\nprofiles:\n  best:\n    epochs: 3\n...\n",
        ),
    ];
    for (old, new) in cases {
        assert_eq!(promoted(old, "best", &best).as_deref(), Ok(new));
    }
}

#[test]
fn existing_sections_and_profiles_are_filled() {
    let best = [("epochs", json!(3))];
    let cases = [
        (
            "profiles:\n  # none yet\nstages: {}\n",
            "profiles:\n  # none yet\n  best:\n    epochs: 3\nstages: {}\n",
        ),
        (
            "profiles: {} # none yet\nstages: {}\n",
            "profiles: # none yet\n  best:\n    epochs: 3\nstages: {}\n",
        ),
        (
            "profiles:\n  best:   # empty\n  other: { epochs: 9 }\n",
            "profiles:\n  best:   # empty\n    epochs: 3\n  other: { epochs: 9 }\n",
        ),
        // The profile's indentation is used.
        (
            "profiles:\n     best:\n        size: 1 # small\n        # size: 2\n\n# end\n",
            "profiles:\n     best:\n        size: 1 # small\n        # size: 2\n        epochs: 3\n\n# end\n",
        ),
        (
            "profiles:\n  best:\n    epochs: 0x1 # one\n    \"a b\": 1\n",
            "profiles:\n  best:\n    epochs: 3 # one\n    \"a b\": 1\n",
        ),
        (
            "profiles:\n  best:\n    'epochs' : # a list\n      - 1 # one\n      - 2\n    # not of it\n    size: 1\n",
            "profiles:\n  best:\n    'epochs' : 3 # a list\n    # not of it\n    size: 1\n",
        ),
        (
            "profiles:\n  best:\n    epochs: |\n      # text\n      more\n    size: 1\n",
            "profiles:\n  best:\n    epochs: 3\n    size: 1\n",
        ),
        (
            "profiles:\n  best:\n    epochs:\n    size: 1",
            "profiles:\n  best:\n    epochs: 3\n    size: 1",
        ),
        (
            "profiles:\n  best:\n    epochs: &many 9\n    size: 1\n",
            "profiles:\n  best:\n    epochs: 3\n    size: 1\n",
        ),
    ];
    for (old, new) in cases {
        assert_eq!(promoted(old, "best", &best).as_deref(), Ok(new));
    }
}

#[test]
fn layouts_that_cannot_be_edited_are_errors() {
    let cases = [
        ("{ stages: {} }", "one section per line"),
        (
            "profiles: { other: { a: 1 } }\n",
            "`profiles` is written as `{…}`",
        ),
        (
            "profiles:\n  best: { a: 1 }\n",
            "`best` is written as `{…}`",
        ),
        (
            "profiles:\n  other: &x\n    a: 1\n  best: *x\n",
            "`best` is an alias",
        ),
        (
            "profiles:\n  best: 3\n",
            "`best` is not a map with one key per line",
        ),
        (
            "profiles:\n  ? best\n  : a: 1\n",
            "`best` is not a map with one key per line",
        ),
        (
            "profiles:\n  best: &x\n    a: 1\n  other: *x\n",
            "an anchor in it is used elsewhere",
        ),
        ("profiles:\n  best: [\n", "not valid YAML"),
    ];
    for (text, says) in cases {
        let error = promoted(text, "best", &[("epochs", json!(3))]).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
        assert!(error.contains("--> p.yaml:"), "{text}: {error}");
    }
    for (profile, values, says) in [
        (
            "no name",
            vec![("a", json!(1))],
            "`no name` is not a valid name for a profile",
        ),
        ("best", vec![], "there are no values to write"),
        (
            "best",
            vec![("a", json!(1)), ("a", json!(2))],
            "`a` is assigned twice",
        ),
    ] {
        let error = promoted("stages: {}\n", profile, &values).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

/// Values in forms that users may write. `{}` stands for the indentation below the key.
fn written_value() -> impl Strategy<Value = String> {
    let forms = [
        " 1",
        "   0.5  # half",
        " text with words",
        " \"quoted: # é\" # and told why",
        " [1, 2, { a: b }]",
        " [] # nothing, [yet]",
        " { a: 1, }  # said",
        " { phantom: { images: 8 }, other: [x] }",
        " [\n{}1,\n{}2 ]",
        "\n{}phantom:\n{}  images: 8 # few\n{}  # no more",
        "\n{}- a\n\n{}- b",
        " |\n{}first\n\n{}# second",
        " |+ # kept | > all\n{}first\n\n\n",
        " >-\n{}folded\n{}text # not a comment",
        "",
        "  # nothing",
        " ~",
        " *shared",
    ];
    prop::sample::select(forms.map(str::to_owned).to_vec())
}

fn between() -> impl Strategy<Value = String> {
    prop::sample::select(
        ["", "", "", "\n", "{}# a remark\n", "\n{}# a remark\n\n"]
            .map(str::to_owned)
            .to_vec(),
    )
}

/// Lines of a block map: names with values, at this indentation, with empty lines and comments in between.
fn block(names: Vec<&'static str>, indent: usize, unit: usize) -> impl Strategy<Value = String> {
    let count = names.len();
    let order = Just(names).prop_shuffle();
    let parts = prop::collection::vec((between(), written_value()), count);
    let kept = 0..=count;
    (order, parts, kept).prop_map(move |(names, parts, kept)| {
        let [own, inner] = [indent, indent + unit].map(|n| " ".repeat(n));
        let lines = names
            .iter()
            .zip(parts)
            .take(kept)
            .map(|(name, (gap, value))| {
                let gap = gap.replace("{}", &own);
                let value = value.replace("{}", &inner);
                format!("{gap}{own}{name}:{value}\n")
            });
        lines.collect()
    })
}

/// Pipelines in various layouts that are hard to edit.
fn pipeline() -> impl Strategy<Value = String> {
    (1..=4_usize)
        .prop_flat_map(|unit| {
            let profile = move || block(vec!["epochs", "a.b.c", "'odd name'", "size"], 2 * unit, unit);
            (
                block(vec!["epochs", "size", "source", "text"], unit, unit),
                profile(),
                profile(),
                0..4_usize,
                prop::sample::select(vec!["version: 1\n", "# all\n---\nname: x\n\n", ""]),
                prop::sample::select(vec!["", "\nmodels: {}\n", "tables:\n# none\n"]),
                any::<[bool; 3]>(),
                Just(" ".repeat(unit)),
            )
        })
        .prop_map(|(vars, first, second, profiles, head, tail, [crlf, feed, gap], own)| {
            let profiles = match profiles {
                0 => String::new(),
                1 => "profiles:\n".to_owned(),
                2 => format!("profiles:  # two\n{own}best:\n{first}{own}second:\n{second}"),
                _ => format!("profiles:\n{own}other:\n{first}"),
            };
            let gap = if gap { "\n" } else { "" };
            let text = format!("{head}vars:\n{own}shared: &shared {{ a: 1 }}\n{vars}{gap}{profiles}{gap}stages: {{}}\n{tail}");
            let text = if feed { text } else { text.trim_end().to_owned() };
            if crlf { text.replace('\n', "\r\n") } else { text }
        })
}

fn any_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "[ -~]{0,8}".prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        prop::sample::select(vec![
            "no",
            "1e3",
            "~",
            "0x1",
            "- a",
            "a: b",
            "a #b",
            "é\n",
            "\u{85}\u{2028}"
        ])
        .prop_map(Json::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::btree_map("[a-z .#:]{1,6}", inner, 0..3)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// Parses YAML with serde_yaml, which `promote` does not use.
fn read(text: &str) -> serde_yaml::Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_profile_gets_its_values_and_nothing_else_changes(
        text in pipeline(),
        values in prop::collection::vec(any_value(), 3),
    ) {
        let values: Vec<(&str, Json)> = ["epochs", "a.b.c", "odd name"].into_iter().zip(values).collect();
        let new = match promoted(&text, "best", &values) {
            Ok(new) => new,
            Err(error) => return Err(TestCaseError::fail(format!("{error}\n{text}"))),
        };
        let mut expected = read(&text);
        let root = expected.as_mapping_mut().unwrap();
        let map = || serde_yaml::Value::Mapping(serde_yaml::Mapping::new());
        let mut inner = root.entry("profiles".into()).or_insert_with(map);
        if inner.is_null() {
            *inner = map();
        }
        inner = inner.as_mapping_mut().unwrap().entry("best".into()).or_insert_with(map);
        if inner.is_null() {
            *inner = map();
        }
        for (name, value) in &values {
            let value = serde_yaml::to_value(value).unwrap();
            inner.as_mapping_mut().unwrap().insert((*name).into(), value);
        }
        prop_assert_eq!(read(&new), expected, "{}", new);

        // Everything outside of the profile is kept, to the byte.
        let (_, old) = changed(&text, &new);
        let gone = old.concat();
        let whole = text.find("best:").map_or("", |at| &text[at..]);
        let profile = whole.split("second:").next().unwrap_or("");
        prop_assert!(
            profile.contains(gone.trim_end()),
            "gone: {gone:?}\nfrom: {text}\nto: {new}"
        );
        prop_assert_eq!(text.contains("\r\n"), new.contains("\r\n"));
        let again = promoted(&new, "best", &values);
        prop_assert_eq!(again, Ok(new));
    }
}
