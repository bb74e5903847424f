//! [`Explanation`]: a page about predictions for images of the user, with a heat map of each image. It refers to
//! pictures in its folder, has no script, and opens without a server.

use askama::Template;

use crate::metric::significant;
use crate::page::{Failure, STYLE};

/// A page about predictions.
#[derive(Debug, Template)]
#[template(path = "explanation.html")]
pub struct Explanation {
    /// Name of the model.
    pub model: String,
    /// How classes are decided: `threshold 0.620 of PNEUMONIA`.
    pub rule: String,
    /// How maps are computed: `Grad-CAM of layer 4`.
    pub technique: String,
    pub images: Vec<ExplainedView>,
    /// Names of files that were left out, with reasons.
    pub left_out: Vec<(String, String)>,
}

/// An image, and the places that speak for its class.
#[derive(Clone, Debug)]
pub struct ExplainedView {
    pub name: String,
    pub predicted: String,
    /// Probability of the predicted class.
    pub probability: String,
    pub warnings: Vec<String>,
    /// File of the image without a map, relative to the page.
    pub image: String,
    /// File of the image with its map.
    pub map: String,
    /// Largest value of the map; 0 if no place speaks for the predicted class.
    pub maximum: f64,
}

impl ExplainedView {
    /// Formats the largest value; `None` if there is no map to see.
    fn largest(&self) -> Option<String> {
        (self.maximum > 0.0).then(|| significant(self.maximum))
    }
}

impl Explanation {
    /// Renders the page.
    ///
    /// # Errors
    /// If the template fails, which is a bug.
    pub fn page(&self) -> Result<String, Failure> {
        self.render()
    }

    fn style(&self) -> &'static str {
        STYLE
    }

    fn warned(&self) -> usize {
        let images = self.images.iter();
        images.filter(|image| !image.warnings.is_empty()).count()
    }
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, ParsingOptions};

    use super::*;

    const HOSTILE: &str = "<script>a()</script>\"' onerror=\u{202e}\u{1b}]]>&";

    #[test]
    fn names_are_escaped_and_an_image_without_evidence_says_so() {
        let view = |maximum: f64| ExplainedView {
            name: HOSTILE.to_owned(),
            predicted: HOSTILE.to_owned(),
            probability: "0.750".to_owned(),
            warnings: vec!["tiny: 2×2 pixels".to_owned(), HOSTILE.to_owned()],
            image: "images/1-a.png".to_owned(),
            map: "1-a.png".to_owned(),
            maximum,
        };
        let page = Explanation {
            model: HOSTILE.to_owned(),
            rule: format!("threshold 0.500 of {HOSTILE}"),
            technique: "Grad-CAM of layer 1".to_owned(),
            images: vec![view(1.25), view(0.0)],
            left_out: vec![(HOSTILE.to_owned(), "is empty".to_owned())],
        };
        let text = page.page().unwrap();
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(&text, options).unwrap();
        let elements = |name: &'static str| {
            let all = document.descendants();
            all.filter(move |node| node.has_tag_name(("http://www.w3.org/1999/xhtml", name)))
        };
        assert_eq!(elements("script").count(), 0);
        let pictures: Vec<&str> = elements("img").filter_map(|i| i.attribute("src")).collect();
        let expected = ["images/1-a.png", "1-a.png", "images/1-a.png", "1-a.png"];
        assert_eq!(pictures, expected);
        assert!(elements("img").all(|image| image.attribute("onerror").is_none()));
        assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'));
        assert!(text.contains("largest value 1.25<") && text.contains("no place speaks for"));
        assert!(text.contains("2 images have warnings") && text.contains("tiny: 2×2 pixels"));
        assert!(text.contains("1 file left out"));
    }
}
