//! Figure 1 of the paper with this machine's numbers, as SVG.

use super::rastic::{RasticReport, Row};
use plotters::prelude::*;

/// Nothing can be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot draw: {0}")]
pub struct PlotError(String);

/// Width and height in pixels.
const SIZE: (u32, u32) = (760, 460);
const FONT: &str = "sans-serif";

/// What is drawn of a row.
type Value = fn(&Row) -> f64;

/// The three times of every row over the answer's length, both axes logarithmic.
pub fn plot(report: &RasticReport) -> Result<String, PlotError> {
    let mut svg = String::new();
    draw(report, &mut svg).map_err(PlotError)?;
    Ok(svg)
}

fn draw(report: &RasticReport, svg: &mut String) -> Result<(), String> {
    let lines: [(&str, RGBColor, Value); 3] = [
        ("generate", RGBColor(0xb3, 0x3a, 0x3a), |r| r.generate_ms),
        ("check all (full)", RGBColor(0x1f, 0x5f, 0xa8), |r| r.full_ms),
        ("check three (spot)", RGBColor(0x2e, 0x8b, 0x57), |r| r.spot_ms),
    ];
    let of_rows = |f: fn(f64, f64) -> f64, start, value: Value| report.rows.iter().map(value).fold(start, f);
    let longest = of_rows(f64::max, 0.0, |r| r.tokens as f64);
    let shortest = of_rows(f64::min, f64::INFINITY, |r| r.tokens as f64);
    let slowest = lines.iter().map(|l| of_rows(f64::max, 0.0, l.2)).fold(0.0, f64::max);
    let fastest = lines.iter().map(|l| of_rows(f64::min, f64::INFINITY, l.2)).fold(f64::INFINITY, f64::min);
    if report.rows.len() < 2 || !(fastest > 0.0 && slowest.is_finite() && shortest > 0.0) {
        return Err("at least two lengths of answers are needed".into());
    }
    // Whole powers of ten: each gets a number at the axis.
    let (low, high) = (10f64.powf(fastest.log10().floor()), 10f64.powf((slowest * 1.01).log10().ceil()));
    let text = |e: &dyn std::error::Error| e.to_string();
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|e| text(&e))?;
    let title = format!("Generating and checking an answer: {}, {} threads", report.engine, report.threads);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, (FONT, 17))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((shortest..longest).log_scale(), (low..high).log_scale())
        .map_err(|e| text(&e))?;
    let whole = |v: &f64| format!("{v:.0}");
    chart
        .configure_mesh()
        .x_desc("tokens in the answer")
        .y_desc("milliseconds")
        .x_label_formatter(&whole)
        .y_label_formatter(&whole)
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 14))
        .bold_line_style(BLACK.mix(0.15))
        .light_line_style(BLACK.mix(0.05))
        .draw()
        .map_err(|e| text(&e))?;
    for (name, colour, value) in lines {
        let points = report.rows.iter().map(|r| (r.tokens as f64, value(r)));
        let line = LineSeries::new(points, colour.stroke_width(2)).point_size(3);
        let sample = move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2));
        chart.draw_series(line).map_err(|e| text(&e))?.label(name).legend(sample);
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 14))
        .draw()
        .map_err(|e| text(&e))?;
    root.present().map_err(|e| text(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rows: Vec<Row>) -> RasticReport {
        RasticReport { model: "m".into(), engine: "cpu (portable)".into(), threads: 2, prompt: 32, rows }
    }

    #[test]
    fn every_line_is_drawn_and_named() {
        let row = |tokens| Row { tokens, generate_ms: tokens as f64 * 9.0, spot_ms: 20.0, full_ms: 30.0 };
        let svg = plot(&report([1, 10, 1000].map(row).into())).unwrap();
        for part in ["<svg", "generate", "(full)", "(spot)", "milliseconds", "tokens in the answer", "cpu (portable)"] {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches("<circle").count(), 9);
        assert!(plot(&report(vec![row(1)])).is_err());
        assert!(plot(&report(vec![])).is_err());
    }
}
