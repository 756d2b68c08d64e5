//! Keys and certificates: who may talk to whom. Nothing of the cluster answers a stranger.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;

use crate::layout::{API_PORT, API_SERVICE_ADDRESS, DOMAIN, FIRST, Layout, NODE, NODE_ADDRESS, SECOND};

/// Time that certificates are valid: as long as anyone would keep such a cluster.
const VALIDITY: Duration = Duration::from_hours(365 * 24);

/// The group whose members may do everything.
const ADMINISTRATORS: &str = "system:masters";

/// Who has a kubeconfig: file name, user, group.
const CLIENTS: [(&str, &str, &str); 6] = [
    ("admin", "fltorrent-e2e-admin", ADMINISTRATORS),
    ("controller-manager", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
    (FIRST.kubelet, "system:node:flt-e2e", "system:nodes"),
    (SECOND.kubelet, "system:node:flt-e2e-2", "system:nodes"),
    ("proxy", "system:kube-proxy", ""),
];

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum CertsError {
    #[error("the certificate of {name} cannot be made")]
    Make { name: &'static str, source: rcgen::Error },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Makes all keys, certificates and kubeconfigs, unless they are there.
///
/// # Errors
/// When one cannot be made or written.
pub fn ensure(layout: &Layout) -> Result<(), CertsError> {
    // The administrator's kubeconfig is written last.
    if layout.kubeconfig().is_file() {
        return Ok(());
    }
    let folder = layout.pki();
    let made = fs::create_dir_all(&folder).and_then(|()| fs::set_permissions(&folder, Permissions::from_mode(0o700)));
    written(&folder, made)?;

    // etcd has an authority of its own: what may talk to the API server may not talk to etcd.
    let etcd = Authority::new(&folder, "etcd-ca")?;
    let local = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    etcd.sign("etcd", "etcd", "", &local)?;
    etcd.sign("etcd-client", "kube-apiserver", "", &[])?;

    let cluster = Authority::new(&folder, "ca")?;
    let mut names = local.to_vec();
    names.extend([NODE_ADDRESS, API_SERVICE_ADDRESS].map(|address| address.to_string()));
    names.extend(["", ".default", ".default.svc"].map(|end| format!("kubernetes{end}")));
    names.push(format!("kubernetes.default.svc.{DOMAIN}"));
    cluster.sign("apiserver", "kube-apiserver", "", &names)?;
    cluster.sign(
        "apiserver-kubelet-client",
        "kube-apiserver-kubelet-client",
        ADMINISTRATORS,
        &[],
    )?;
    // All kubelets have one address.
    let node = [NODE.to_owned(), NODE_ADDRESS.to_string()];
    cluster.sign("kubelet-serving", NODE, "", &node)?;

    let tokens = key("service-accounts")?;
    let place = folder.join("service-accounts.key");
    write(&place, &tokens.serialize_pem(), 0o600)?;
    let place = folder.join("service-accounts.pub");
    write(&place, &tokens.public_key_pem(), 0o644)?;
    for (file, user, group) in CLIENTS.into_iter().rev() {
        cluster.sign(file, user, group, &[])?;
        let kubeconfig = kubeconfig(&folder, file).to_string();
        write(&folder.join(format!("{file}.kubeconfig")), &kubeconfig, 0o600)?;
    }
    Ok(())
}

struct Authority<'a> {
    folder: &'a Path,
    issuer: Issuer<'static, KeyPair>,
}

impl<'a> Authority<'a> {
    fn new(folder: &'a Path, name: &'static str) -> Result<Self, CertsError> {
        let make = |source| CertsError::Make { name, source };
        let mut params = dated(Vec::new()).map_err(make)?;
        params
            .distinguished_name
            .push(DnType::CommonName, format!("fltorrent-e2e {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = key(name)?;
        let certificate = params.self_signed(&key).map_err(make)?;
        write(&folder.join(format!("{name}.crt")), &certificate.pem(), 0o644)?;
        write(&folder.join(format!("{name}.key")), &key.serialize_pem(), 0o600)?;
        Ok(Self {
            folder,
            issuer: Issuer::new(params, key),
        })
    }

    /// Writes a key and a certificate for it: for servers when there are names, else for clients; etcd is both.
    fn sign(&self, file: &'static str, user: &str, group: &str, names: &[String]) -> Result<(), CertsError> {
        let make = |source| CertsError::Make { name: file, source };
        let mut params = dated(names.to_vec()).map_err(make)?;
        params.distinguished_name.push(DnType::CommonName, user);
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match (names.is_empty(), file) {
            (true, _) => vec![ExtendedKeyUsagePurpose::ClientAuth],
            // etcd's own gateway talks to it with the certificate that it serves.
            (false, "etcd") => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            (false, _) => vec![ExtendedKeyUsagePurpose::ServerAuth],
        };
        let key = key(file)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(make)?;
        write(&self.folder.join(format!("{file}.crt")), &certificate.pem(), 0o644)?;
        write(&self.folder.join(format!("{file}.key")), &key.serialize_pem(), 0o600)
    }
}

fn dated(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    let begin = SystemTime::now() - Duration::from_mins(5);
    params.not_before = begin.into();
    params.not_after = (begin + VALIDITY).into();
    Ok(params)
}

fn key(name: &'static str) -> Result<KeyPair, CertsError> {
    KeyPair::generate().map_err(|source| CertsError::Make { name, source })
}

/// The configuration of a client that shows the certificate `file`.
fn kubeconfig(folder: &Path, file: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fltorrent-e2e", "cluster": {
            "server": format!("https://{NODE_ADDRESS}:{API_PORT}"),
            "certificate-authority": folder.join("ca.crt"),
        }}],
        "users": [{"name": file, "user": {
            "client-certificate": folder.join(format!("{file}.crt")),
            "client-key": folder.join(format!("{file}.key")),
        }}],
        "contexts": [{"name": "fltorrent-e2e", "context": {"cluster": "fltorrent-e2e", "user": file}}],
        "current-context": "fltorrent-e2e",
    })
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertsError> {
    let result = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written(path, result)
}

fn written(path: &Path, result: io::Result<()>) -> Result<(), CertsError> {
    result.map_err(|source| CertsError::Write {
        path: path.to_owned(),
        source,
    })
}
