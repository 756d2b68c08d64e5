//! Data by URL, as a company's network has it: a server with a certificate of its own authority, and one that falls silent.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::support::{fltorrent, stderr};

const TABLE: &str = "label,a,b\n0,1,2\n1,2,3\n0,3,1\n1,4,2\n";
/// Its SHA-256, by sha256sum.
const HASH: &str = "fe65c8268287bbe8d58df0e6aa714f9bdd8912f420430baae9428b2159ff3f10";

/// A manifest of two peers that learn from the table behind a URL.
fn manifest(folder: &Path, url: &str) -> std::path::PathBuf {
    let path = folder.join("m.yaml");
    let text = format!(
        "apiVersion: fltorrent.io/v1alpha1
kind: FLTorrentExperiment
metadata: {{name: fetched}}
spec:
  seed: 1
  groups: [{{name: peers, count: 2}}]
  topology: {{type: ring}}
  training: {{rounds: 1, epochs: 1, batchSize: 1, learningRate: 0.05}}
  model: {{type: mlp, mlp: {{hidden: [8]}}}}
  data:
    type: csv
    csv: {{train: '{url}', test: '{url}', sha256: {{train: {HASH}, test: {HASH}}}, labelColumn: label, classes: 2, inputShape: [2]}}
"
    );
    fs::write(&path, text).unwrap();
    path
}

/// Serves the table by https; gives the URL and writes the certificate of its authority.
fn https(authority: &Path) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(authority, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/t.csv", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, stream));
            // A client that does not trust this server leaves in the middle of the handshake.
            skip_head(&mut stream);
            stream.get_mut().write_all(answer().as_bytes()).ok();
            stream.get_mut().conn.send_close_notify();
            stream.get_mut().flush().ok();
        }
    });
    url
}

fn answer() -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{TABLE}", TABLE.len())
}

fn skip_head(stream: &mut impl BufRead) {
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
}

/// `fltorrent run`, with a cache of its own and without this machine's authorities.
fn command(folder: &Path, manifest: &Path, out: &str) -> Command {
    let mut command = fltorrent(&["run", "--quiet"]);
    command.arg(manifest).arg("--out").arg(folder.join(out));
    command.env("FLTORRENT_CACHE", folder.join(format!("cache-of-{out}")));
    for variable in [
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(variable);
    }
    command
}

#[test]
fn an_authority_of_ones_own_is_trusted_where_it_is_named_and_refused_with_the_way_to_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let authorities = folder.path().join("authorities");
    fs::create_dir(&authorities).unwrap();
    let authority = authorities.join("ca.pem");
    let manifest = manifest(folder.path(), &https(&authority));
    let run = |out: &str| command(folder.path(), &manifest, out);
    let output = run("by-file").env("SSL_CERT_FILE", &authority).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let output = run("by-folder").env("SSL_CERT_DIR", &authorities).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let output = run("not-named").output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for part in [
        "the authority of the server's certificate is not trusted",
        "SSL_CERT_FILE",
    ] {
        assert!(errors.contains(part), "{errors} has not {part}");
    }
    let output = run("nothing").env("SSL_CERT_FILE", "/no/such.pem").output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("SSL_CERT_FILE=/no/such.pem: no certificate could be read"),
        "{errors}"
    );
}

#[test]
fn a_fetch_that_is_ended_from_outside_leaves_nothing_but_its_lock() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/t.csv", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nlabel")
            .unwrap();
        // Until the client has gone.
        stream.read_to_end(&mut Vec::new()).ok();
    });
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(folder.path(), &url);
    let mut child = command(folder.path(), &manifest, "out")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let cache = folder.path().join("cache-of-out");
    // The file is open when the process has one in the cache that is not the lock.
    let is_open = |link: fs::DirEntry| {
        let target = fs::read_link(link.path()).unwrap_or_default();
        target.starts_with(&cache) && !target.to_string_lossy().ends_with(".lock")
    };
    let open_files = format!("/proc/{}/fd", child.id());
    while !fs::read_dir(&open_files).unwrap().map(Result::unwrap).any(is_open) {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        thread::yield_now();
    }
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{errors}");
    assert!(
        errors.contains("error: interrupted by SIGTERM; nothing was started"),
        "{errors}"
    );
    assert!(!folder.path().join("out").exists());
    let names: Vec<_> = fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].to_string_lossy().ends_with(".lock"), "{names:?}");
}

#[test]
fn a_proxy_of_the_environment_is_asked_for_hosts_that_only_it_knows() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::new(stream);
        for answer in ["HTTP/1.1 200 OK\r\n\r\n", &answer()] {
            skip_head(&mut stream);
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(folder.path(), "http://data.invalid/t.csv");
    let mut run = command(folder.path(), &manifest, "out");
    let output = run.env("http_proxy", proxy).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_cache_folder_that_a_shell_was_meant_to_expand_is_refused_unless_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(folder.path(), "https://127.0.0.1:1");
    let fails = |cache: &str| {
        let output = command(folder.path(), &manifest, "out")
            .env("FLTORRENT_CACHE", cache)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    for (cache, part) in [("~/x", "~"), ("${HOME}/x", "${HOME}")] {
        let expected = format!("FLTORRENT_CACHE is {cache}, and {part} in it is not expanded");
        let errors = fails(cache);
        assert!(errors.contains(&expected), "{errors}");
        assert!(!folder.path().join(part).exists());
    }
    fs::create_dir(folder.path().join("~")).unwrap();
    let errors = fails("~/x");
    assert!(errors.contains("cannot be fetched"), "{errors}");
}
