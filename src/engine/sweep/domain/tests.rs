use proptest::prelude::*;
use serde_json::Number;

use super::{Coordinate, Domain, Invalid};

fn number(text: &str) -> Number {
    serde_json::from_str(text).unwrap()
}

fn uniform(low: &str, high: &str, quantum: &str) -> Result<Domain, Invalid> {
    Domain::uniform(&number(low), &number(high), Some(&number(quantum)))
}

fn all(domain: &Domain) -> Vec<String> {
    let coordinates = (0..domain.count().unwrap()).map(|index| domain.nth(index).unwrap());
    coordinates
        .map(|coordinate| match coordinate {
            Coordinate::Number(number) => number.to_string(),
            Coordinate::Choice(choice) => format!("#{choice}"),
        })
        .collect()
}

#[test]
fn quanta_are_exact_decimals() {
    let of = |low, high, quantum| all(&uniform(low, high, quantum).unwrap());
    assert_eq!(of("0.1", "0.5", "0.1"), ["0.1", "0.2", "0.3", "0.4", "0.5"]);
    assert_eq!(of("0.1", "0.55", "0.2"), ["0.1", "0.3", "0.5"]);
    assert_eq!(
        of("-1e-7", "2e-7", "1e-7"),
        ["-1e-7", "0.0", "1e-7", "2e-7"]
    );
    assert_eq!(of("0", "1", "0.25"), ["0.0", "0.25", "0.5", "0.75", "1.0"]);
    assert_eq!(of("0", "1", "0.3"), ["0.0", "0.3", "0.6", "0.9"]);
    assert_eq!(of("3", "3", "1"), ["3.0"]);
    let ints = Domain::int_uniform(-5, 6, 5).unwrap();
    assert_eq!(all(&ints), ["-5", "0", "5"]);
    assert_eq!(
        all(&Domain::log_int_uniform(1, 3).unwrap()),
        ["1", "2", "3"]
    );
    assert_eq!(all(&Domain::values(2).unwrap()), ["#0", "#1"]);
}

#[test]
fn numbers_are_found_in_any_notation() {
    let tenths = uniform("0", "1", "0.1").unwrap();
    assert_eq!(tenths.find(&number("0.3")), tenths.nth(3));
    assert_eq!(tenths.find(&number("1")), tenths.nth(10));
    assert_eq!(tenths.find(&number("3e-1")), tenths.nth(3));
    for missing in ["0.35", "1.1", "-0.1"] {
        assert_eq!(tenths.find(&number(missing)), None, "{missing}");
    }
    let even = Domain::int_uniform(2, 8, 2).unwrap();
    assert_eq!(even.find(&number("4.0")), even.nth(1));
    for missing in ["3", "4.5", "0", "10", "18446744073709551615"] {
        assert_eq!(even.find(&number(missing)), None, "{missing}");
    }
    let rate = Domain::log_uniform(1e-4, 1e-2).unwrap();
    assert_eq!(
        rate.find(&number("1e-2")),
        Some(Coordinate::Number(number("0.01")))
    );
    assert_eq!(rate.find(&number("0.02")), None);
    assert!(!even.contains(&Coordinate::Number(number("4.0"))));
    assert!(even.contains(&Coordinate::Number(number("4"))));
    assert!(!even.contains(&Coordinate::Choice(1)));
}

#[test]
fn invalid_bounds_are_errors() {
    let text = |refused: Result<Domain, Invalid>| refused.unwrap_err().to_string();
    assert_eq!(Domain::values(0), Err(Invalid::Empty));
    assert_eq!(
        text(uniform("0.5", "0.1", "0.1")),
        "the lower bound `0.5` is not below the upper bound `0.1`"
    );
    assert_eq!(
        text(uniform("0", "1", "0")),
        "the quantum `0` is not above 0"
    );
    assert_eq!(
        text(uniform("0", "1", "1e-30")),
        "`1e-30` is too large, or has more than 28 digits"
    );
    assert_eq!(
        text(uniform("0", "1e20", "1e-5")),
        "the range from `0` to `1e+20` is too wide"
    );
    let continuous = |low, high| Domain::uniform(&number(low), &number(high), None);
    assert!(matches!(continuous("1", "1"), Err(Invalid::Order { .. })));
    assert!(matches!(
        continuous("-1e308", "1e308"),
        Err(Invalid::TooWide { .. })
    ));
    assert_eq!(
        Domain::log_uniform(0.0, 1.0),
        Err(Invalid::NotPositive("0".to_owned()))
    );
    assert!(matches!(
        Domain::log_uniform(1.0, f64::INFINITY),
        Err(Invalid::Order { .. })
    ));
    assert!(matches!(
        Domain::log_uniform(f64::NAN, 1.0),
        Err(Invalid::Order { .. })
    ));
    assert!(matches!(
        Domain::log_int_uniform(0, 9),
        Err(Invalid::NotPositive(_))
    ));
    assert!(matches!(
        Domain::int_uniform(2, 1, 1),
        Err(Invalid::Order { .. })
    ));
    assert!(matches!(
        Domain::int_uniform(1, 2, -1),
        Err(Invalid::Quantum(_))
    ));
}

#[test]
fn axes_that_vary_together_have_equal_lengths() {
    assert_eq!(Domain::zipped(&[("a", 3), ("b", 3)]), Ok(Domain::Values(3)));
    assert_eq!(
        Domain::zipped(&[("a", 3), ("b", 2)])
            .unwrap_err()
            .to_string(),
        "axes that vary together must have the same number of values: `a` has 3, `b` has 2"
    );
    assert_eq!(Domain::zipped(&[]), Err(Invalid::Empty));
}

#[test]
fn drawn_numbers_are_short_and_within_bounds() {
    let rate = Domain::log_uniform(1e-4, 1e-2).unwrap();
    let middle = rate.at(libm::log(0.001_234_567_89));
    assert_eq!(middle, Coordinate::Number(number("0.00123457")));
    let narrow = |low, high, at| Domain::Uniform { low, high }.at(at);
    let expected = |text| Coordinate::Number(number(text));
    assert_eq!(
        narrow(1000.0, 1001.0, 1_000.123_456_789),
        expected("1000.12346")
    );
    assert_eq!(
        narrow(0.123_456_7, 0.123_456_8, 0.123_456_746),
        expected("0.123456746")
    );
    assert_eq!(
        narrow(-1.0, 0.333_333_333, 0.333_333_333),
        expected("0.333333")
    );
    assert_eq!(
        narrow(0.333_333_333, 1.0, 0.333_333_333),
        expected("0.333333333")
    );
}

#[test]
fn the_widest_integer_range_has_all_coordinates() {
    let all = Domain::int_uniform(i64::MIN, i64::MAX, 1).unwrap();
    assert_eq!(all.count(), Some(1 << 64));
    assert_eq!(all.nth(0), Some(Coordinate::Number(i64::MIN.into())));
    assert_eq!(
        all.nth((1 << 64) - 1),
        Some(Coordinate::Number(i64::MAX.into()))
    );
    assert_eq!(all.nth(1 << 64), None);
    let (start, end) = all.extent();
    assert!(all.contains(&all.at(start)) && all.contains(&all.at(end)));
}

proptest! {
    #[test]
    fn a_coordinate_is_found_at_its_own_place(
        low in -1000..1000_i64, width in 0..1000_i64, gap in 1..50_i64, share in 0.0..1.0_f64,
    ) {
        let tenths = |units: i64| number(&format!("{}", units as f64 / 10.0));
        let domains = [
            Domain::uniform(&tenths(low), &tenths(low + width), Some(&tenths(gap))).unwrap(),
            Domain::int_uniform(low, low + width, gap).unwrap(),
            Domain::log_int_uniform(low.abs() + 1, low.abs() + 1 + width).unwrap(),
            Domain::values(gap as usize).unwrap(),
        ];
        for domain in domains {
            let (start, end) = domain.extent();
            let place = start + share * (end - start);
            let coordinate = domain.at(place);
            prop_assert!(domain.contains(&coordinate));
            prop_assert_eq!(&domain.at(domain.place(&coordinate)), &coordinate);
            if let Some((from, to)) = domain.cell(&coordinate) {
                prop_assert!(from - 1e-9 <= place && place <= to + 1e-9);
            }
        }
    }
}
