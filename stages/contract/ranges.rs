//! Checks the ranges of parameters. The path of an error is the parameter's name.

use crate::Invalid;

/// Checks that `value` is between `least` and `most`, inclusive.
pub fn whole(name: &str, value: usize, least: usize, most: usize) -> Result<(), Invalid> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "`{name}` is {value}; it must be between {least} and {most}"
    ))
    .under(name))
}

/// Checks that `value` is above 0 and at most `most`.
pub fn above_zero(name: &str, value: f64, most: f64) -> Result<(), Invalid> {
    if value > 0.0 && value <= most {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "`{name}` is {value}; it must be above 0 and at most {most}"
    ))
    .under(name))
}

/// Checks that `value` is at least 0 and below 1.
pub fn share(name: &str, value: f64) -> Result<(), Invalid> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "`{name}` is {value}; it must be at least 0 and below 1"
    ))
    .under(name))
}
