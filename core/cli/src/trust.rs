//! Whose certificates a client command believes: the authorities that browsers believe, or those of a file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, crypto};

/// Who may vouch for a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust {
    /// The authorities of a file, which then are the only ones.
    own: Option<Vec<CertificateDer<'static>>>,
}

impl Trust {
    /// Reads the authorities in a PEM file; without one they are those that browsers believe.
    pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = file else { return Ok(Self::default()) };
        let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| anyhow!("{error}"));
        let found = found.with_context(|| format!("{} cannot be read", path.display()))?;
        if found.is_empty() {
            bail!("{} holds no certificate in PEM", path.display());
        }
        Ok(Self { own: Some(found) })
    }

    /// For requests.
    pub(crate) fn for_requests(&self) -> ureq::tls::TlsConfig {
        let roots = match &self.own {
            None => ureq::tls::RootCerts::WebPki,
            Some(own) => own
                .iter()
                .map(|one| ureq::tls::Certificate::from_der(one).to_owned())
                .collect::<Vec<_>>()
                .into(),
        };
        ureq::tls::TlsConfig::builder().root_certs(roots).build()
    }

    /// For a WebSocket.
    pub(crate) fn for_sockets(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        match &self.own {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(own) => {
                for one in own {
                    roots.add(one.clone()).context("a certificate of the file cannot be used")?;
                }
            }
        }
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
