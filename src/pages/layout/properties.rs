//! Properties that hold for every layout.

use proptest::prelude::*;

use super::{EXIT, Layout, Rect, Segment, Trunk, layout};

/// Tolerance for rounding, in pixels: too small to see.
const ROUNDING: f64 = 1e-6;

/// A random graph, producers before consumers, with a few trunks of different labels per box.
fn graphs() -> impl Strategy<Value = (Vec<(f64, f64)>, Vec<Trunk>)> {
    let sizes = prop::collection::vec((40.0..200.0, 30.0..70.0), 1..25);
    sizes.prop_flat_map(|sizes| {
        let count = sizes.len();
        let trunk = (
            0..count,
            prop::collection::btree_set(0..count, 1..6),
            0.0..80.0,
        );
        let trunks = prop::collection::vec(trunk, 0..30).prop_map(move |drawn| {
            let trunks = drawn.into_iter().map(|(from, to, label_width)| Trunk {
                from,
                to: to.into_iter().filter(|&to| to > from).collect(),
                label_width,
            });
            trunks.filter(|trunk| !trunk.to.is_empty()).collect()
        });
        (Just(sizes), trunks)
    })
}

/// Rectangles that contain the two level pieces and the curve of a segment.
fn covers(segment: &Segment) -> [Rect; 3] {
    let ((x1, y1), (x2, y2)) = (segment.start, segment.end);
    let (from, to) = segment.curve;
    let rect = |x: f64, y: f64, width: f64, height: f64| Rect {
        x,
        y,
        width,
        height,
    };
    [
        rect(x1, y1, from - x1, 0.0),
        rect(from, y1.min(y2), to - from, (y1 - y2).abs()),
        rect(to, y2, x2 - to, 0.0),
    ]
}

/// Returns whether two rectangles share more than a border; a line is a rectangle without width or height.
fn overlap(a: &Rect, b: &Rect) -> bool {
    let share = |a: f64, width: f64, b: f64, other: f64| {
        a + width > b + ROUNDING && b + other > a + ROUNDING
    };
    share(a.x, a.width, b.x, b.width) && share(a.y, a.height, b.y, b.height)
}

fn is_inside(layout: &Layout, rect: &Rect) -> bool {
    rect.x >= 0.0
        && rect.y >= 0.0
        && rect.x + rect.width <= layout.width
        && rect.y + rect.height <= layout.height
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_box_lies_on_another_and_none_is_too_small((sizes, trunks) in graphs()) {
        let layout = layout(&sizes, &trunks);
        for (index, rect) in layout.boxes.iter().enumerate() {
            prop_assert!(is_inside(&layout, rect), "{rect:?}");
            prop_assert!(rect.width >= sizes[index].0 - ROUNDING);
            prop_assert!(rect.height >= sizes[index].1 - ROUNDING);
            for other in &layout.boxes[index + 1..] {
                prop_assert!(!overlap(rect, other), "{rect:?} {other:?}");
            }
        }
    }

    #[test]
    fn no_line_runs_through_a_box((sizes, trunks) in graphs()) {
        let layout = layout(&sizes, &trunks);
        for segment in &layout.segments {
            for cover in covers(segment) {
                prop_assert!(is_inside(&layout, &cover), "{segment:?}");
                for rect in &layout.boxes {
                    prop_assert!(!overlap(&cover, rect), "{segment:?} {rect:?}");
                }
            }
        }
    }

    #[test]
    fn every_trunk_leads_from_its_box_to_all_its_targets((sizes, trunks) in graphs()) {
        let layout = layout(&sizes, &trunks);
        let touches = |node: usize, x: f64, y: f64, right: bool| {
            let rect = &layout.boxes[node];
            let edge = if right { rect.x + rect.width } else { rect.x };
            edge == x && rect.y < y && y < rect.y + rect.height
        };
        for (index, trunk) in trunks.iter().enumerate() {
            let own: Vec<_> = layout.segments.iter().filter(|s| s.trunk == index).collect();
            let (x, y) = own[0].start;
            prop_assert!(touches(trunk.from, x, y, true));
            for &to in &trunk.to {
                let arrives = |s: &&&Segment| s.arrives && touches(to, s.end.0, s.end.1, false);
                prop_assert_eq!(own.iter().filter(arrives).count(), 1);
            }
            let arriving = own.iter().filter(|segment| segment.arrives).count();
            prop_assert_eq!(arriving, trunk.to.len());
        }
    }

    #[test]
    fn labels_have_room((sizes, trunks) in graphs()) {
        let layout = layout(&sizes, &trunks);
        let starts: Vec<_> = (0..trunks.len())
            .map(|index| layout.segments.iter().find(|s| s.trunk == index).unwrap())
            .collect();
        for (index, a) in starts.iter().enumerate() {
            prop_assert!(a.curve.0 - a.start.0 >= trunks[index].label_width - ROUNDING);
            for (other, b) in starts.iter().enumerate().skip(index + 1) {
                if trunks[index].from == trunks[other].from {
                    prop_assert!((a.start.1 - b.start.1).abs() >= EXIT - ROUNDING);
                }
            }
        }
    }
}

#[test]
fn lines_do_not_cross_without_need() {
    let trunk = |from: usize, to: &[usize]| Trunk {
        from,
        to: to.to_vec(),
        label_width: 0.0,
    };
    // In the given order, every line crosses the two others.
    let sizes = vec![(80.0, 40.0); 6];
    let laid = layout(&sizes, &[trunk(0, &[5]), trunk(1, &[4]), trunk(2, &[3])]);
    for segment in &laid.segments {
        assert_eq!(segment.start.1, segment.end.1, "straight: {segment:?}");
    }
}

#[test]
fn layouts_of_no_box_and_of_one_box_are_valid() {
    let empty = layout(&[], &[]);
    assert!(empty.boxes.is_empty() && empty.width > 0.0 && empty.height.is_finite());
    let one = layout(&[(50.0, 30.0)], &[]);
    assert!(is_inside(&one, &one.boxes[0]));
}
