//! What is printed, and what is written for machines.

use std::fmt::Write;

use crate::part::{First, Large, Latency, Line, Results, Streaming, Streams};
use crate::stats::Spread;

/// Every number, as JSON.
pub fn json(results: &Results) -> String {
    serde_json::to_string_pretty(results).unwrap_or_default()
}

/// The tables.
pub fn text(results: &Results) -> String {
    let mut text = format!(
        "\nMedians of {} interleaved rounds ({}), least to greatest in brackets. Everything shares {} processors.\n",
        results.rounds, results.depth, results.processors
    );
    throughput(&mut text, "closed loop", &results.throughput);
    throughput(&mut text, "questions", &results.questions);
    if let Some(streaming) = &results.streaming {
        of_streaming(&mut text, streaming);
    }
    latency(&mut text, &results.latency);
    rest(&mut text, results);
    text
}

fn throughput(text: &mut String, heading: &str, lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n{:<21} {:>5} | {:>8} {:>8} {:>8} | {:>9} {:>18} | {:>18} {:>20} | {:>13} {:>18}",
        heading,
        "conns",
        "direct/s",
        "floor/s",
        "gate/s",
        "of direct",
        "of floor",
        "p50 ms d/f/g",
        "p99 ms d/f/g",
        "CPU us f/g",
        "CPU ratio"
    );
    for line in lines {
        let three = |value: fn(&crate::part::Column) -> f64| {
            format!("{:.2}/{:.2}/{:.2}", value(&line.direct), value(&line.floor), value(&line.gateway))
        };
        let cpu = |column: &crate::part::Column| column.cpu_us.map_or(f64::NAN, |cpu| cpu.median);
        let _ = writeln!(
            text,
            "{:<21} {:>5} | {:>8.0} {:>8.0} {:>8.0} | {:>9} {:>18} | {:>18} {:>20} | {:>13} {:>18}",
            line.case,
            line.connections,
            line.direct.per_second.median,
            line.floor.per_second.median,
            line.gateway.per_second.median,
            percent(line.of_direct.median),
            format!(
                "{} [{}-{}]",
                percent(line.of_floor.median),
                percent(line.of_floor.least),
                percent(line.of_floor.greatest)
            ),
            three(|column| column.p50_ms.median),
            three(|column| column.p99_ms.median),
            format!("{:.1}/{:.1}", cpu(&line.floor), cpu(&line.gateway)),
            spread(line.cpu_ratio),
        );
    }
}

fn latency(text: &mut String, lines: &[Latency]) {
    for line in lines {
        let _ =
            writeln!(text, "\n{} at {} calls per second (open loop), milliseconds:", line.case, line.rate);
        let _ = writeln!(
            text,
            "  direct         p50 {}   p99 {}",
            spread(line.direct_p50_ms),
            spread(line.direct_p99_ms)
        );
        let _ = writeln!(
            text,
            "  floor adds     p50 {}   p99 {}",
            spread(line.floor_added_p50_ms),
            spread(line.floor_added_p99_ms)
        );
        let _ = writeln!(
            text,
            "  gateway adds   p50 {}   p99 {}",
            spread(line.gateway_added_p50_ms),
            spread(line.gateway_added_p99_ms)
        );
    }
}

fn rest(text: &mut String, results: &Results) {
    if let Some(sessions) = &results.sessions {
        let _ = writeln!(
            text,
            "\n{} legacy sessions: {:.0} bytes each when idle, {:.0} after one call.",
            sessions.sessions, sessions.idle_bytes, sessions.used_once_bytes
        );
    }
    if let Some(start) = &results.start {
        let _ = writeln!(
            text,
            "\nStart with {} cached targets, switched off ({} starts): ready after {} ms, whole list after {} ms.",
            start.targets,
            start.starts,
            spread(start.ready_ms),
            spread(start.listed_ms)
        );
    }
    for large in &results.large {
        let _ = writeln!(text, "\n{}", of_large(large));
    }
    for streams in &results.streams {
        let _ = writeln!(text, "\n{}", of_streams(streams));
    }
}

fn of_streaming(text: &mut String, streaming: &Streaming) {
    throughput(text, &format!("{} events a call", streaming.events), &streaming.lines);
    for line in &streaming.first {
        of_first(text, line);
    }
    for crowd in &streaming.crowd {
        let _ = writeln!(
            text,
            "\n{} streaming calls at a time ({}): {} of {} events arrived, {:.1} s, peak of {:.0} bytes per stream.",
            crowd.streams, crowd.era, crowd.events, crowd.events_sent, crowd.seconds, crowd.peak_bytes
        );
    }
}

fn of_first(text: &mut String, line: &First) {
    let _ = writeln!(
        text,
        "\n{}, first event at {} connections, milliseconds:\n  direct         p50 {}   p99 {}\n  floor adds     p50 {}   \
         p99 {}\n  gateway adds   p50 {}   p99 {}",
        line.case,
        line.connections,
        spread(line.direct_p50_ms),
        spread(line.direct_p99_ms),
        spread(line.floor_added_p50_ms),
        spread(line.floor_added_p99_ms),
        spread(line.gateway_added_p50_ms),
        spread(line.gateway_added_p99_ms)
    );
}

fn of_streams(streams: &Streams) -> String {
    format!(
        "{} of {} open streams ({}): {:.0} bytes each; all there after {} s; told of a change after {:.0} to {:.0} ms.",
        streams.opened,
        streams.wanted,
        streams.era,
        streams.bytes,
        streams.soak_seconds,
        streams.told_first_ms,
        streams.told_last_ms
    )
}

fn of_large(large: &Large) -> String {
    let peaks: Vec<_> = large.peak_mib.iter().map(|(count, mib)| format!("{count}: {mib:.0}")).collect();
    format!(
        "Results of {} MiB ({}): each further one in flight costs {:.1} MiB. Peaks in MiB: {}.",
        large.result_mib,
        large.form,
        large.further_mib,
        peaks.join(", ")
    )
}

fn percent(part: f64) -> String {
    format!("{:.0}%", part * 100.0)
}

fn spread(spread: Spread) -> String {
    format!("{:.2} [{:.2}-{:.2}]", spread.median, spread.least, spread.greatest)
}
