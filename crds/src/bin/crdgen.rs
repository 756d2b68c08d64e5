//! Prints the YAML of the custom resource definition; with `schema`, what the reader of manifests uses of it; with `fields`, the
//! page about every field.

use std::{error::Error, fs, path::Path, process::ExitCode};

use fltorrent_crds::{
    definition,
    reference::{self, Example},
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let text = match words.as_slice() {
        [] => definition::yaml().map_err(Into::into),
        ["schema"] => definition::spec_json().map_err(Into::into),
        ["fields"] => fields(),
        _ => Err(
            "say nothing for the definition, `schema` for the reader's, or `fields` for the page about its fields"
                .into(),
        ),
    };
    match text {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The page with the examples of this checkout.
fn fields() -> Result<String, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fields");
    let mut examples = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.and_then(|name| name.strip_suffix(".yaml")) {
            examples.push(Example {
                name: name.to_owned(),
                text: fs::read_to_string(&path)?,
            });
        }
    }
    Ok(reference::page(&reference::with_variants(examples)?)?)
}
