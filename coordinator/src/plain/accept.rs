//! Which of the two forms of metrics a request asks for (RFC 9110, section 12.5.1).

use hyper::header::{ACCEPT, HeaderMap};

/// The format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Prometheus' text format, which everybody reads: what is answered when nothing better is asked for.
    Text,
    OpenMetrics,
}

impl Form {
    /// The content type of what is no metrics.
    pub(super) const PLAIN: &str = "text/plain; charset=utf-8";

    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// OpenMetrics where it is named and nothing is preferred to it.
    pub(super) fn asked_for(headers: &HeaderMap) -> Self {
        let (mut open_metrics, mut text) = (0, 0);
        for value in headers.get_all(ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
                let quality = quality(parts);
                match kind.as_str() {
                    "application/openmetrics-text" => open_metrics = open_metrics.max(quality),
                    "text/plain" => text = text.max(quality),
                    _ => {}
                }
            }
        }
        if open_metrics > 0 && open_metrics >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// The quality of a media range, in thousandths; a malformed one counts as absent.
fn quality<'a>(parameters: impl Iterator<Item = &'a str>) -> u16 {
    let value = parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .and_then(|(_, value)| value.trim().parse::<f32>().ok())
        .filter(|value| (0.0..=1.0).contains(value));
    // In [0, 1000].
    (value.unwrap_or(1.0) * 1000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_one_is_taken_and_text_in_doubt() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            ("", Form::Text),
            ("*/*", Form::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Form::Text),
            ("text/plain", Form::Text),
            ("text/plain;version=0.0.4", Form::Text),
            ("application/json", Form::Text),
            ("\u{fffd}", Form::Text),
            ("application/openmetrics-text", Form::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0", Form::OpenMetrics),
            ("application/openmetrics-text;q=0", Form::Text),
            ("application/openmetrics-text;q=0.3,text/plain;q=0.9", Form::Text),
            (
                "application/openmetrics-text; Q=0.9 , text/plain; q=0.3",
                Form::OpenMetrics,
            ),
            ("application/openmetrics-text;q=x,text/plain;q=0.9", Form::OpenMetrics),
            (prometheus_3, Form::OpenMetrics),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(Form::asked_for(&headers), expected, "{accept}");
        }
        assert_eq!(Form::asked_for(&HeaderMap::new()), Form::Text);
        let mut twice = HeaderMap::new();
        for accept in ["text/plain;q=0.5", "application/openmetrics-text"] {
            twice.append(ACCEPT, accept.parse().unwrap());
        }
        assert_eq!(Form::asked_for(&twice), Form::OpenMetrics);
    }
}
