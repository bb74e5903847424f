use std::path::Path;

use contract::{Artifact, ImageShape};

use super::External;
use crate::data::{Dataset, write_dataset};
use crate::evaluate::tested::Tested;

const SHAPE: ImageShape = ImageShape {
    height: 8,
    width: 8,
    channels: 1,
};

/// Reads a file with this content and returns it, or the message without the path.
fn read(content: &str) -> Result<External, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.csv");
    std::fs::write(&path, content).unwrap();
    let prefix = format!("`{}", folder.path().display());
    External::read(&path).map_err(|e| e.replace(&format!("{prefix}/"), "`"))
}

fn alone(content: &str) -> Result<Tested, String> {
    let tested = read(content)?.labelled();
    tested.map_err(|message| {
        let (_, rest) = message.split_once("p.csv").unwrap();
        format!("`p.csv{rest}")
    })
}

fn dataset(folder: &Path, groups: bool) -> Dataset {
    let classes = ["cat", "dog"].map(str::to_owned);
    let pixels = [7; 64];
    if groups {
        let mut writer = crate::data::DatasetWriter::create(folder, SHAPE, &classes).unwrap();
        writer
            .push_grouped("t/b.png", Some("g"), 1, &pixels)
            .unwrap();
        writer.push_grouped("t/a.png", None, 0, &pixels).unwrap();
        writer.finish().unwrap();
    } else {
        let images = [("t/b.png", 1, pixels), ("t/a.png", 0, pixels)];
        write_dataset(folder, SHAPE, &classes, images).unwrap();
    }
    Dataset::in_folder(folder).unwrap()
}

fn of_images(content: &str, groups: bool) -> Result<Tested, String> {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path(), groups);
    let artifact = Artifact {
        label: "pets.test".to_owned(),
        ..Artifact::default()
    };
    let tested = read(content)?.of(&artifact, &dataset);
    tested.map_err(|message| match message.split_once("p.csv") {
        Some((_, rest)) => format!("`p.csv{rest}"),
        None => message,
    })
}

#[test]
fn classes_are_those_of_the_columns_and_images_are_ordered_by_name() {
    let tested =
        alone("name,label,p_dog,p_cat,comment\nb.png,cat,0.25,0.75,x\na.png,dog,1,0,\n").unwrap();
    assert_eq!(tested.names, ["a.png", "b.png"]);
    assert_eq!(tested.classes, ["dog", "cat"]);
    assert_eq!(tested.labels, [0, 1]);
    assert_eq!(tested.probabilities, [1.0, 0.0, 0.25, 0.75]);
    assert_eq!((tested.groups.len(), tested.pixels), (0, None));
}

#[test]
fn one_column_is_the_probability_of_one_of_two_classes() {
    let text = "\u{feff}name;label;p_1\r\nb;0;0.25\r\na;1;1e-1\r\n";
    let tested = alone(text).unwrap();
    assert_eq!(tested.classes, ["0", "1"]);
    assert_eq!(tested.labels, [1, 0]);
    assert_eq!(tested.probabilities, [0.9, 0.1, 0.75, 0.25]);
    // The dataset determines the order of the classes.
    let of_images = of_images("name,p_cat\nt/a.png,0.75\nt/b.png,0.5\n", false).unwrap();
    assert_eq!(of_images.names, ["t/b.png", "t/a.png"]);
    assert_eq!(of_images.labels, [1, 0]);
    assert_eq!(of_images.probabilities, [0.5, 0.5, 0.75, 0.25]);
    assert!(of_images.pixels.is_some());
}

#[test]
fn groups_are_those_of_the_images_or_else_of_the_table() {
    let table = "name,group,label,p_cat,p_dog\nt/a.png,A,cat,0.5,0.5\nt/b.png,,dog,0.5,0.5\n";
    assert_eq!(of_images(table, true).unwrap().groups, ["g", "t/a.png"]);
    assert_eq!(of_images(table, false).unwrap().groups, ["t/b.png", "A"]);
    assert_eq!(alone(table).unwrap().groups, ["A", "t/b.png"]);
    let none = "name,group,label,p_cat,p_dog\na,,cat,0.5,0.5\n";
    assert!(alone(none).unwrap().groups.is_empty());
}

/// Every fault is one message with its place.
#[test]
fn faults_of_a_table_are_errors_with_a_line() {
    for (content, expected) in [
        (
            "",
            "`p.csv` is empty; it needs a header with the names of its columns",
        ),
        (
            "image,p_a\n",
            "`p.csv` has no column `name` with the names of the images; its columns are `image`, `p_a`",
        ),
        (
            "name,label,score\n",
            "`p.csv` has no column `p_CLASS` with the probabilities of a class; its columns are `name`, `label`, `score`",
        ),
        (
            "name,label,p_a,p_b\nx,a,1.7,-0.7\n",
            "`p.csv`, line 2: `p_a` is 1.7, which is not a probability from 0 to 1; write those of `predict_proba`, or \
             apply the sigmoid or softmax to scores",
        ),
        (
            "name,label,p_a,p_b\nx,a,1,0\ny,a,NaN,0\n",
            "`p.csv`, line 3: `p_a` is `NaN`, which is not a number from 0 to 1",
        ),
        (
            "name,label,p_a,p_b\nx,a,0.5,0.45\n",
            "`p.csv`, line 2: the probabilities of `x` add up to 0.9500, not to 1 (±0.01)",
        ),
        (
            "name;label;p_a\nx;a;0,5\n",
            "`p.csv`, line 2: `p_a` is `0,5`, which is not a number; write a point before decimals",
        ),
        ("name,label,p_a\nx,a,\n", "`p.csv`, line 2: `p_a` is empty"),
        (
            "name,label,p_a\nx,a,high\n",
            "`p.csv`, line 2: `p_a` is `high`, which is not a number",
        ),
        (
            "name,label,p_a\nx,a,0.5\ny,b,0.5\nx,b,0.5\n",
            "`p.csv`, line 4: `x` is also in line 2; each image needs one line",
        ),
        (
            "name,label,p_a\n,a,0.5\n",
            "`p.csv`, line 2: the image has no `name`",
        ),
        (
            "name,label,p_a\nx,,0.5\n",
            "`p.csv`, line 2: `x` has no `label`",
        ),
    ] {
        assert_eq!(read(content).unwrap_err(), expected);
    }
    // Rounded probabilities are accepted.
    assert!(read("name,label,p_a,p_b,p_c\nx,a,0.333,0.333,0.333\n").is_ok());
}

#[test]
fn labels_must_fit_the_columns() {
    for (content, expected) in [
        (
            "name,p_a,p_b\nx,1,0\n",
            "`p.csv` has no column `label` with the class of each image; add it, or connect the input `images`",
        ),
        ("name,label,p_a,p_b\n", "`p.csv` has no line with an image"),
        (
            "name,label,p_a,p_b\nx,A,1,0\n",
            "`p.csv`, line 2: the label `A` is not a class; according to the columns with probabilities, the classes are \
             `a`, `b`",
        ),
        (
            "name,label,p_a\nx,a,1\n",
            "`p.csv` has only images of `a`, so the name of the other class is unknown; add its column `p_CLASS`",
        ),
        (
            "name,label,p_a\nx,b,1\ny,c,1\n",
            "`p.csv` has one column of probabilities, `p_a`, but labels of 2 other classes (`b`, `c`); add a column \
             `p_CLASS` for each",
        ),
    ] {
        assert_eq!(alone(content).unwrap_err(), expected);
    }
}

#[test]
fn the_table_must_fit_the_images() {
    for (content, expected) in [
        (
            "name,p_cat\nt/a.png,0.5\nb.png,0.5\n",
            "`p.csv` does not fit the images of `pets.test`: 1 images have no line (such as `t/b.png`), and 1 lines have \
             no image (such as `b.png`); names must be equal to those in the dataset, with their folders",
        ),
        (
            "name,label,p_cat\nt/a.png,cat,0.5\nt/b.png,cat,0.5\n",
            "`p.csv`, line 3: the label of `t/b.png` is `cat`, but its class in `pets.test` is `dog`",
        ),
        (
            "name,p_cow\nt/a.png,0.5\nt/b.png,0.5\n",
            "`p.csv` has the column `p_cow`, but the classes of the images are `cat`, `dog`",
        ),
    ] {
        assert_eq!(of_images(content, false).unwrap_err(), expected);
    }
}

#[test]
fn the_output_of_a_program_is_its_only_file_or_that_with_the_usual_name() {
    let folder = tempfile::tempdir().unwrap();
    let artifact = |names: &[&str]| {
        let files = names.iter().map(|name| {
            let path = folder.path().join(name);
            std::fs::write(&path, "name,label,p_a\nx,a,0.5\n").unwrap();
            ((*name).to_owned(), path)
        });
        Artifact {
            label: "sklearn.out".to_owned(),
            files: files.collect(),
            ..Artifact::default()
        }
    };
    assert!(External::read_output(&artifact(&["result.csv"])).is_ok());
    assert!(External::read_output(&artifact(&["a.csv", "predictions.csv"])).is_ok());
    assert_eq!(
        External::read_output(&artifact(&["a.csv", "b.csv"])).unwrap_err(),
        "`sklearn.out` must be one CSV file, or contain `predictions.csv`, but its files are `a.csv`, `b.csv`"
    );
}
