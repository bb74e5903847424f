//! Checks that colors can be told apart in both themes.

use super::Material;
use crate::figures::color::Color;
use crate::figures::{svg, theme};

/// Returns the contrast of two colors, from 1 to 21, as WCAG 2 defines it.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |color: &str| -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Text needs a contrast of 4.5, and lines that carry information one of 3 (WCAG 2.2, 1.4.3 and 1.4.11). The light
/// palette is that of Okabe and Ito; its fifth and sixth colors do not reach 3 and are used for bars with labels only.
#[test]
fn colors_can_be_seen_in_both_themes() {
    let colors = theme();
    let find = |name: &str| colors.iter().find(|color| color.variable == name).unwrap();
    let paper = find("--figure-paper");
    for color in &colors {
        let contrasts = [
            contrast(&color.light, &paper.light),
            contrast(&color.dark, &paper.dark),
        ];
        let least = match color.variable.trim_start_matches("--figure-") {
            "ink" | "muted" => [4.5, 4.5],
            "paper" | "grid" | "faint" => [1.0, 1.0],
            "series-3" | "series-4" => [3.0, 3.0],
            "series-5" | "series-6" => [2.0, 3.0],
            // The worst trials may be faint, but must be seen.
            name if name.starts_with("scale-") => [1.2, 1.8],
            _ => [3.0, 3.0],
        };
        for (found, least) in contrasts.iter().zip(least) {
            assert!(*found >= least, "{}: {contrasts:?}", color.variable);
        }
    }
}

#[test]
fn the_counts_of_a_confusion_matrix_can_be_read() {
    for step in 0..=500 {
        let share = f64::from(step) / 500.0;
        let [shade, ink] = [Color::Shade(share), Color::OnShade(share)].map(Color::css);
        // `#fff` and `#000` have one digit for each channel.
        let ink = format!("#{}", ink[1..].repeat(2));
        assert!(contrast(&shade, &ink) >= 4.5, "{share}: {ink} on {shade}");
    }
}

#[test]
fn every_variable_of_a_figure_is_in_the_theme_with_the_same_color() {
    let colors = theme();
    let material = Material::named("name");
    let mut seen = 0;
    for (_, figure) in material.figures() {
        let element = svg(&figure, "x").unwrap();
        for part in element.split("var(").skip(1) {
            let (variable, rest) = part.split_once(',').unwrap();
            let color = rest.split_once(')').unwrap().0;
            let known = colors.iter().find(|c| c.variable == variable);
            assert_eq!(known.map(|c| c.light.as_str()), Some(color), "{variable}");
            seen += 1;
        }
    }
    assert!(seen > 100);
}
