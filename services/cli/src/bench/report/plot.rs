//! Draws a chart as SVG; colours come from the page's style.

use super::page::escape;
use super::scale::{Scale, label};
use crate::bench::chart::{Axis, Chart, Series};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
/// The frame's distance from the picture's left, right, top and bottom.
const LEFT: f64 = 54.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;
/// How many colours lines can have.
pub const COLOURS: usize = 8;
/// The highest value leaves this part of the frame free.
const HEADROOM: f64 = 1.04;

/// A chart's picture.
pub fn draw(chart: &Chart) -> String {
    let frame = Frame::around(chart);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escape(&chart.title)
    );
    svg.push_str(&frame.grid(chart));
    if let Some(band) = chart.band {
        svg.push_str(&frame.band(band));
    }
    for (index, series) in chart.series.iter().enumerate() {
        svg.push_str(&frame.series(series, index % COLOURS, chart.series.len() == 1));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where values are in the picture.
struct Frame {
    x: Scale,
    y: Scale,
}

impl Frame {
    fn around(chart: &Chart) -> Self {
        let points = || chart.series.iter().flat_map(|series| series.points.iter().copied());
        let xs = || points().map(|(x, _)| x);
        let (low, high) = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
        let top = points().map(|(_, y)| y).chain(chart.band.map(|(_, top)| top)).fold(0.0, f64::max);
        // A whole is a whole: percentages of what is done end at a hundred.
        let headroom = if chart.y.label.starts_with("percent are") { 1.0 } else { HEADROOM };
        let across = (LEFT, WIDTH - RIGHT);
        Self {
            x: match chart.x.logarithmic {
                true => Scale::logarithmic((low, high), across),
                false => Scale::linear((low.min(0.0), high), across),
            },
            y: Scale::linear((0.0, top * headroom), (HEIGHT - BOTTOM, TOP)).rounded_up(),
        }
    }

    fn grid(&self, chart: &Chart) -> String {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let mut svg = String::new();
        for tick in self.y.ticks() {
            let y = self.y.at(tick);
            let class = if tick == 0.0 { "axis" } else { "grid" };
            svg.push_str(&format!(
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            ));
            svg.push_str(&format!(
                "<text class=\"tick\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                LEFT - 8.0,
                y + 4.0,
                label(tick)
            ));
        }
        for tick in self.x.ticks() {
            let x = self.x.at(tick);
            svg.push_str(&format!(
                "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{:.1}\"/>",
                bottom + 4.0
            ));
            svg.push_str(&format!(
                "<text class=\"tick\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>\n",
                bottom + 17.0,
                label(tick)
            ));
        }
        svg.push_str(&axis_name(&chart.x, right, HEIGHT - 6.0));
        svg
    }

    /// A strip that values should stay in.
    fn band(&self, (low, high): (f64, f64)) -> String {
        let (top, bottom) = (self.y.at(high), self.y.at(low));
        format!(
            "<rect class=\"band\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\n",
            WIDTH - RIGHT - LEFT,
            (bottom - top).max(0.0)
        )
    }

    fn series(&self, series: &Series, colour: usize, filled: bool) -> String {
        let places: Vec<(f64, f64)> =
            series.points.iter().map(|(x, y)| (self.x.at(*x), self.y.at(*y))).collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let mut svg = String::new();
        if let (true, Some((first, _)), Some((last, _))) =
            (filled && !series.marked, places.first(), places.last())
        {
            let bottom = self.y.at(0.0);
            svg.push_str(&format!(
                "<polygon class=\"area c{colour}\" points=\"{first:.1},{bottom:.1} {} {last:.1},{bottom:.1}\"/>",
                line.join(" ")
            ));
        }
        svg.push_str(&format!("<polyline class=\"line c{colour}\" points=\"{}\"/>\n", line.join(" ")));
        if series.marked {
            for ((x, y), (value_x, value_y)) in places.iter().zip(&series.points) {
                svg.push_str(&format!(
                    "<circle class=\"dot c{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{}: {} at {}</title></circle>\n",
                    escape(&series.name),
                    label(*value_y),
                    label(*value_x)
                ));
            }
        }
        svg
    }
}

fn axis_name(axis: &Axis, x: f64, y: f64) -> String {
    format!(
        "<text class=\"name\" text-anchor=\"end\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n",
        escape(&axis.label)
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_line_is_drawn_in_its_frame() {
        let chart = Chart {
            title: "A < B".to_owned(),
            x: Axis::linear("seconds"),
            y: Axis::linear("pods"),
            series: vec![Series::line("Ready", vec![(0.0, 0.0), (2.0, 100.0)])],
            band: Some((25.0, 75.0)),
        };
        expect![[r#"
            <svg viewBox="0 0 640 300" role="img" aria-label="A &lt; B">
            <line class="axis" x1="54" x2="622" y1="256.0" y2="256.0"/><text class="tick" text-anchor="end" x="46.0" y="260.0">0</text>
            <line class="grid" x1="54" x2="622" y1="175.3" y2="175.3"/><text class="tick" text-anchor="end" x="46.0" y="179.3">50</text>
            <line class="grid" x1="54" x2="622" y1="94.7" y2="94.7"/><text class="tick" text-anchor="end" x="46.0" y="98.7">100</text>
            <line class="grid" x1="54" x2="622" y1="14.0" y2="14.0"/><text class="tick" text-anchor="end" x="46.0" y="18.0">150</text>
            <line class="axis" x1="54.0" x2="54.0" y1="256" y2="260.0"/><text class="tick" text-anchor="middle" x="54.0" y="273.0">0</text>
            <line class="axis" x1="196.0" x2="196.0" y1="256" y2="260.0"/><text class="tick" text-anchor="middle" x="196.0" y="273.0">0.5</text>
            <line class="axis" x1="338.0" x2="338.0" y1="256" y2="260.0"/><text class="tick" text-anchor="middle" x="338.0" y="273.0">1</text>
            <line class="axis" x1="480.0" x2="480.0" y1="256" y2="260.0"/><text class="tick" text-anchor="middle" x="480.0" y="273.0">1.5</text>
            <line class="axis" x1="622.0" x2="622.0" y1="256" y2="260.0"/><text class="tick" text-anchor="middle" x="622.0" y="273.0">2</text>
            <text class="name" text-anchor="end" x="622.0" y="294.0">seconds</text>
            <rect class="band" x="54" y="135.0" width="568.0" height="80.7"/>
            <polygon class="area c0" points="54.0,256.0 54.0,256.0 622.0,94.7 622.0,256.0"/><polyline class="line c0" points="54.0,256.0 622.0,94.7"/>
            </svg>
        "#]].assert_eq(&draw(&chart));
    }
}
