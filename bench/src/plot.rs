//! Plots, as SVG.

use std::{error::Error, path::Path};

use plotters::{coord::Shift, prelude::*};

/// A chart of bars.
pub struct Bars {
    pub title: String,
    /// Name, nanoseconds; the fastest first.
    pub bars: Vec<(String, f64)>,
}

const HYALINE: RGBColor = RGBColor(30, 110, 190);
const PEER: RGBColor = RGBColor(170, 170, 170);
const FLOOR: RGBColor = RGBColor(210, 190, 120);

/// Draws charts of bars in two columns.
pub fn bars(path: &Path, charts: &[Bars]) -> Result<(), Box<dyn Error>> {
    let rows = charts.len().div_ceil(2);
    let area = SVGBackend::new(path, (1000, 375 * rows as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    for (chart, area) in charts.iter().zip(area.split_evenly((rows, 2))) {
        chart_of(chart, &area)?;
    }
    area.present()?;
    Ok(())
}

/// Each bar has its name in front and its length behind.
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
    let longest = chart.bars.iter().map(|bar| bar.1).fold(0.0, f64::max);
    // One that is far behind would leave nothing to see of the others.
    let mut sorted: Vec<f64> = chart.bars.iter().map(|bar| bar.1).collect();
    sorted.sort_by(f64::total_cmp);
    let end = longest.min(sorted.get(sorted.len() / 2).copied().unwrap_or(1.0) * 2.5);
    for (index, (name, value)) in chart.bars.iter().enumerate() {
        let top = 32 + 19 * index as i32;
        let length = (value / end).min(1.0) * 260.0;
        let color = match name.as_str() {
            "floor" => FLOOR,
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
            format!("{value:.1}{more}"),
            (176 + length as i32, top),
            small.clone(),
        ))?;
    }
    Ok(())
}

/// A line: its name and its points.
pub type Line<'a> = (&'a str, &'a [(u64, i64)]);

/// Draws unreclaimed objects over replacements, on a logarithmic scale.
pub fn lines(path: &Path, title: &str, lines: &[Line<'_>]) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, (1000, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let all = || lines.iter().flat_map(|line| line.1);
    let right = all().map(|point| point.0).max().unwrap_or(1);
    let top = all().map(|point| point.1).max().unwrap_or(1).max(1);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .margin_right(40)
        .x_label_area_size(45)
        .y_label_area_size(75)
        .build_cartesian_2d(0..right, (1..top * 2).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("objects replaced")
        .y_desc("retired and not reclaimed")
        .draw()?;
    for (index, (name, points)) in lines.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        let width = if name.starts_with("hyaline") { 3 } else { 1 };
        let style = color.stroke_width(width);
        chart
            .draw_series(LineSeries::new(
                points.iter().map(|&(x, y)| (x, y.max(1))),
                style,
            ))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}
