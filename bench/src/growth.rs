//! The growth of each row's costs with the number of threads, drawn from the tables of
//! `docs/cores.md`.

use std::{error::Error, fmt::Write as _};

use plotters::{coord::Shift, prelude::*};

use crate::plot::styles;

/// Of two measures, as "0.57 (22)": transfers and nanoseconds.
type Point = (f64, [f64; 2]);

/// What a kind of thread does in a row.
struct Table {
    what: String,
    lines: Vec<(String, Vec<Point>)>,
}

/// A row of the page, and where its picture is.
pub struct Row {
    pub file: String,
    tables: Vec<Table>,
}

/// The rows of the page that have tables.
pub fn rows(page: &str) -> Vec<Row> {
    let sections = page.split("\n## ").skip(1);
    sections.filter_map(row).collect()
}

fn row(section: &str) -> Option<Row> {
    let file = section.lines().find_map(|line| {
        let (_, link) = line.split_once("](cores-")?;
        Some(format!("cores-{}", link.strip_suffix(')')?))
    })?;
    let tables = section.split("| transfers (ns) per ").skip(1);
    let tables = tables.filter_map(table).collect();
    Some(Row { file, tables })
}

fn table(text: &str) -> Option<Table> {
    let mut lines = text.lines();
    let (what, threads) = lines.next()?.split_once(" |")?;
    let threads: Vec<f64> = cells(threads)
        .map(|cell| cell.parse().ok())
        .collect::<Option<_>>()?;
    let lines = lines.skip(1).take_while(|line| line.starts_with('|'));
    let lines = lines.filter_map(|line| {
        let mut cells = cells(line.strip_prefix('|')?);
        let name = cells.next()?.to_owned();
        let points = threads.iter().zip(cells);
        let points = points.filter_map(|(&threads, cell)| Some((threads, point(cell)?)));
        Some((name, points.collect()))
    });
    Some(Table {
        what: what.to_owned(),
        lines: lines.collect(),
    })
}

/// Of a line of a table, without the first bar.
pub fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.trim_end_matches('|').split('|').map(str::trim)
}

/// None where there is no run, or no result.
pub fn point(cell: &str) -> Option<[f64; 2]> {
    let (transfers, nanoseconds) = cell.strip_suffix(')')?.split_once(" (")?;
    Some([transfers.parse().ok()?, nanoseconds.parse().ok()?])
}

const WIDTH: u32 = 1000;
const HEIGHT: u32 = 330;
/// Room for the names at the right.
const NAMES: u32 = 170;
/// The distance from one name to the next.
const LINE: i32 = 18;
/// Fewer transfers are drawn as these: the scale is logarithmic.
const LEAST: f64 = 0.01;

/// A picture of a row, as SVG: transfers on the left, nanoseconds on the right.
pub fn picture(row: &Row) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    let height = HEIGHT * row.tables.len() as u32;
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        let bands = area.split_evenly((row.tables.len(), 1));
        for (table, band) in row.tables.iter().zip(bands) {
            draw(table, &band).map_err(|error| format!("{}: {error}", row.file))?;
        }
        area.present()?;
    }
    svg.push('\n');
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(table: &Table, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
    let (charts, names) = area.split_horizontally(WIDTH - NAMES);
    let styles = styles(table.lines.iter().map(|line| line.0.as_str()));
    let halves = charts.split_evenly((1, 2));
    for (measure, (unit, half)) in ["transfers", "ns"].iter().zip(halves).enumerate() {
        chart(table, &styles, measure, unit, &half)?;
    }
    for (at, ((name, _), style)) in table.lines.iter().zip(styles).enumerate() {
        let y = 40 + LINE * at as i32;
        names.draw(&PathElement::new([(4, y), (24, y)], style))?;
        let font = ("sans-serif", 12).into_font();
        names.draw(&Text::new(name.clone(), (30, y - 6), font))?;
    }
    Ok(())
}

fn chart(
    table: &Table,
    styles: &[ShapeStyle],
    measure: usize,
    unit: &str,
    area: &Area<'_>,
) -> Result<(), Box<dyn Error>> {
    let each = |line: &[Point]| -> Vec<(f64, f64)> {
        let points = line.iter();
        let point = |&(threads, values): &Point| (threads, f64::max(values[measure], LEAST));
        points.map(point).collect()
    };
    let all = || table.lines.iter().flat_map(|(_, line)| each(line));
    let of = |point: (f64, f64)| point.1;
    let least = all().map(of).fold(f64::MAX, f64::min);
    let most = all().map(of).fold(LEAST, f64::max);
    let threads = all().map(|point| point.0);
    let first = threads.clone().fold(f64::MAX, f64::min);
    let last = threads.fold(first, f64::max);
    let mut title = String::new();
    write!(title, "{unit} per {}", table.what)?;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(35)
        .y_label_area_size(50)
        .build_cartesian_2d(
            (first..last).log_scale().base(2.0),
            (least.min(most / 2.0)..most * 1.2).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .y_labels(6)
        .x_label_formatter(&f64::to_string)
        .y_label_formatter(&f64::to_string)
        .x_desc("threads")
        .draw()?;
    for ((_, line), style) in table.lines.iter().zip(styles) {
        chart.draw_series(LineSeries::new(each(line), *style))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Title\n\n## Row\n\n![a](cores-row.svg)\n\n\
        | transfers (ns) per read | 2 | 4 | 8 |\n|---|--:|--:|--:|\n\
        | hyaline |  | 0.84 (29) | 0.57 (22) |\n| peer | 1.31 (35) | stuck | 0.95 (32) |\n\n\
        | read, 2 threads | ns |\n|---|--:|\n| hyaline | 1 |\n";

    #[test]
    fn tables_are_read() {
        let rows = rows(PAGE);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].file, "cores-row.svg");
        let table = &rows[0].tables[0];
        assert_eq!(table.what, "read");
        let expected = [
            (
                "hyaline".into(),
                vec![(4.0, [0.84, 29.0]), (8.0, [0.57, 22.0])],
            ),
            (
                "peer".into(),
                vec![(2.0, [1.31, 35.0]), (8.0, [0.95, 32.0])],
            ),
        ];
        assert_eq!(table.lines, expected);
    }

    /// What is committed is what the page says.
    #[test]
    fn pictures_are_of_the_page() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let page = std::fs::read_to_string(docs.join("cores.md")).expect("the page");
        let rows = rows(&page);
        assert_eq!(rows.len(), page.matches("](cores-").count());
        assert!(!rows.is_empty());
        for row in rows {
            let there = std::fs::read_to_string(docs.join(&row.file)).unwrap_or_default();
            let made = picture(&row).expect("a picture");
            assert!(
                there == made,
                "{}: `cargo xtask cores --pictures` draws it",
                row.file
            );
        }
    }
}
