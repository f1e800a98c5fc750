//! A curve as small as a word.

use maud::{Markup, html};

/// The curve of these values from long ago to now, scaled to its own highest value. It shows what the number beside
/// it says in words, so that it is hidden from whoever listens to the page.
pub(super) fn curve(values: &[f64]) -> Markup {
    let top = values.iter().copied().fold(0.0, f64::max);
    let line = points(values, top);
    let flat = line.is_empty() || top <= 0.0;
    html! {
        svg.curve.flat[flat] viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            @if !flat {
                polygon points={ (first_x(values.len())) "," (HEIGHT) " " (line) " " (WIDTH) "," (HEIGHT) } {}
                polyline points=(line) {}
            } @else {
                polyline points={ "0," (HEIGHT - MARGIN) " " (WIDTH) "," (HEIGHT - MARGIN) } {}
            }
        }
    }
}

/// Newest at the right edge: a curve that is not full yet begins in the middle.
fn points(values: &[f64], top: f64) -> String {
    let point = |(x, value): (u32, &f64)| {
        let share = if top > 0.0 { value / top } else { 0.0 };
        let y = f64::from(HEIGHT - MARGIN) - share * f64::from(HEIGHT - 2 * MARGIN);
        format!("{x},{y:.1}")
    };
    let all = (first_x(values.len())..).zip(values);
    all.map(point).collect::<Vec<_>>().join(" ")
}

fn first_x(count: usize) -> u32 {
    let count = u32::try_from(count).unwrap_or(WIDTH + 1);
    (WIDTH + 1).saturating_sub(count)
}

/// As many steps as there are rates between the looks that are kept.
const WIDTH: u32 = 119;
const HEIGHT: u32 = 28;
/// Room for the thickness of the line.
const MARGIN: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_is_at_the_right_edge_and_the_highest_on_top() {
        assert_eq!(points(&[0.0, 5.0, 10.0], 10.0), "117,27.0 118,14.0 119,1.0");
        let full = points(&[1.0; 120], 1.0);
        assert!(
            full.starts_with("0,1.0 ") && full.ends_with(" 119,1.0"),
            "{full}"
        );
    }

    #[test]
    fn where_nothing_happened_the_curve_is_flat() {
        for values in [&[][..], &[0.0; 30]] {
            let drawn = curve(values).into_string();
            assert!(drawn.contains("\"0,27 119,27\""), "{drawn}");
        }
    }
}
