//! Which files are predicted, and what happens to the others.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::sandbox::skip;

fn names(all: &Value) -> Vec<String> {
    let images = all["images"].as_array().unwrap().iter();
    images
        .map(|image| image["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn folders_are_searched_and_files_listed_once_in_order() {
    let sandbox = trained(2, &[]);
    let write = |name: &str| {
        files::write(&sandbox.path(name), &files::picture(0, 3, 20), "png");
    };
    for name in [
        "mine/b.png",
        "mine/deep/er/a.PNG",
        "mine/.hidden.png",
        "mine/no/x.png",
        "c.png",
    ] {
        write(name);
    }
    fs::write(sandbox.path("mine/.runnerignore"), "no/\n").unwrap();
    fs::write(sandbox.path("mine/notes.txt"), "x").unwrap();
    fs::write(sandbox.path("mine/scan.gif"), "x").unwrap();
    symlink("../c.png", sandbox.path("mine/link.png")).unwrap();
    symlink(sandbox.path("mine/deep"), sandbox.path("mine/other")).unwrap();

    let all = predicted(
        &sandbox,
        &["cnn", "mine", "mine/b.png", "c.png", "./c.png", "mine/"],
    );
    let expected = [
        "c.png",
        "mine/b.png",
        "mine/deep/er/a.PNG",
        "mine/link.png",
        "mine/other/er/a.PNG",
    ];
    assert_eq!(names(&all), expected);
    let left_out: Vec<&str> = all["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["image"].as_str().unwrap())
        .collect();
    assert_eq!(left_out, ["mine/notes.txt", "mine/scan.gif"]);

    let table = predict(&sandbox, &["cnn", "mine"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    let expected = "2 other files left out: `mine/notes.txt` is of the format `txt`, which is not read; \
                    `mine/scan.gif` is of the format `gif`, which is not read";
    assert!(table.stderr.contains(expected), "{table:?}");
}

#[test]
fn a_list_names_images_one_per_line() {
    let sandbox = trained(2, &[]);
    let image = files::picture(0, 3, 20);
    for name in ["mine/a b.png", "mine/c.png", "more/d.png"] {
        files::write(&sandbox.path(name), &image, "png");
    }
    fs::write(sandbox.path("list.txt"), "mine/a b.png\r\n\nmore\n").unwrap();
    let listed = ["mine/a b.png", "more/d.png"];
    let all = predicted(&sandbox, &["cnn", "--list", "list.txt"]);
    assert_eq!(names(&all), listed);
    let all = predicted(&sandbox, &["cnn", "mine", "--list", "list.txt"]);
    assert_eq!(names(&all), ["mine/a b.png", "mine/c.png", "more/d.png"]);
    let mut command = sandbox.command(&["predict", "--json", "cnn", "--list", "-"]);
    let list = fs::File::open(sandbox.path("list.txt")).unwrap();
    let done = Finished::from(command.stdin(list).output().unwrap());
    assert_eq!(names(&done.json()), listed);

    for (content, what) in [
        (
            "\n\n",
            "`list.txt` has no path of an image; write one per line",
        ),
        ("mine/c.png\nmissing.png\n", "`missing.png` does not exist"),
        (
            "mine/c.png\0more\0",
            "`list.txt`, line 1: a path has a zero byte",
        ),
    ] {
        fs::write(sandbox.path("list.txt"), content).unwrap();
        let error = refused(&sandbox, &["cnn", "--list", "list.txt"], 2);
        assert!(error.contains(what), "`{what}`: {error}");
    }
    let error = refused(&sandbox, &["cnn", "--list", "nothing.txt"], 2);
    assert!(
        error.contains("a list of images from `nothing.txt`"),
        "{error}"
    );
}

#[test]
fn a_file_of_predictions_within_a_folder_of_images_is_not_reported() {
    let sandbox = trained(2, &[]);
    let image = sandbox.path("mine/a.png");
    files::write(&image, &files::picture(0, 3, 20), "png");
    for _ in 0..2 {
        let done = predict(&sandbox, &["cnn", "mine", "-o", "mine/predictions.csv"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(!done.stderr.contains("left out"), "{done:?}");
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_an_error_or_is_left_out() {
    let sandbox = trained(2, &[]);
    let at = |name: &[u8]| sandbox.path("mine").join(OsStr::from_bytes(name));
    let image = files::picture(0, 3, 20);
    for name in [b"a.png".as_slice(), b"b\xff.png", b"c\xfe/d.png"] {
        files::write(&at(name), &image, "png");
    }
    fs::write(at(b"e\xff.txt"), "x").unwrap();
    let error = refused(&sandbox, &["cnn", "mine"], 2);
    let expected = "error: `mine/b\u{fffd}.png` has a name that is not UTF-8; rename it, or use `--on-bad-image skip` to \
                    leave it out\n";
    assert_eq!(error, expected);
    let skips = ["cnn", "mine", "--on-bad-image", "skip"];
    let all = predicted(&sandbox, &skips);
    assert_eq!(names(&all), ["mine/a.png"]);
    let left_out = all["left_out"].as_array().unwrap().iter();
    let left_out: Vec<&str> = left_out.map(|f| f["image"].as_str().unwrap()).collect();
    let expected = ["mine/b\u{fffd}.png", "mine/c\u{fffd}", "mine/e\u{fffd}.txt"];
    assert_eq!(left_out, expected);
    let table = predict(&sandbox, &skips);
    let warning = "warning: 2 unreadable images left out: `mine/b\u{fffd}.png` has a name that is not UTF-8; ";
    assert!(table.stderr.contains(warning), "{table:?}");
    // A file that is named itself, beside another one.
    let skips = [
        "predict",
        "--json",
        "cnn",
        "mine/a.png",
        "--on-bad-image",
        "skip",
    ];
    let mut command = sandbox.command(&skips);
    let done = Finished::from(command.arg(at(b"b\xff.png")).output().unwrap());
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(names(&done.json()), ["mine/a.png"]);
    assert_eq!(done.json()["left_out"].as_array().unwrap().len(), 1);
}

#[test]
fn without_images_nothing_is_written() {
    let sandbox = trained(2, &[]);
    let says = |images: &[&str], what: &str| {
        let error = refused(&sandbox, &[&["cnn"], images].concat(), 2);
        assert!(error.contains(what), "`{what}`: {error}");
    };
    fs::create_dir(sandbox.path("empty")).unwrap();
    says(
        &["empty"],
        "there are no images (`jpg`, `jpeg`, `png`, `tif`, `tiff`, `bmp`, `webp`, `dcm` or `dicom`) in `empty`",
    );
    fs::write(sandbox.path("empty/a.gif"), "GIF89a").unwrap();
    says(&["empty"], "in `empty`, only `empty/a.gif`");
    says(&["missing.png"], "`missing.png` does not exist");
    says(&["artifacts"], "`artifacts` is a runner store");
    let error = refused(&sandbox, &["cnn"], 2);
    let expected = "error: there are no images to predict; name files or folders after the model, or give a list of \
                    them with `--list FILE`\n";
    assert_eq!(error, expected);
}

#[test]
fn an_unreadable_image_is_an_error_or_is_left_out() {
    let sandbox = trained(2, &[]);
    files::write(
        &sandbox.path("mine/good.png"),
        &files::picture(0, 3, 20),
        "png",
    );
    files::write(
        &sandbox.path("mine/cut.jpeg"),
        &files::picture(0, 3, 200),
        "jpeg",
    );
    let name = "mine/cut.jpeg";
    let whole = fs::read(sandbox.path(name)).unwrap();
    for (bytes, what) in [
        (&whole[..whole.len() / 2], "is truncated"),
        (&[], "is empty"),
        (
            b"%PDF-1.7",
            "is no image in the format JPEG, PNG, TIFF, BMP, WebP or DICOM",
        ),
        (&whole[..30], "is no readable JPEG image"),
    ] {
        fs::write(sandbox.path(name), bytes).unwrap();
        let error = refused(&sandbox, &["cnn", "mine"], 2);
        assert!(error.contains(&format!("`{name}` {what}")), "{error}");
        assert!(error.contains("`--on-bad-image skip`"), "{error}");
        let skipping = ["cnn", "mine", "--on-bad-image", "skip"];
        let all = predicted(&sandbox, &skipping);
        assert_eq!(names(&all), ["mine/good.png"]);
        assert_eq!(all["left_out"][0]["image"], name);
        let done = predict(&sandbox, &skipping);
        let warning = format!("warning: 1 unreadable image left out: `{name}` {what}");
        assert!(done.stderr.contains(&warning), "{done:?}");
    }
    fs::write(sandbox.path("mine/bad.png"), "x").unwrap();
    let skipping = ["cnn", name, "mine/bad.png", "--on-bad-image", "skip"];
    let error = refused(&sandbox, &skipping, 2);
    let expected = "none of the 2 images can be used; the first one: `mine/bad.png` is no image in";
    assert!(error.contains(expected), "{error}");
    files::write(
        &sandbox.path("large.png"),
        &files::picture(0, 3, 1001),
        "png",
    );
    let error = refused(&sandbox, &["cnn", "large.png", "--max-megapixels", "1"], 2);
    assert!(
        error.contains("`large.png` is 1001×1001 pixels, more than the 1"),
        "{error}"
    );
}

#[test]
fn entries_of_folders_that_cannot_be_used_are_errors_or_left_out() {
    let sandbox = trained(2, &[]);
    let at = |name: &str| sandbox.path("mine").join(name);
    files::write(&at("a.png"), &files::picture(0, 3, 20), "png");
    let dangling = "is a link to a file or folder that does not exist";
    symlink("nowhere", at("b.png")).unwrap();
    let error = refused(&sandbox, &["cnn", "mine"], 2);
    let hint = "repair or remove it, or use `--on-bad-image skip` to leave it out";
    assert_eq!(error, format!("error: `mine/b.png` {dangling}; {hint}\n"));
    mknodat(CWD, at("c.png"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    symlink("d.png", at("d.png")).unwrap();
    symlink(".", at("e")).unwrap();
    let all = predicted(&sandbox, &["cnn", "mine", "--on-bad-image", "skip"]);
    assert_eq!(names(&all), ["mine/a.png"]);
    let left_out = all["left_out"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let left_out: Vec<(String, String)> = left_out
        .map(|file| (text(&file["image"]), text(&file["reason"])))
        .collect();
    for ((image, reason), (name, start)) in left_out.iter().zip([
        ("mine/b.png", dangling),
        ("mine/c.png", "is neither a file nor a folder"),
        ("mine/d.png", "cannot be read: "),
        ("mine/e", "is a link to a folder that contains it"),
    ]) {
        assert_eq!(image, name);
        assert!(reason.starts_with(start), "{name} {reason}");
    }
    assert_eq!(left_out.len(), 4);
    // A path that is given itself must exist.
    let skips = ["cnn", "mine", "mine/b.png", "--on-bad-image", "skip"];
    let error = refused(&sandbox, &skips, 2);
    assert!(error.contains("`mine/b.png` does not exist"), "{error}");
}

#[test]
fn a_folder_without_permission_is_an_error_or_left_out() {
    if rustix::process::geteuid().is_root() {
        skip("root may read everything");
        return;
    }
    let sandbox = trained(2, &[]);
    for name in ["mine/a.png", "mine/locked/b.png"] {
        files::write(&sandbox.path(name), &files::picture(0, 3, 20), "png");
    }
    let locked = sandbox.path("mine/locked");
    let allow = |mode| fs::set_permissions(&locked, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o000);
    let done = predict(&sandbox, &["cnn", "mine", "-o", "p.csv"]);
    assert_eq!(done.code, Some(2), "{done:?}");
    let start = "error: `mine/locked` cannot be read: ";
    assert!(done.stderr.starts_with(start), "{done:?}");
    let all = predicted(&sandbox, &["cnn", "mine", "--on-bad-image", "skip"]);
    allow(0o700);
    assert_eq!(names(&all), ["mine/a.png"]);
    assert_eq!(all["left_out"][0]["image"], "mine/locked");
}

#[test]
fn special_files_neither_block_nor_count_as_images() {
    let sandbox = trained(2, &[]);
    fs::create_dir(sandbox.path("mine")).unwrap();
    mknodat(
        CWD,
        sandbox.path("mine/pipe.png"),
        FileType::Fifo,
        Mode::RWXU,
        0,
    )
    .unwrap();
    for image in ["mine/pipe.png", "mine", "/dev/zero"] {
        let error = predict(&sandbox, &["cnn", image, "-o", "p.csv"]);
        assert_eq!(error.code, Some(2), "{error:?}");
        assert!(
            error.stderr.contains("is neither a file nor a folder"),
            "{error:?}"
        );
    }
    fs::remove_file(sandbox.path("mine/pipe.png")).unwrap();
    symlink(sandbox.path("mine"), sandbox.path("mine/loop")).unwrap();
    let error = predict(&sandbox, &["cnn", "mine"]);
    assert_eq!(error.code, Some(2), "{error:?}");
    assert!(
        error.stderr.contains("link to a folder that contains it"),
        "{error:?}"
    );
    symlink("nowhere", sandbox.path("dangling.png")).unwrap();
    let error = refused_link(&sandbox);
    assert!(error.contains("`dangling.png` does not exist"), "{error}");
}

fn refused_link(sandbox: &Sandbox) -> String {
    let done = predict(sandbox, &["cnn", "dangling.png"]);
    assert_eq!(done.code, Some(2), "{done:?}");
    done.stderr
}

#[test]
fn an_image_without_permission_is_unreadable() {
    if rustix::process::geteuid().is_root() {
        skip("root may read everything");
        return;
    }
    let sandbox = trained(2, &[]);
    let path = sandbox.path("mine/a.png");
    files::write(&path, &files::picture(0, 3, 20), "png");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let done = predict(&sandbox, &["cnn", "mine", "-o", "p.csv"]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(
        done.stderr.contains("`mine/a.png` cannot be read"),
        "{done:?}"
    );
}
