//! The API server without kubectl.

use std::{fs, sync::Arc};

use e2e::layout::{API_PORT, Layout, NODE_ADDRESS};
use libtest_mimic::Failed;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

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
