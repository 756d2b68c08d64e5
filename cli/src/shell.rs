//! Commands that users are told to type.

use std::path::Path;

pub(crate) use fltorrent_report::units::quoted;

/// A path as a shell takes it, and a command that takes a `-` at its beginning for an option.
pub(crate) fn path(path: &Path) -> String {
    let shown = path.display();
    if path.as_os_str().as_encoded_bytes().starts_with(b"-") {
        return quoted(&format!("./{shown}"));
    }
    quoted(&shown.to_string())
}

/// A path that means the same in every working folder.
pub(crate) fn anchored(here: &Path) -> String {
    match std::path::absolute(here) {
        Ok(absolute) => path(&absolute),
        Err(_) => path(here),
    }
}

/// This program as its user called it, which may be one of their own, for every working folder.
pub(crate) fn program() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program);
    match program.components().count() {
        0 => "fltorrent".to_owned(),
        // Found by PATH, not from here.
        1 => path(program),
        _ => anchored(program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("runs/digits-1"), "runs/digits-1");
        assert_eq!(quoted("my runs"), "'my runs'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("~"), "'~'");
        assert_eq!(quoted(""), "''");
        assert_eq!(path(Path::new("-x.yaml")), "./-x.yaml");
        assert_eq!(path(Path::new("x-y.yaml")), "x-y.yaml");
    }

    #[test]
    fn a_path_from_here_is_a_path_from_everywhere() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            anchored(Path::new("my runs")),
            quoted(&here.join("my runs").display().to_string())
        );
    }
}
