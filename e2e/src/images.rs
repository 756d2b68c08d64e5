//! Images without a registry: a static program in an OCI archive, and the import into containerd.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::{
    command::{self, CommandError},
    components::{Context, containerd},
    layout::Node,
    task::Task,
};

/// The image of the cluster's DNS.
pub const COREDNS: &str = "fltorrent.io/e2e/coredns:v0";
/// The image that tests run in pods: the program `probe`, whose source says what it does.
pub const PROBE: &str = "fltorrent.io/e2e/probe:v0";

/// Images of one program each: name, program.
const IMAGES: [(&str, &str); 3] = [(containerd::PAUSE, "pause"), (COREDNS, "coredns"), (PROBE, "probe")];

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ImageError {
    #[error("the image {name} cannot be written to {}", path.display())]
    Archive {
        name: String,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} cannot be imported", path.display())]
    Import { path: PathBuf, source: CommandError },
    #[error("containerd does not list its images")]
    List(#[source] CommandError),
}

/// Makes and imports the images that the cluster and its tests need, unless the node's containerd has them.
///
/// # Errors
/// When one cannot be made or is refused.
pub fn ensure(context: Context<'_>, node: Node) -> Result<(), ImageError> {
    let mut task = Task::begin("importing images", context.interrupt);
    let mut list = containerd::ctr(context, node);
    list.args(["images", "list", "--quiet"]);
    let there = command::run(&mut list, &mut task).map_err(ImageError::List)?;
    for (name, program) in IMAGES {
        if there.lines().any(|line| line == name) {
            continue;
        }
        let path = context.layout.state().join(format!("{program}.tar"));
        let written = File::create(&path).and_then(|file| archive(file, name, &context.binaries.program(program)));
        written.map_err(|source| ImageError::Archive {
            name: name.to_owned(),
            path: path.clone(),
            source,
        })?;
        import(context, node, &path)?;
        // containerd has its content now.
        let _ = fs::remove_file(&path);
    }
    task.end();
    Ok(())
}

/// Gives a node's containerd the images of an archive, under the names that it says.
///
/// # Errors
/// When containerd refuses it.
pub fn import(context: Context<'_>, node: Node, path: &Path) -> Result<(), ImageError> {
    let mut task = Task::begin(format!("importing {}", path.display()), context.interrupt);
    let mut import = containerd::ctr(context, node);
    import.args(["images", "import"]).arg(path);
    command::run(&mut import, &mut task).map_err(|source| ImageError::Import {
        path: path.to_owned(),
        source,
    })?;
    task.end();
    Ok(())
}

/// An image of one static program, as the OCI image layout 1.0 in a tar file.
fn archive(file: File, name: &str, program: &Path) -> io::Result<()> {
    let entry = program.file_name().unwrap_or_default().to_string_lossy();
    let mut layer = Builder::new(Vec::new());
    append(&mut layer, &entry, 0o755, &contents(program)?)?;
    let layer = layer.into_inner()?;
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {"Entrypoint": [format!("/{entry}")]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(&layer)]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [described("application/vnd.oci.image.layer.v1.tar", &layer)],
    })
    .to_string();
    let mut described = described(MANIFEST, manifest.as_bytes());
    described["annotations"] = json!({"io.containerd.image.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [described]}).to_string();

    let mut archive = Builder::new(file);
    append(&mut archive, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut archive, "index.json", 0o644, index.as_bytes())?;
    for blob in [layer.as_slice(), config.as_bytes(), manifest.as_bytes()] {
        let path = format!("blobs/{}", sha256(blob).replace(':', "/"));
        append(&mut archive, &path, 0o644, blob)?;
    }
    archive.into_inner()?.sync_data()
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A file in a tar archive, without a date: the same program gives the same image.
fn append<W: io::Write>(archive: &mut Builder<W>, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    header.set_mtime(0);
    archive.append_data(&mut header, path, bytes)
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn described(kind: &str, blob: &[u8]) -> Value {
    json!({"mediaType": kind, "size": blob.len(), "digest": sha256(blob)})
}

fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    format!("sha256:{}", HEXLOWER.encode(digest.as_ref()))
}

/// Go's name for what programs are built for here.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may panic")]

    use super::*;

    fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (path, bytes)
        });
        entries.collect()
    }

    #[test]
    fn an_archive_holds_what_its_index_says() {
        let folder = tempfile::tempdir().unwrap();
        let (program, path) = (folder.path().join("run"), folder.path().join("run.tar"));
        fs::write(&program, "a program").unwrap();
        archive(File::create(&path).unwrap(), "example.org/run:v0", &program).unwrap();

        let files = entries(&fs::read(&path).unwrap());
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let file = |name: &str| &files.iter().find(|(path, _)| path == name).unwrap().1;
        let blob = |described: &Value| {
            let digest = described["digest"].as_str().unwrap();
            let bytes = file(&format!("blobs/{}", digest.replace(':', "/")));
            assert_eq!(sha256(bytes), digest);
            assert_eq!(described["size"], json!(bytes.len()));
            bytes
        };
        let index = json(file("index.json"));
        let described = &index["manifests"][0];
        assert_eq!(
            described["annotations"]["io.containerd.image.name"],
            json!("example.org/run:v0")
        );
        let manifest = json(blob(described));
        let layer = blob(&manifest["layers"][0]);
        let config = json(blob(&manifest["config"]));
        assert_eq!(config["rootfs"]["diff_ids"][0], json!(sha256(layer)));
        assert_eq!(config["config"]["Entrypoint"], json!(["/run"]));
        assert_eq!(entries(layer), [("run".to_owned(), b"a program".to_vec())]);
    }
}
