use std::path::Path;

use contract::Segment;
use serde_json::{Value, json};

use super::Division;

fn division(params: Value) -> Division {
    serde_json::from_value(params).unwrap()
}

fn names() -> Vec<String> {
    ["test/a_AP_1.png", "test/b_PA_1.png", "test/c.png"]
        .map(str::to_owned)
        .to_vec()
}

fn values(division: &Division, groups: &[&str]) -> Result<Vec<Option<String>>, String> {
    let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
    let values = division.values("view", &names(), &groups);
    values.map_err(|e| e.to_string())
}

fn some(values: [&str; 3]) -> Vec<Option<String>> {
    values
        .map(|value| (!value.is_empty()).then(|| value.to_owned()))
        .to_vec()
}

fn table(folder: &Path, content: &str) -> Division {
    let path = folder.join("patients.csv");
    std::fs::write(&path, content).unwrap();
    division(json!({ "table": path, "key": "image", "column": "sex" }))
}

#[test]
fn a_pattern_takes_the_subgroup_from_the_name() {
    let view = division(json!({ "pattern": "_(AP|PA)_" }));
    assert_eq!(values(&view, &[]).unwrap(), some(["AP", "PA", ""]));
    let none = division(json!({ "pattern": "_(LL)_" }));
    assert_eq!(
        values(&none, &[]).unwrap_err(),
        "`subgroups`: the pattern of `view`, `_(LL)_`, matches no name of an image, such as `test/a_AP_1.png`"
    );
}

#[test]
fn a_table_has_names_file_names_or_groups() {
    let folder = tempfile::tempdir().unwrap();
    let by_name = table(
        folder.path(),
        "image,sex\ntest/a_AP_1.png,f\ntest/c.png, m \n",
    );
    assert_eq!(values(&by_name, &[]).unwrap(), some(["f", "", "m"]));
    let by_file = table(
        folder.path(),
        "image;age;sex\r\nb_PA_1.png;70;f\r\nc.png;;\r\n",
    );
    assert_eq!(values(&by_file, &[]).unwrap(), some(["", "f", ""]));
    let by_group = table(folder.path(), "sex,image\nf,p1\nm,p2\n");
    assert_eq!(
        values(&by_group, &["p2", "p2", "p1"]).unwrap(),
        some(["m", "m", "f"])
    );
}

#[test]
fn file_names_that_several_images_share_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let division = table(folder.path(), "image,sex\n1.png,f\na/1.png,m\n");
    let names = ["a/1.png", "b/1.png"].map(str::to_owned);
    let values = division.values("sex", &names, &[]).unwrap();
    assert_eq!(values, [Some("m".to_owned()), None]);
}

#[test]
fn faults_of_a_table_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let error = |content: &str| {
        let error = values(&table(folder.path(), content), &[]).unwrap_err();
        error.replace(&folder.path().display().to_string(), "")
    };
    assert_eq!(
        error("name,sex\na,f\n"),
        "`/patients.csv` has no column `image`; its columns are `name`, `sex`"
    );
    assert_eq!(
        error("image,sex\nc.png,f\na,m\nc.png,m\n"),
        "`/patients.csv`, line 4: `c.png` has the `sex` `m`, but `f` in an earlier line"
    );
    assert!(
        error("image,sex\nx.png,f\n")
            .starts_with("`subgroups`: the table of `view` has a value for no image")
    );
    let missing = division(json!({ "table": folder.path().join("none.csv"), "column": "sex" }));
    assert!(
        missing
            .preflight()
            .unwrap_err()
            .message
            .contains("none.csv` cannot be read")
    );
}

#[test]
fn too_many_values_are_an_error() {
    let names: Vec<String> = (0..51).map(|i| format!("{i}.png")).collect();
    let each = division(json!({ "pattern": r"(\d+)" }));
    let error = each.values("patient", &names, &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "`subgroups`: `patient` has 51 values, more than 50: choose a coarser division"
    );
    assert!(each.values("patient", &names[..50], &[]).is_ok());
}

#[test]
fn wrong_parameters_are_errors_with_their_place() {
    for (params, at, message) in [
        (json!({}), None, "a division needs a `pattern` or a `table`"),
        (
            json!({ "pattern": "(a)", "table": "t.csv" }),
            Some("table"),
            "a division has either a `pattern` or a `table`, not both",
        ),
        (
            json!({ "pattern": "(a)", "column": "sex" }),
            Some("column"),
            "`column` needs a `table`",
        ),
        (
            json!({ "table": "t.csv" }),
            None,
            "a `table` needs the name of the `column` with the subgroups",
        ),
        (
            json!({ "pattern": "AP|PA" }),
            Some("pattern"),
            "`pattern` has no parentheses around the subgroup",
        ),
        (
            json!({ "pattern": "(A)(P)" }),
            Some("pattern"),
            "`pattern` has more than one pair of parentheses",
        ),
        (
            json!({ "pattern": "(A" }),
            Some("pattern"),
            "`pattern` is not a regular expression: unclosed group",
        ),
    ] {
        let invalid = division(params).check().unwrap_err();
        let expected: Vec<Segment> = at
            .into_iter()
            .map(|key| Segment::Key(key.to_owned()))
            .collect();
        assert_eq!(
            (invalid.path, invalid.message.as_str()),
            (expected, message)
        );
    }
}
