//! Plots, as SVG.

use std::{error::Error, path::Path};

use plotters::{coord::Shift, prelude::*};

/// A chart of bars.
pub struct Bars {
    pub title: String,
    /// Below the title, or empty.
    pub below: String,
    /// Name, nanoseconds; the fastest first.
    pub bars: Vec<(String, f64)>,
}

const HYALINE: RGBColor = RGBColor(30, 110, 190);
const PEER: RGBColor = RGBColor(170, 170, 170);
const FLOOR: RGBColor = RGBColor(210, 190, 120);

/// The height of a bar, with the space to the next one.
const BAR: i32 = 19;
/// The title above the bars, and what is below it.
const TITLE: i32 = 48;

/// Draws charts of bars in two columns.
pub fn bars(path: &Path, charts: &[Bars]) -> Result<(), Box<dyn Error>> {
    // Two charts side by side are as high as the larger one.
    let height = |pair: &[Bars]| {
        let most = pair.iter().map(|chart| chart.bars.len()).max();
        TITLE + BAR * most.unwrap_or(0) as i32 + 24
    };
    let heights: Vec<i32> = charts.chunks(2).map(height).collect();
    let size = (1000, heights.iter().sum::<i32>().max(1) as u32);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    let mut rest = area.clone();
    for (pair, height) in charts.chunks(2).zip(heights) {
        let (row, below) = rest.split_vertically(height);
        for (chart, half) in pair.iter().zip(row.split_evenly((1, 2))) {
            chart_of(chart, &half)?;
        }
        rest = below;
    }
    area.present()?;
    Ok(())
}

/// Each bar has its name in front and its length behind it.
fn chart_of<B: DrawingBackend>(
    chart: &Bars,
    area: &DrawingArea<B, Shift>,
) -> Result<(), Box<dyn Error>>
where
    B::ErrorType: 'static,
{
    let small = ("sans-serif", 12).into_font();
    area.draw(&Text::new(
        format!("{} (ns)", chart.title),
        (10, 8),
        ("sans-serif", 14).into_font(),
    ))?;
    area.draw(&Text::new(chart.below.clone(), (10, 27), small.clone()))?;
    let longest = chart.bars.iter().map(|bar| bar.1).fold(0.0, f64::max);
    // One that is far behind would leave no room for the others.
    let mut sorted: Vec<f64> = chart.bars.iter().map(|bar| bar.1).collect();
    sorted.sort_by(f64::total_cmp);
    let end = longest.min(sorted.get(sorted.len() / 2).copied().unwrap_or(1.0) * 2.5);
    for (index, (name, value)) in chart.bars.iter().enumerate() {
        let top = TITLE + BAR * index as i32;
        let length = (value / end).min(1.0) * 260.0;
        let color = match name.as_str() {
            name if name.starts_with("floor") => FLOOR,
            name if name.starts_with("hyaline") => HYALINE,
            _ => PEER,
        };
        area.draw(&Text::new(name.clone(), (10, top), small.clone()))?;
        area.draw(&Rectangle::new(
            [(170, top), (170 + length as i32, top + 13)],
            color.filled(),
        ))?;
        let more = if *value > end { " …" } else { "" };
        area.draw(&Text::new(
            format!("{}{more}", short(*value)),
            (176 + length as i32, top),
            small.clone(),
        ))?;
    }
    Ok(())
}

/// Nanoseconds, in a larger unit where the number would be long.
fn short(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e4 => format!("{ns:.1}"),
        ns if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        ns => format!("{:.0} ms", ns / 1e6),
    }
}

/// A line: its name and its points.
pub type Line<'a> = (&'a str, &'a [(u64, i64)]);

/// Colours that can be told from each other and from the background: of the crate's
/// contestants, and of the peers.
const OURS: [RGBColor; 5] = [
    HYALINE,
    RGBColor(10, 60, 120),
    RGBColor(80, 170, 230),
    RGBColor(0, 140, 150),
    RGBColor(90, 90, 210),
];
const PEERS: [RGBColor; 8] = [
    RGBColor(200, 60, 40),
    RGBColor(230, 140, 20),
    RGBColor(150, 95, 30),
    RGBColor(120, 60, 160),
    RGBColor(190, 110, 210),
    RGBColor(40, 140, 70),
    RGBColor(110, 110, 110),
    RGBColor(160, 160, 40),
];

/// A line for each contestant: the crate's are wider.
pub fn styles<'a>(names: impl Iterator<Item = &'a str>) -> Vec<ShapeStyle> {
    let (mut ours, mut peers) = (OURS.iter().cycle(), PEERS.iter().cycle());
    names
        .filter_map(|name| match name.starts_with("hyaline") {
            true => ours.next().map(|color| color.stroke_width(3)),
            false => peers.next().map(|color| color.stroke_width(1)),
        })
        .collect()
}

/// Room for the names at the right.
const NAMES: i32 = 210;
/// The distance from one name to the next.
const LINE: i32 = 17;

/// Draws unreclaimed objects over replacements, on a logarithmic scale. Each
/// line has its name at its end.
pub fn lines(path: &Path, title: &str, lines: &[Line<'_>]) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, (1000, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let all = || lines.iter().flat_map(|line| line.1);
    let right = all().map(|point| point.0).max().unwrap_or(1);
    let top = all().map(|point| point.1).max().unwrap_or(1).max(1);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .margin_right(NAMES as u32)
        .x_label_area_size(45)
        .y_label_area_size(75)
        .build_cartesian_2d(0..right, (1..top * 2).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_labels(6)
        .x_desc("objects replaced")
        .y_desc("retired and not reclaimed")
        .draw()?;
    let mut ends = Vec::new();
    let styles = styles(lines.iter().map(|line| line.0));
    for ((name, points), style) in lines.iter().zip(styles) {
        let points = || points.iter().map(|&(x, y)| (x, y.max(1)));
        chart.draw_series(LineSeries::new(points(), style))?;
        if let Some(last) = points().next_back() {
            ends.push((chart.backend_coord(&last), *name, style));
        }
    }
    // The names of lines that end close to each other are moved apart, down.
    ends.sort_by_key(|end| end.0.1);
    let mut free = 0;
    for ((x, y), name, style) in ends {
        let at = y.max(free);
        free = at + LINE;
        area.draw(&PathElement::new(
            [(x + 2, y), (x + 14, at), (x + 30, at)],
            style,
        ))?;
        let font = ("sans-serif", 12).into_font();
        area.draw(&Text::new(name, (x + 35, at - 6), font))?;
    }
    area.present()?;
    Ok(())
}
