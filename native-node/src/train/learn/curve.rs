//! The loss curve as SVG.

use super::TrainError;
use super::run::Point;
use plotters::prelude::*;
use std::path::Path;

/// Width and height in pixels.
const SIZE: (u32, u32) = (760, 460);
const FONT: &str = "sans-serif";

/// What is drawn of a measurement.
type Value = fn(&Point) -> f64;

/// Loss over tokens, of training and of held-out texts; both axes logarithmic. `file` is where it will be.
pub fn curve(points: &[Point], tokens_a_step: f64, file: &Path) -> Result<String, TrainError> {
    let mut svg = String::new();
    draw(points, tokens_a_step, &mut svg).map_err(|reason| TrainError::Plot { file: file.into(), reason })?;
    Ok(svg)
}

fn draw(points: &[Point], tokens_a_step: f64, svg: &mut String) -> Result<(), String> {
    let losses = || points.iter().flat_map(|p| [p.loss, p.held_out]);
    let (low, high) = (losses().fold(f64::INFINITY, f64::min) * 0.97, losses().fold(0.0, f64::max) * 1.03);
    let tokens = |p: &Point| p.step as f64 * tokens_a_step / 1e6;
    let (first, last) = match points {
        [first, .., last] if losses().all(|loss| loss.is_finite() && loss > 0.0) => (tokens(first), tokens(last)),
        _ => return Err("at least two measurements are needed".into()),
    };
    let text = |e: &dyn std::error::Error| e.to_string();
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|e| text(&e))?;
    let mut chart = ChartBuilder::on(&root)
        .caption(format!("Training: {} steps", points.last().map_or(0, |p| p.step)), (FONT, 17))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((first..last).log_scale(), (low..high).log_scale())
        .map_err(|e| text(&e))?;
    chart
        .configure_mesh()
        .x_desc("millions of tokens")
        .y_desc("nats a token")
        .x_label_formatter(&|v| format!("{v:.1}"))
        .y_label_formatter(&|v| format!("{v:.2}"))
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 14))
        .bold_line_style(BLACK.mix(0.15))
        .light_line_style(BLACK.mix(0.05))
        .draw()
        .map_err(|e| text(&e))?;
    let lines: [(&str, RGBColor, Value); 2] = [
        ("training", RGBColor(0x1f, 0x5f, 0xa8), |p| p.loss),
        ("held-out texts", RGBColor(0xb3, 0x3a, 0x3a), |p| p.held_out),
    ];
    for (name, colour, value) in lines {
        let line = LineSeries::new(points.iter().map(|p| (tokens(p), value(p))), colour.stroke_width(2));
        let sample = move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2));
        chart.draw_series(line).map_err(|e| text(&e))?.label(name).legend(sample);
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
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

    #[test]
    fn both_lines_are_drawn_and_named() {
        let point = |step, loss| Point { step, loss, held_out: loss * 1.1 };
        let file = Path::new("loss.svg");
        let svg = curve(&[point(10, 6.0), point(20, 4.0), point(30, 3.0)], 4096.0, file).unwrap();
        for part in ["<svg", "training", "held-out texts", "nats a token", "30 steps"] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(curve(&[point(10, 6.0)], 1.0, file).is_err());
        assert!(curve(&[point(10, f64::NAN), point(20, 1.0)], 1.0, file).is_err());
    }
}
