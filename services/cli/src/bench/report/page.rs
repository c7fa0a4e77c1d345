//! The report as one page: no scripts, nothing from elsewhere, readable in light and in dark.

use super::Machine;
use super::plot::{COLOURS, draw};
use crate::bench::chart::Chart;
use crate::bench::figures::{Figure, number};
use crate::bench::record::{Record, Spent};
use crate::bench::sampler::{Role, Used, sum};

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub fn page(records: &[Record], machine: &Machine) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Odeon bench</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Odeon bench</h1>\n<p class=\"sub\">{}</p>\n",
        escape(&machine.describe())
    );
    if records.len() > 1 {
        let link = |(index, record): (usize, &Record)| {
            format!("<a href=\"#s{index}\">{}</a>", escape(&record.title()))
        };
        html.push_str(&format!("<nav>{}</nav>\n", records.iter().enumerate().map(link).collect::<String>()));
    }
    html.push_str(&tiles(records));
    for (index, record) in records.iter().enumerate() {
        html.push_str(&section(index, record));
    }
    html.push_str("<footer>Measured through the public API. Writes were on disk before they were acknowledged, except where it says “relaxed sync”.</footer>\n");
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// What was aimed at, at a glance.
fn tiles(records: &[Record]) -> String {
    let aimed = records.iter().flat_map(|record| record.figures.iter().map(move |figure| (record, figure)));
    let tile = |(record, figure): (&Record, &Figure)| {
        let target = figure.target?;
        let (sign, bound) = target.sign_and_bound();
        Some(format!(
            "<div class=\"tile\"><div class=\"what\"><b>{}</b> {}</div><div class=\"value\">{} <small>{}</small></div>\
             <div class=\"target\"><span>{sign} {}</span>{}</div></div>\n",
            escape(&record.title()),
            escape(figure.what.trim_start_matches("… ")),
            number(figure.value),
            escape(figure.unit),
            number(bound),
            chip(figure)
        ))
    };
    let tiles: String = aimed.filter_map(tile).collect();
    if tiles.is_empty() { tiles } else { format!("<div class=\"tiles\">\n{tiles}</div>\n") }
}

fn section(index: usize, record: &Record) -> String {
    let mut html = format!(
        "<section id=\"s{index}\">\n<h2>{}</h2>\n<p class=\"sub\">{}</p>\n",
        escape(&record.title()),
        escape(&record.cluster)
    );
    if let Some(failure) = &record.failure {
        html.push_str(&format!("<p class=\"failure\">{}</p>\n", escape(failure)));
    }
    if !record.figures.is_empty() {
        html.push_str(&figures(&record.figures));
    }
    if !record.charts.is_empty() {
        html.push_str(&format!(
            "<div class=\"cards\">\n{}</div>\n",
            record.charts.iter().map(card).collect::<String>()
        ));
    }
    record
        .phases
        .iter()
        .filter(|phase| phase.knows_processes())
        .for_each(|phase| html.push_str(&processes(phase)));
    html.push_str("</section>\n");
    html
}

fn figures(figures: &[Figure]) -> String {
    let row = |figure: &Figure| {
        let with_unit = |value: f64| format!("{} {}", number(value), escape(figure.unit));
        let target = figure.target.map(|target| {
            let (sign, bound) = target.sign_and_bound();
            format!("{sign} {}", with_unit(bound))
        });
        format!(
            "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>\n",
            escape(&figure.what),
            with_unit(figure.value),
            figure.p99.map(with_unit).unwrap_or_default(),
            target.unwrap_or_default(),
            chip(figure)
        )
    };
    format!(
        "<div class=\"card table\"><table>\n<tr><th>figure</th><th class=\"number\">value</th><th class=\"number\">p99</th>\
         <th class=\"number\">target</th><th></th></tr>\n{}</table></div>\n",
        figures.iter().map(row).collect::<String>()
    )
}

fn chip(figure: &Figure) -> String {
    match figure.is_met() {
        None => String::new(),
        Some(true) => "<span class=\"chip good\">reached</span>".to_owned(),
        Some(false) => {
            format!("<span class=\"chip bad\">{}</span>", escape(&figure.verdict().to_lowercase()))
        }
    }
}

fn card(chart: &Chart) -> String {
    let entry = |(index, name): (usize, &str)| {
        format!("<span class=\"c{}\">{}</span>", index % COLOURS, escape(name))
    };
    let names = chart.series.iter().map(|series| series.name.as_str());
    format!(
        "<figure class=\"card\"><h3>{} <span class=\"unit\">{}</span></h3><div class=\"legend\">{}</div>{}</figure>\n",
        escape(&chart.title),
        escape(&chart.y.label),
        names.enumerate().map(entry).collect::<String>(),
        draw(chart)
    )
}

fn processes(phase: &Spent) -> String {
    let row = |class: &str, name: &str, used: &Used| {
        let reading = used.reading;
        let cells = [
            format!("{:.2}", reading.cpu_seconds),
            format!("{:.2}", reading.cpu_seconds / phase.seconds.max(0.001)),
            number(reading.resident_mib),
            number(reading.pss_mib),
            number(reading.peak_mib),
            number(reading.written_mib),
        ];
        let cells: String = cells.iter().map(|cell| format!("<td class=\"number\">{cell}</td>")).collect();
        format!("<tr class=\"{class}\"><td>{}</td>{cells}</tr>\n", escape(name))
    };
    let rows: String = phase.processes.iter().map(|used| row("", &used.name, used)).collect();
    let reading = sum(&phase.processes, Role::Control);
    let all = Used { name: String::new(), role: Role::Control, reading };
    let heads: String = ["CPU seconds", "cores", "memory, MiB", "PSS, MiB", "peak, MiB", "written, MiB"]
        .iter()
        .map(|head| format!("<th class=\"number\">{head}</th>"))
        .collect();
    let nats = phase.nats.map(|nats| {
        let [received, sent, stored, mib] =
            [nats.received, nats.sent, nats.stored, nats.stored_mib].map(number);
        format!("<p class=\"unit\">NATS: {received} messages in, {sent} out; {stored} stored, {mib} MiB</p>")
    });
    format!(
        "<div class=\"card table\"><table>\n<tr><th>{}, {} s</th>{heads}</tr>\n{rows}{}</table>{}</div>\n",
        escape(&phase.what),
        number(phase.seconds),
        row("sum", "control plane", &all),
        nats.unwrap_or_default()
    )
}

/// Text that HTML shows as it is.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_from_elsewhere_and_nothing_runs() {
        let record = Record {
            scenario: "a <b>".to_owned(),
            failure: Some("\"x\" & y".to_owned()),
            ..Record::default()
        };
        let html = page(&[record], &Machine::default());
        assert!(!html.contains("http") && !html.contains("<script"));
        assert!(html.contains("a &lt;b&gt;") && html.contains("&quot;x&quot; &amp; y"));
    }
}
