//! TLS towards other servers: which authorities are trusted, which HTTP versions are offered.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Trust and protocol settings, shared by clients. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ClientConfig>);

/// The operator's authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRoots {
    /// The text is not PEM.
    #[error("the certificate authorities are not valid PEM")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// A certificate cannot serve as an authority.
    #[error("a certificate authority was refused")]
    Certificate(#[from] rustls::Error),
    /// The text holds no certificate.
    #[error("the file of certificate authorities holds no certificate")]
    None,
}

impl Tls {
    /// Trusts the public authorities of Mozilla's programme and, in addition, those in `extra_pem`: PEM text with
    /// one or more certificates, such as the file `SSL_CERT_FILE` names.
    ///
    /// # Errors
    /// [`InvalidRoots`] when `extra_pem` is not PEM, holds no certificate, or holds one that cannot be an authority.
    pub fn new(extra_pem: Option<&[u8]>) -> Result<Self, InvalidRoots> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = extra_pem {
            add_pem(&mut roots, pem)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn connector(&self) -> tokio_rustls::TlsConnector {
        tokio_rustls::TlsConnector::from(self.0.clone())
    }
}

fn add_pem(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), InvalidRoots> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    if roots.len() == before { Err(InvalidRoots::None) } else { Ok(()) }
}
