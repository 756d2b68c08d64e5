//! OpenMetrics text as Prometheus' text format, version 0.0.4.
//!
//! The two differ in what stands around the samples: a family is named as its samples are (counters with `_total`, infos with `_info`,
//! which are gauges here), and there are no units and no end.

/// OpenMetrics text converted into Prometheus' text format. Lines that are neither are kept.
pub(super) fn text(open_metrics: &str) -> String {
    // A family's help stands before its type, which its name depends on.
    let mut help = None;
    let mut text = String::with_capacity(open_metrics.len());
    let mut line = |parts: &[&str]| {
        text.extend(parts.iter().copied());
        text.push('\n');
    };
    for found in open_metrics.lines() {
        let mut words = found.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(_), said) => help = Some(said.unwrap_or_default()),
            (Some("#"), Some("TYPE"), Some(family), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                if let Some(said) = help.take() {
                    line(&["# HELP ", family, suffix, " ", said]);
                }
                line(&["# TYPE ", family, suffix, " ", kind]);
            }
            (Some("#"), Some("UNIT"), ..) | (Some("#"), Some("EOF"), None, None) => {}
            _ => line(&[found]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_as_their_samples() {
        let open_metrics = "\
# HELP f_sent_bytes Chunk bytes sent.
# TYPE f_sent_bytes counter
# UNIT f_sent_bytes bytes
f_sent_bytes_total{experiment=\"# TYPE x counter\"} 7
# HELP f_round Round that the peer is in, from 0.
# TYPE f_round gauge
f_round 3
# HELP f_build What runs.
# TYPE f_build info
f_build_info{version=\"0.1.0\"} 1
# TYPE f_odd unknown
f_odd 1
# HELP f_took_seconds How long.
# TYPE f_took_seconds histogram
# UNIT f_took_seconds seconds
f_took_seconds_sum 0.5
f_took_seconds_count 1
f_took_seconds_bucket{le=\"+Inf\"} 1
# EOF
";
        let expected = "\
# HELP f_sent_bytes_total Chunk bytes sent.
# TYPE f_sent_bytes_total counter
f_sent_bytes_total{experiment=\"# TYPE x counter\"} 7
# HELP f_round Round that the peer is in, from 0.
# TYPE f_round gauge
f_round 3
# HELP f_build_info What runs.
# TYPE f_build_info gauge
f_build_info{version=\"0.1.0\"} 1
# TYPE f_odd untyped
f_odd 1
# HELP f_took_seconds How long.
# TYPE f_took_seconds histogram
f_took_seconds_sum 0.5
f_took_seconds_count 1
f_took_seconds_bucket{le=\"+Inf\"} 1
";
        assert_eq!(text(open_metrics), expected);
    }
}
