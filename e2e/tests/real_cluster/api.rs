//! The API server as tests talk to it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use e2e::Cluster;
use e2e::layout::{API_PORT, Layout, NODE_ADDRESS};
use libtest_mimic::Failed;
use serde_json::Value;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// Runs a command and returns its standard output without blanks around it.
pub fn run(command: &mut Command) -> Result<String, Failed> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?.trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{command:?} failed: {said}").into())
}

/// Runs kubectl with the words of `line`.
pub fn kubectl(cluster: &Cluster, line: &str) -> Result<String, Failed> {
    run(cluster.kubectl().args(line.split_ascii_whitespace()))
}

/// Creates objects and returns them as the API server has them.
pub fn create(cluster: &Cluster, objects: &Value) -> Result<Value, Failed> {
    let mut child = cluster
        .kubectl()
        .args(["create", "--output=json", "--filename=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .ok_or("no standard input")?
        .write_all(objects.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("kubectl create failed for {objects}").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The API server's URL of a path.
pub fn url(path: &str) -> String {
    format!("https://{NODE_ADDRESS}:{API_PORT}{path}")
}

/// A client that knows the cluster's authority, and shows the administrator's certificate or none.
pub fn agent(administrator: bool) -> Result<ureq::Agent, Failed> {
    let pki = Layout::from_environment()?.pki();
    let root = Certificate::from_pem(&fs::read(pki.join("ca.crt"))?)?.to_owned();
    let mut tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(vec![root])));
    if administrator {
        let certificate = Certificate::from_pem(&fs::read(pki.join("admin.crt"))?)?.to_owned();
        let key = PrivateKey::from_pem(&fs::read(pki.join("admin.key"))?)?.to_owned();
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&[certificate], key)));
    }
    let config = ureq::Agent::config_builder()
        .tls_config(tls.build())
        .http_status_as_error(false);
    Ok(config.build().into())
}
