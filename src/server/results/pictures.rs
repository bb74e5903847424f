//! Addresses of pictures in results, and the pictures that they describe.

use std::collections::HashMap;

use pages::picture::{Datasets, Picture, Pictures, Shown, png};

use super::{Sources, reader};

/// Largest picture: number of images, and length of the longer side of each, in pixels.
const MOST_IMAGES: usize = 1000;
const MOST_SIDE: u32 = 1024;

/// First bytes of every PNG file.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Gives each picture an address that describes it, so that the server need not remember it.
pub(super) struct Addresses;

impl Pictures for Addresses {
    fn place(&self, picture: &Picture) -> Option<Shown> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let name = match picture {
            Picture::Sheet {
                dataset,
                images,
                columns,
                side,
            } => {
                let images: Vec<String> = images.iter().map(ToString::to_string).collect();
                query.append_pair("images", &images.join("-"));
                query.append_pair("columns", &columns.to_string());
                query.append_pair("side", &side.to_string());
                format!("sheet-{dataset}")
            }
            Picture::Image {
                dataset,
                image,
                side,
            } => {
                query.append_pair("images", &image.to_string());
                query.append_pair("side", &side.to_string());
                format!("image-{dataset}")
            }
            Picture::File { output, name } => {
                query.append_pair("name", name);
                format!("file-{output}")
            }
        };
        Some(Shown {
            src: format!("/pictures/{name}?{}", query.finish()),
            size: None,
        })
    }
}

/// The PNG of the picture that an address describes.
pub(crate) fn picture(sources: &Sources, picture: &str, query: &str) -> Option<Vec<u8>> {
    let picture = described(picture, query)?;
    let reader = reader(sources);
    let bytes = png(reader, &Datasets::new(reader), &picture)?;
    is_png(&bytes).then_some(bytes)
}

/// `true` if a file is a picture, and not another file under the name of one.
pub(crate) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(PNG)
}

fn described(picture: &str, query: &str) -> Option<Picture> {
    let (kind, digest) = picture.split_once('-')?;
    let digest = digest.parse().ok()?;
    let values: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
    let side = || {
        let side: u32 = values.get("side")?.parse().ok()?;
        (1..=MOST_SIDE).contains(&side).then_some(side)
    };
    match kind {
        "sheet" => {
            let images = values.get("images")?.split('-').map(str::parse);
            let images: Vec<usize> = images.collect::<Result<_, _>>().ok()?;
            let columns: usize = values.get("columns")?.parse().ok()?;
            let is_small = (1..=MOST_IMAGES).contains(&images.len());
            let is_right = is_small && (1..=MOST_IMAGES).contains(&columns);
            is_right.then(|| {
                Some(Picture::Sheet {
                    dataset: digest,
                    images,
                    columns,
                    side: side()?,
                })
            })?
        }
        "image" => Some(Picture::Image {
            dataset: digest,
            image: values.get("images")?.parse().ok()?,
            side: side()?,
        }),
        "file" => Some(Picture::File {
            output: digest,
            name: values.get("name")?.clone().into_owned(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use store::keys::Digest;

    use super::*;

    #[test]
    fn a_picture_is_found_again_by_its_address() {
        let digest = Digest::derive("test", b"a");
        for picture in [
            Picture::Sheet {
                dataset: digest,
                images: vec![0, 7, 3],
                columns: 2,
                side: 64,
            },
            Picture::Image {
                dataset: digest,
                image: 5,
                side: 96,
            },
            Picture::File {
                output: digest,
                name: "a/\"b\"&<c>.png".to_owned(),
            },
        ] {
            let address = Addresses.place(&picture).unwrap().src;
            let (path, query) = address
                .strip_prefix("/pictures/")
                .unwrap()
                .split_once('?')
                .unwrap();
            assert_eq!(described(path, query), Some(picture));
        }
    }

    #[test]
    fn pictures_that_would_take_too_much_are_refused() {
        let digest = Digest::derive("test", b"a");
        let sheet = format!("sheet-{digest}");
        let many = vec!["1"; MOST_IMAGES + 1].join("-");
        for query in [
            String::new(),
            "images=1&columns=1&side=0".to_owned(),
            "images=1&columns=1&side=9999".to_owned(),
            "images=1&columns=0&side=9".to_owned(),
            "images=x&columns=1&side=9".to_owned(),
            format!("images={many}&columns=1&side=9"),
        ] {
            assert_eq!(described(&sheet, &query), None, "{query}");
        }
        for name in ["", "sheet", "sheet-00", "other-00"] {
            assert_eq!(described(name, "images=1&columns=1&side=9"), None);
        }
    }
}
