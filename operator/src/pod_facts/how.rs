//! How a container's process ended, in words.

use k8s_openapi::api::core::v1::ContainerStateTerminated;

use crate::events::tail;

/// The most bytes of a log that a kubelet takes for a termination message, from the log's end.
const KUBELET_TAIL: usize = 2048;
/// The most bytes of it that are shown.
const SHOWN: usize = 512;
/// Offset of exit codes of processes that a signal ended.
const BY_SIGNAL: i32 = 128;

/// Signals that end a process.
const SIGNALS: [(i32, &str); 13] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (15, "SIGTERM"),
    (31, "SIGSYS"),
];

/// `exit code 2`, or `killed (SIGKILL)`. A process that has left its own ending was not killed, whatever its code.
pub(super) fn how(ended: &ContainerStateTerminated, has_ending: bool) -> String {
    match signal(ended).filter(|_| !has_ending) {
        Some(name) => format!("killed ({name})"),
        None => format!("exit code {}", ended.exit_code),
    }
}

/// The last whole lines of what the kubelet took from the log. None of a process that was killed: it did not know, and its last lines are
/// about something else.
pub(super) fn last_words(ended: &ContainerStateTerminated) -> Option<String> {
    let text = ended.message.as_deref()?;
    if signal(ended).is_some() {
        return None;
    }
    // Bytes that are half a character at the cut may have become a longer mark.
    let is_cut = text.len() + 4 > KUBELET_TAIL;
    let whole = text.split_once('\n').filter(|_| is_cut);
    let text = whole.map_or(text, |(_, rest)| rest);
    Some(tail(text, SHOWN))
}

fn signal(ended: &ContainerStateTerminated) -> Option<&'static str> {
    let number = ended
        .signal
        .filter(|&signal| signal > 0)
        .unwrap_or_else(|| ended.exit_code.saturating_sub(BY_SIGNAL));
    let known = SIGNALS.iter().find(|(signal, _)| *signal == number);
    known.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit_code: i32, message: &str) -> ContainerStateTerminated {
        ContainerStateTerminated {
            exit_code,
            message: Some(message.to_owned()),
            ..ContainerStateTerminated::default()
        }
    }

    #[test]
    fn a_signal_is_named() {
        for (code, has_ending, said) in [
            (137, false, "killed (SIGKILL)"),
            (139, false, "killed (SIGSEGV)"),
            (130, true, "exit code 130"),
            (1, false, "exit code 1"),
            (128, false, "exit code 128"),
            (255, false, "exit code 255"),
        ] {
            assert_eq!(how(&ended(code, ""), has_ending), said);
        }
    }

    #[test]
    fn only_whole_lines_of_a_log_are_last_words() {
        let said = |code, text: &str| last_words(&ended(code, text));
        assert_eq!(said(2, "error: no data\n").unwrap(), "error: no data");
        assert_eq!(said(137, "2026-11-22T08:30:12Z  INFO finished a round\n"), None);
        let line = "2026-11-22T08:30:12Z  INFO finished a round round=1/10\n";
        let log = line.repeat(100);
        let cut = log.get(log.len() - KUBELET_TAIL..).unwrap();
        assert!(!cut.starts_with("2026"));
        let said = said(2, cut).unwrap();
        assert!(said.len() <= SHOWN && said.lines().count() > 1);
        assert!(said.lines().all(|found| found == line.trim_end()), "{said}");
    }
}
