//! The examples of `docs/pods.md`.
#![allow(unreachable_pub, reason = "tests of two crates take it")]

const PAGE: &str = include_str!("../../../docs/pods.md");

/// Each example as settings: a field of `spec` and its value as YAML.
pub fn examples() -> Vec<Vec<(String, String)>> {
    PAGE.split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .map(settings)
        .collect()
}

fn settings(block: &str) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match (line.split_once(':'), settings.last_mut()) {
            (Some((field, value)), _) if !line.starts_with(' ') => {
                settings.push((field.to_owned(), value.trim().to_owned()));
            }
            (_, Some((_, value))) => {
                value.push('\n');
                value.push_str(line);
            }
            (_, None) => {}
        }
    }
    settings
}
