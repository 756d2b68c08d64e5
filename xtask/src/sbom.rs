//! A bill of materials in the form of CycloneDX 1.5 (<https://cyclonedx.org/docs/1.5/json/>).

use crate::dependencies::Dependency;

/// The JSON text. Names, versions, expressions and checksums of crates have no character that JSON escapes.
pub(crate) fn sbom(dependencies: &[Dependency], version: &str) -> String {
    let components: Vec<String> = dependencies.iter().map(component).collect();
    format!(
        r#"{{
  "bomFormat": "CycloneDX",
  "specVersion": "1.5",
  "version": 1,
  "metadata": {{"component": {{"type": "application", "name": "fltorrent", "version": "{version}", "licenses": [{{"expression": "Apache-2.0"}}]}}}},
  "components": [
{}
  ]
}}
"#,
        components.join(",\n")
    )
}

fn component(dependency: &Dependency) -> String {
    let Dependency {
        name,
        version,
        license,
        checksum,
    } = dependency;
    // A plus sign of a version has a meaning of its own in a package URL.
    let purl = format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"));
    let licenses = match license.as_str() {
        "" => String::new(),
        _ => format!(r#", "licenses": [{{"expression": "{license}"}}]"#),
    };
    format!(
        r#"    {{"type": "library", "name": "{name}", "version": "{version}", "purl": "{purl}", "hashes": [{{"alg": "SHA-256", "content": "{checksum}"}}]{licenses}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_has_its_place_checksum_and_license() {
        let dependency = Dependency {
            name: "toml".into(),
            version: "1.0.0+spec".into(),
            license: "MIT OR Apache-2.0".into(),
            checksum: "ab".into(),
        };
        let expected = r#"    {"type": "library", "name": "toml", "version": "1.0.0+spec", "purl": "pkg:cargo/toml@1.0.0%2Bspec", "hashes": [{"alg": "SHA-256", "content": "ab"}], "licenses": [{"expression": "MIT OR Apache-2.0"}]}"#;
        assert_eq!(component(&dependency), expected);
    }
}
