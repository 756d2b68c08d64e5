//! One file asked of a server, again when the server is busy.

use std::{
    io::{self, Write},
    thread,
    time::{Duration, SystemTime},
};

use fltorrent_crds::visible_line;
use ureq::{
    Agent, Body,
    http::{HeaderMap, Response, StatusCode, header::RETRY_AFTER},
    tls::TlsConfig,
};

use super::{
    FetchError,
    trust::{Trust, is_untrusted},
};

const REDIRECTS: u32 = 10;
const CONNECT: Duration = Duration::from_secs(30);
const RESPONSE: Duration = Duration::from_secs(60);
/// Times that a busy server is asked.
const TRIES: u32 = 6;
/// Pause before the second time, where the server names none; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A server that wants a longer one is left to the user.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// The server's answer with the file. Within it nothing may stay away for longer than `patience`.
pub(super) fn get(url: &str, patience: Duration) -> Result<Response<Body>, FetchError> {
    let trust = Trust::of_machine()?;
    let agent = agent(&trust, patience);
    let mut tried = 0;
    loop {
        tried += 1;
        let response = agent.get(url).call().map_err(|source| failed(url, &trust, source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if !is_busy(status) {
            return Err(FetchError::Status {
                url: url.to_owned(),
                status,
            });
        }
        let named = retry_after(response.headers(), SystemTime::now());
        let pause = named.unwrap_or_else(|| FIRST_PAUSE * 2_u32.saturating_pow(tried - 1));
        if tried == TRIES || pause > LONGEST_PAUSE {
            return Err(FetchError::Busy {
                url: url.to_owned(),
                status,
                when: match named {
                    Some(pause) => format!("in {} s, as it says", pause.as_secs()),
                    None => "later".to_owned(),
                },
            });
        }
        // Who does not read it does not need it.
        writeln!(
            io::stderr(),
            "now: {}: the server is busy ({status}); retrying in {} s",
            visible_line(url),
            pause.as_secs()
        )
        .ok();
        thread::sleep(pause);
    }
}

/// Proxies are those of the environment.
fn agent(trust: &Trust, patience: Duration) -> Agent {
    let tls = TlsConfig::builder().root_certs(trust.roots.clone()).build();
    Agent::config_builder()
        .max_redirects(REDIRECTS)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(RESPONSE))
        .timeout_per_read(Some(patience))
        .http_status_as_error(false)
        .tls_config(tls)
        .user_agent(concat!("fltorrent/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

fn failed(url: &str, trust: &Trust, source: ureq::Error) -> FetchError {
    let (url, is_untrusted) = (url.to_owned(), is_untrusted(&source));
    let source = Box::new(source);
    match is_untrusted {
        true => FetchError::Untrusted {
            url,
            trusted: trust.from.clone(),
            source,
        },
        false => FetchError::Request { url, source },
    }
}

fn is_busy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// How long the server wants to be left alone (RFC 9110, 10.2.3): seconds or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_named_in_seconds_or_by_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now).map(|pause| pause.as_secs())
        };
        assert_eq!(of("120"), Some(120));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(of("Tue, 06 Nov 1990 08:49:37 GMT"), Some(0));
        assert_eq!(of("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
