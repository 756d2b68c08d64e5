//! What `docs/operator.md` lists as a trouble, `docs/troubleshooting.md` says what to do about.

const OPERATOR: &str = include_str!("../../docs/operator.md");
const PAGE: &str = include_str!("../../docs/troubleshooting.md");

/// Words in UpperCamelCase.
fn reasons(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter(|word| word.matches(|c: char| c.is_ascii_uppercase()).count() > 1)
        .filter(|word| word.contains(|c: char| c.is_ascii_lowercase()))
        .collect()
}

#[test]
fn every_trouble_is_on_the_page() {
    let troubles = OPERATOR.split("\nProblems, ").nth(1).unwrap_or_default();
    let troubles = troubles.split("\n## ").next().unwrap_or_default();
    // The first cell of each row; what is wrong with a manifest is in the row of the condition Accepted.
    let mut wanted: Vec<&str> = troubles
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|cell| !cell.starts_with("reason") && !cell.starts_with("---"))
        .flat_map(|cell| cell.split(", "))
        .collect();
    let accepted = OPERATOR
        .lines()
        .find_map(|line| line.strip_prefix("| Accepted | ")?.split(" | ").nth(1));
    wanted.extend(reasons(accepted.unwrap_or_default()));
    assert!(wanted.len() >= 16, "{wanted:?}");
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|reason| !PAGE.contains(&format!("`{reason}`")))
        .collect();
    assert_eq!(missing, [""; 0], "docs/troubleshooting.md lacks them");
}
