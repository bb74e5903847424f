//! [`MetricView`]: a measured number as it is shown.

use contract::{Direction, Metric};

/// A metric of a stage.
#[derive(Clone, Debug)]
pub struct MetricView {
    pub name: String,
    /// `None` if the value is undefined.
    pub value: Option<f64>,
    pub interval: Option<[f64; 2]>,
    pub direction: Option<Direction>,
    /// `true` if whole numbers have decimals, as in a column of fractions.
    pub is_fraction: bool,
}

impl MetricView {
    pub(crate) fn new(name: &str, metric: &Metric) -> Self {
        Self {
            name: name.to_owned(),
            value: Some(metric.value).filter(|value| value.is_finite()),
            interval: metric.interval,
            direction: metric.direction,
            is_fraction: false,
        }
    }

    /// A metric that is one of many fractions.
    pub(crate) fn fraction(name: &str, metric: &Metric) -> Self {
        Self {
            is_fraction: true,
            ..Self::new(name, metric)
        }
    }

    fn number(&self, value: f64) -> String {
        match self.is_fraction && value.abs() < 10.0 && value.fract() == 0.0 {
            true => format!("{value:.3}"),
            false => number(value),
        }
    }

    /// `0.921`, or `undefined`.
    pub fn text(&self) -> String {
        let value = self.value.map(|value| self.number(value));
        value.unwrap_or_else(|| "undefined".to_owned())
    }

    /// `[0.893, 0.945]`, or an empty string.
    pub fn interval_text(&self) -> String {
        match self.interval {
            Some([low, high]) => format!("[{}, {}]", self.number(low), self.number(high)),
            None => String::new(),
        }
    }

    /// `higher is better`.
    pub fn direction_text(&self) -> &'static str {
        match self.direction {
            Some(Direction::Maximize) => "higher is better",
            Some(Direction::Minimize) => "lower is better",
            None => "",
        }
    }

    /// `↑` if higher values are better, `↓` if lower ones are, or an empty string.
    pub fn arrow(&self) -> &'static str {
        match self.direction {
            Some(Direction::Maximize) => "↑",
            Some(Direction::Minimize) => "↓",
            None => "",
        }
    }

    /// The value for sorting, in full precision.
    pub fn sort_key(&self) -> String {
        self.value
            .map_or_else(String::new, |value| value.to_string())
    }
}

/// A number in a few digits: `42`, `0.921`, `12.35`, `1.2e-5`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "undefined".to_owned();
    }
    if value.fract() == 0.0 && size < 1e9 {
        return format!("{value:.0}");
    }
    match size {
        _ if !(5e-4..1e6).contains(&size) => format!("{value:.2e}"),
        _ if size >= 100.0 => format!("{value:.1}"),
        _ if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A positive number with three significant digits: `0.00213`, `0.921`, `12.3`, `1.20e-5`.
pub(crate) fn significant(value: f64) -> String {
    match value {
        _ if !(1e-3..1e6).contains(&value) => format!("{value:.2e}"),
        _ => {
            let digits = (2.0 - value.log10().floor()).max(0.0);
            format!("{value:.*}", digits as usize)
        }
    }
}

/// A change with its sign: `+0.012`, `−0.003`, `0`.
pub(crate) fn change(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        _ if value > 0.0 => format!("+{}", number(value)),
        _ => format!("−{}", number(-value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_have_as_many_decimals_as_others() {
        let metric = Metric {
            interval: Some([0.0, 1.0]),
            ..Metric::new(1.0, None)
        };
        let fraction = MetricView::fraction("f1", &metric);
        assert_eq!(fraction.text(), "1.000");
        assert_eq!(fraction.interval_text(), "[0.000, 1.000]");
        assert_eq!(MetricView::new("lines", &metric).text(), "1");
    }

    #[test]
    fn small_numbers_have_three_significant_digits() {
        let numbers = [0.00213, 0.001, 0.92139, 1.25, 12.345, 1234.5, 1.2e-5, 2.5e7];
        let shown = numbers.map(significant);
        let expected = [
            "0.00213", "0.00100", "0.921", "1.25", "12.3", "1234", "1.20e-5", "2.50e7",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let shown = [
            0.0,
            7.0,
            0.92139,
            12.345,
            1234.56,
            2.5e7 + 0.5,
            1.2e-5,
            -0.25,
        ];
        let shown: Vec<String> = shown.into_iter().map(number).collect();
        let expected = [
            "0", "7", "0.921", "12.35", "1234.6", "2.50e7", "1.20e-5", "-0.250",
        ];
        assert_eq!(shown, expected);
        assert_eq!(number(f64::NAN), "undefined");
        assert_eq!(change(-0.0031), "−0.003");
        assert_eq!(change(0.0124), "+0.012");
    }
}
