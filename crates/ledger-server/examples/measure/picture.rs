//! Latency and rate over time, as a drawing.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 80.0;
const TOP: f64 = 40.0;
const BUCKET: f64 = 0.1;
/// Dots beyond so many are thinned: the longest of their neighbours stays.
const DOTS_MAX: usize = 4_000;

/// Draws requests (when answered, how long they took), each of so many transactions.
pub fn draw(path: &Path, title: &str, requests: &[(Duration, Duration)], each: f64) -> Result<()> {
    let end = requests.last().map_or(1.0, |(at, _)| at.as_secs_f64()).max(BUCKET);
    let mut rates = vec![0.0; (end / BUCKET).ceil() as usize + 1];
    for (at, _) in requests {
        rates[(at.as_secs_f64() / BUCKET) as usize] += each / BUCKET;
    }
    let rate_points: Vec<(f64, f64)> = rates
        .iter()
        .take((end / BUCKET) as usize)
        .enumerate()
        .map(|(bucket, rate)| ((bucket as f64 + 0.5) * BUCKET, *rate))
        .collect();
    let chunk = requests.len().div_ceil(DOTS_MAX).max(1);
    let dots: Vec<(f64, f64)> = requests
        .chunks(chunk)
        .filter_map(|some| some.iter().max_by_key(|(_, took)| *took))
        .map(|(at, took)| (at.as_secs_f64(), took.as_secs_f64() * 1e3))
        .collect();
    let mut svg = String::new();
    let (width, height) = (LEFT + WIDTH + 20.0, 2.0 * (HEIGHT + TOP) + 50.0);
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{title}</text>"
    )?;
    panel(&mut svg, TOP, "transactions a second, by 100 ms", end, &rate_points, Style::Line)?;
    panel(&mut svg, 2.0 * TOP + HEIGHT, "latency of requests, ms", end, &dots, Style::Dots)?;
    svg.push_str("</svg>\n");
    std::fs::write(path, svg)?;
    Ok(())
}

#[derive(Clone, Copy)]
enum Style {
    Line,
    Dots,
}

fn panel(
    svg: &mut String,
    top: f64,
    name: &str,
    end: f64,
    points: &[(f64, f64)],
    style: Style,
) -> Result<()> {
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max).max(1e-9) * 1.05;
    let bottom = top + HEIGHT;
    writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" fill=\"#555\">{name}</text>", top - 5.0)?;
    for step in 0..=4 {
        let part = f64::from(step) / 4.0;
        let (y, value) = (bottom - part * HEIGHT, crate::rows::shown(part * most));
        let x = LEFT + part * WIDTH;
        writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}h{WIDTH}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.1} s</text>",
            LEFT - 6.0,
            y + 4.0,
            bottom + 15.0,
            part * end
        )?;
    }
    let place =
        |(at, value): &(f64, f64)| (LEFT + at / end * WIDTH, bottom - value / most * HEIGHT);
    match style {
        Style::Line => {
            let line: Vec<String> =
                points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let line = line.join(" ");
            writeln!(svg, "<polyline points=\"{line}\" fill=\"none\" stroke=\"#1565c0\"/>")?;
        }
        Style::Dots => {
            for (x, y) in points.iter().map(place) {
                writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.4\" fill=\"#c62828\"/>")?;
            }
        }
    }
    Ok(())
}
