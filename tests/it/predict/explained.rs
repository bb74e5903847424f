//! `--explain`: pictures of the places that speak for the predicted class.

use std::collections::HashSet;
use std::fs;

use roxmltree::{Document, ParsingOptions};
use rustix::process::Signal;

use super::output::is_left;
use super::*;
use crate::sandbox::{eventually, finish, list, signal};

#[test]
fn every_image_gets_a_picture_in_its_own_shape() {
    let sandbox = trained(2, &[]);
    files::write(
        &sandbox.path("mine/wide.png"),
        &files::picture(1, 3, 200),
        "png",
    );
    files::write(
        &sandbox.path("mine/small.jpg"),
        &files::picture(0, 3, 24),
        "jpeg",
    );
    let before = predicted(&sandbox, &["cnn", "mine", "data/test"]);
    let args = [
        "cnn",
        "mine",
        "data/test",
        "-o",
        "p.csv",
        "--explain",
        "maps",
    ];
    let done = predict(
        &sandbox,
        &[&args as &[&str], &["--batch-size", "5"]].concat(),
    );
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stderr.contains("; heat maps: `maps/index.html`\n"),
        "{done:?}"
    );
    let rows = rows(&fs::read_to_string(sandbox.path("p.csv")).unwrap());
    assert_eq!(rows[0][5..], ["heat_map", "heat_map_maximum"]);
    let images = before["images"].as_array().unwrap();
    let mut pictures = HashSet::new();
    for (row, image) in rows[1..].iter().zip(images) {
        // Heat maps change no prediction.
        assert_eq!(row[0], image["name"].as_str().unwrap());
        assert_eq!(row[3], image["probabilities"]["SQUARE"].to_string());
        let maximum: f64 = row[6].parse().unwrap();
        assert!(maximum >= 0.0 && maximum.is_finite(), "{row:?}");
        let picture = image::open(sandbox.path("maps").join(&row[5])).unwrap();
        let alone = image::open(sandbox.path("maps/images").join(&row[5])).unwrap();
        assert_eq!(
            (alone.width(), alone.height()),
            (picture.width(), picture.height())
        );
        let size = if row[0].ends_with("wide.png") {
            200
        } else {
            192
        };
        assert_eq!((picture.width(), picture.height()), (size, size), "{row:?}");
        pictures.insert(picture.into_rgb8().into_raw());
    }
    assert_eq!(pictures.len(), 12);
    assert_eq!(rows[11][5], "11-small.png");
    let mut names: Vec<&str> = rows[1..].iter().map(|row| row[5].as_str()).collect();
    names.sort_unstable();
    let found = |folder: &str| {
        let files = list(&sandbox.path(folder)).into_iter();
        let mut names: Vec<String> = files
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort_unstable();
        names
    };
    assert_eq!(found("maps/images"), names);
    names.extend(["images", "index.html"]);
    names.sort_unstable();
    assert_eq!(found("maps"), names);
    // The same call gives the same pictures and the same page, whatever the number of threads.
    for (folder, threads) in [("again", "1"), ("alike", "3")] {
        let args = ["predict", "cnn", "mine", "data/test", "--explain", folder];
        let mut command = sandbox.command(&args);
        let done = command.env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let [found, expected] = [folder, "maps"].map(|it| crate::sandbox::files(&sandbox.path(it)));
        assert!(found == expected, "{folder}");
    }
}

#[test]
fn a_folder_that_would_mix_with_other_files_is_refused() {
    let sandbox = trained(2, &[]);
    fs::create_dir(sandbox.path("filled")).unwrap();
    fs::write(sandbox.path("filled/mine.txt"), "x").unwrap();
    let says = |folder: &str, code: i32, what: &str| {
        let error = refused(&sandbox, &["cnn", "data/test", "--explain", folder], code);
        assert!(error.contains(what), "`{what}`: {error}");
    };
    says("filled", 2, "`filled` is not empty");
    says(
        "data/test/maps",
        2,
        "is in the folder of images `data/test`",
    );
    says("pipeline.yaml", 2, "`pipeline.yaml` is not a folder");
    says("missing/maps", 2, "there is no folder `missing`");
    says("pipeline.yaml/maps", 2, "`pipeline.yaml` is not a folder");
    // An image that cannot be read leaves no pictures of the others.
    files::write(
        &sandbox.path("mine/a.png"),
        &files::picture(0, 3, 24),
        "png",
    );
    let cut = fs::read(sandbox.path("mine/a.png")).unwrap();
    fs::write(sandbox.path("mine/b.png"), &cut[..cut.len() - 40]).unwrap();
    refused(
        &sandbox,
        &["cnn", "mine", "--batch-size", "1", "--explain", "maps"],
        2,
    );
    // An empty folder is filled.
    fs::create_dir(sandbox.path("maps")).unwrap();
    let done = predict(&sandbox, &["cnn", "data/test", "--explain", "maps"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(list(&sandbox.path("maps")).len(), 10 + 2);
    assert!(!is_left(&sandbox, ".tmp"));
}

/// Ends a process while it draws, as a power failure would. The next one removes what it left.
#[test]
fn nothing_of_a_killed_process_stays() {
    let sandbox = trained(2, &[]);
    let image = files::picture(0, 3, 500);
    files::write(&sandbox.path("mine/0.png"), &image, "png");
    let bytes = fs::read(sandbox.path("mine/0.png")).unwrap();
    for number in 1..300 {
        fs::write(sandbox.path(&format!("mine/{number}.png")), &bytes).unwrap();
    }
    let args = ["predict", "cnn", "mine", "--explain", "maps"];
    let child = sandbox.start(&[&args[..], &["--batch-size", "1"]].concat());
    eventually("drawing", || is_left(&sandbox, ".tmp").then_some(()));
    signal(child.id(), Signal::KILL).unwrap();
    assert_eq!(finish(child).code, None);
    assert!(is_left(&sandbox, ".tmp") && !sandbox.path("maps").exists());
    let done = predict(&sandbox, &["cnn", "data/test/DISK", "--explain", "others"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!is_left(&sandbox, ".tmp"));
    assert!(!sandbox.path("maps").exists());
}

#[test]
fn a_page_shows_every_image_with_its_map_and_its_warnings() {
    let sandbox = trained(2, &[]);
    let hostile = "mine/<img src=x onerror=a()>&\"'\u{202e}.png";
    files::write(&sandbox.path(hostile), &files::picture(0, 3, 24), "png");
    files::write(
        &sandbox.path("mine/wide.png"),
        &files::picture(1, 3, 24),
        "png",
    );
    let wide = image::open(sandbox.path("mine/wide.png")).unwrap();
    let wide = wide.resize_exact(100, 20, image::imageops::FilterType::Nearest);
    wide.save(sandbox.path("mine/wide.png")).unwrap();
    fs::write(sandbox.path("mine/scan.gif"), "x").unwrap();
    let done = predict(&sandbox, &["cnn", "mine", "--json", "--explain", "maps"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let all = done.json();
    let page = fs::read_to_string(sandbox.path("maps/index.html")).unwrap();
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(&page, options).unwrap();
    let elements = |name: &'static str| {
        let all = document.descendants();
        all.filter(move |node| node.tag_name().name() == name)
    };
    assert!(elements("script").next().is_none() && elements("a").next().is_none());
    let pictures: Vec<&str> = elements("img")
        .map(|image| image.attribute("src").unwrap())
        .collect();
    assert_eq!(pictures.len(), 4);
    for picture in pictures {
        image::open(sandbox.path("maps").join(picture)).unwrap();
    }
    assert!(!page.contains('\u{202e}'));
    let text: String = document
        .root_element()
        .descendants()
        .filter(|node| node.is_text())
        .filter_map(|node| node.text())
        .collect();
    for image in all["images"].as_array().unwrap() {
        let class = image["predicted"].as_str().unwrap();
        let probability = image["probabilities"][class].as_f64().unwrap();
        assert!(
            text.contains(&format!("{class} {probability:.3}")),
            "{text}"
        );
        for warning in image["warnings"].as_array().unwrap() {
            let warning = format!("Warning: {}", warning.as_str().unwrap());
            assert!(text.contains(&warning), "{text}");
        }
    }
    assert!(text.contains("shape 100×20"), "{text}");
    assert!(text.contains("mine/<img src=x onerror=a()>&\"'"), "{text}");
    assert!(text.contains("1 file left out"), "{text}");
}

#[test]
fn a_model_without_convolutions_is_explained_by_occlusion() {
    let sandbox = trained(2, &[]);
    let dense = PIPELINE.replace("{ conv: { filters: 4 } }, ", "");
    assert_ne!(dense, PIPELINE);
    fs::write(sandbox.path("pipeline.yaml"), dense).unwrap();
    run(&sandbox, &[]);
    let done = predict(
        &sandbox,
        &["cnn", "data/test/DISK/40.png", "--explain", "maps"],
    );
    assert_eq!(done.code, Some(0), "{done:?}");
    let picture = fs::read(sandbox.path("maps/1-40.png")).unwrap();
    let holds = |text: &[u8]| picture.windows(text.len()).any(|found| found == text);
    assert!(holds(b"occlusion by patches"));
}
